"""From what was understood to the raw plan: ids that the validator knows, references in its own form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from concertino.contracts.ids import is_id
from concertino.contracts.json import JsonObject, clean
from concertino.contracts.requirements import Requirements
from concertino.nodes.planning import references
from concertino.nodes.planning.reader.shape import CHAINED, Reading, Shape

MARKS = re.compile(
    r"<(?:node|GENERATED|resource|task|step)>?[-_ ]?(?P<position>\d+)>?"
    r"|#(?P<evidence>E\d+)\b"
    r"|\$(?P<brace>\{)?(?P<number>\d+)\}?(?!\d|[.,]\d|\s?(?:k|m|bn|thousand|million|billion|trillion|per)\b)"
    r"|\{\{\s*(?:steps?\.)?(?P<name>[A-Za-z0-9][\w-]{0,63})(?:\.(?:output|result))?\s*\}\}"
)
"""How models refer to an earlier result inside an argument."""
NAMED = re.compile(r"\$\{([^{}]{1,100})\}")
"""A reference in the plan's own form to an id that may be none."""
NESTING = 24


def finished(shape: Shape, form: str, notes: tuple[str, ...]) -> Reading:
    """Return the reading of a shape. Ids stay where they can; every reference is rewritten with them."""
    told = [*notes, *shape.notes]
    ids = _ids(shape, told)
    names: dict[str, str] = {}
    for element, made in zip(shape.elements, ids, strict=True):
        if element.id is not None:
            names.setdefault(element.id, made)
    if not names:  # then they can only be meant by their number
        first = _first_number(shape, len(ids))
        names = {str(number): made for number, made in enumerate(ids, first)}
        if not first:
            told.append("subtasks are counted from 0: so their links do")
    nodes = Nodes(shape, ids)
    if nodes.first:
        told.append("nodes are counted from 1: so they agree with the links")
    subtasks: list[Any] = []
    for position, (element, made) in enumerate(zip(shape.elements, ids, strict=True)):
        meant: list[str] = []
        inputs = _linked(element.inputs, position, nodes, names, meant)
        needs = [_meant(name, ids, names) or name for name in element.needs or ()]
        if shape.in_order and position and element.needs is None:
            needs = [ids[position - 1]]
        row: JsonObject = {"id": made}
        if element.worker is not None:
            row["specialist"] = element.worker
        row |= {"objective": element.objective, "inputs": inputs, **element.more}
        row["needs"] = list(dict.fromkeys([*needs, *meant]))
        subtasks.append(row)
    if shape.in_order and len(subtasks) > 1:
        told.append(CHAINED)
    left = dict.fromkeys(name[:64] for element in shape.elements for name in element.left)
    if left:
        told.append(f"fields that a plan has no place for were not read: {', '.join(list(left)[:10])}")
    plan: JsonObject = {"subtasks": subtasks, **shape.header}
    if isinstance(answer := plan.get("answer"), list):
        plan["answer"] = [_meant(str(name), ids, names) or name for name in answer]
    if shape.links:
        plan["links"] = [_link(link, ids, names) for link in shape.links]
    try:
        cleaned: Any = clean(plan, field="plan", nesting=NESTING + 8)
    except ValueError as error:
        return Reading(None, notes=(*told, f"the plan cannot be read: {error}"))
    return Reading(cleaned, form, tuple(told), requirements=_requirements(shape.asked))


def _first_number(shape: Shape, count: int) -> int:
    """Return 0 where needs and links count the subtasks from 0, else 1."""
    named = {need for element in shape.elements for need in element.needs or ()}
    named |= {str(end) for link in shape.links if isinstance(link, tuple) for end in link}
    return 0 if "0" in named and str(count) not in named else 1


class Nodes:
    """Subtasks by their position in the list, as `<node-0>` speaks of them.

    Some models count from 1: whichever agrees better with the links counts. A mark that contradicts the links, because its
    node comes after the one it stands in, is no reference but text.
    """

    def __init__(self, shape: Shape, ids: list[str]) -> None:
        self.ids = ids
        self.counts_dollars = shape.form in ("llm-compiler", "calls") or not (
            shape.links or any(element.needs is not None for element in shape.elements)
        )
        """Whether `$1` inside a text is a reference; in a plan that names its edges otherwise it is a sum of money."""
        self._after = _reach(shape)
        marks = [
            (own, int(mark["position"]))
            for own, element in enumerate(shape.elements)
            for mark in MARKS.finditer(str(element.inputs))
            if mark["position"] is not None and mark.group(0).startswith("<node")
        ]
        fits = [sum(own in self._after.get(position - first, ()) for own, position in marks) for first in (0, 1)]
        self.first = int(fits[1] > fits[0])

    def id_of(self, position: int, own: int) -> str | None:
        """Return the id of a node that a mark in the subtask at `own` speaks of; `None` where it can mean none."""
        at = position - self.first
        if not 0 <= at < len(self.ids) or at == own or at in self._after.get(own, ()):
            return None
        return self.ids[at]


def _reach(shape: Shape) -> dict[int, set[int]]:
    """Return, for every position, those that come after it by the links."""
    places: dict[str, list[int]] = {}
    for at, element in enumerate(shape.elements):
        for name in {element.id, element.worker} - {None}:
            places.setdefault(str(name), []).append(at)
    following: dict[int, set[int]] = {}
    for link in shape.links:
        if isinstance(link, tuple):
            for before in places.get(str(link[0]), ()):
                following.setdefault(before, set()).update(at for at in places.get(str(link[1]), ()) if at != before)
    reached: dict[int, set[int]] = {}
    for start in following:
        left, seen = [start], set[int]()
        while left:
            for at in following.get(left.pop(), ()):
                if at not in seen:
                    seen.add(at)
                    left.append(at)
        reached[start] = seen
    return reached


def _ids(shape: Shape, notes: list[str]) -> list[str]:
    """Return an id for every subtask; ids given twice stay, so that mending sees them."""
    taken = {element.id for element in shape.elements if is_id(element.id)}
    made: list[str] = []
    renamed: list[str] = []
    for number, element in enumerate(shape.elements, 1):
        if element.id is not None and is_id(element.id):
            made.append(element.id)
            continue
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", element.id or "").strip("_-")[:64]
        if not is_id(name) or name in taken:
            name, tries = f"s{number}", number
            while name in taken:
                tries += 1
                name = f"s{tries}"
        taken.add(name)
        made.append(name)
        if element.id is not None:
            renamed.append(f"{element.id[:64]} is now {name}")
    if renamed:
        notes.append(f"ids were changed to what ids may be: {', '.join(renamed[:10])}")
    return made


def _meant(name: str, ids: list[str], names: Mapping[str, str]) -> str | None:
    """Return the id that a reference means: as written, without `step` or `#` before it, or a node by its position."""
    text = str(name).strip()
    if text in names:
        return names[text]
    if text in ids:
        return text
    short = re.sub(r"^(?:step|task|subtask|node|s|t|#|e)[\s_-]*(?=\d)", "", text, flags=re.IGNORECASE)
    if short in names:
        return names[short]
    positioned = re.fullmatch(r"<?node[-_ ]?(\d+)>?", text, re.IGNORECASE)
    if positioned and int(positioned[1]) < len(ids):
        return ids[int(positioned[1])]
    for prefix in ("E", "s", "S", "step", "t", "#E"):
        if f"{prefix}{short}" in names:
            return names[f"{prefix}{short}"]
    return None


def _linked(value: Any, own: int, nodes: Nodes, names: Mapping[str, str], meant: list[str], level: int = 0) -> Any:
    """Return an argument with whole-value references in the plan's form; `meant` gathers every id that is referred to."""
    if level > NESTING:
        return None
    if isinstance(value, Mapping):
        if set(value) == {"$literal"}:
            return dict(value)
        if set(value) <= {"$from", "path"} and isinstance(value.get("$from"), str):
            target = _meant(value["$from"], nodes.ids, names)
            return {**value, "$from": target} if target is not None else dict(value)
        return {str(key): _linked(inner, own, nodes, names, meant, level + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_linked(inner, own, nodes, names, meant, level + 1) for inner in value]
    if not isinstance(value, str):
        return value
    found = [
        (match, target)
        for match in MARKS.finditer(value)
        if (target := _target(match, own, nodes, names)) and target != nodes.ids[own]
        and (nodes.counts_dollars or not match["number"] or match["brace"] or match.group(0) == value.strip())
    ]  # fmt: skip
    if len(found) == 1 and found[0][0].group(0) == value.strip():
        return {"$from": found[0][1]}
    meant += [target for _, target in found]
    named = NAMED.fullmatch(value.strip())
    if named is not None and named[1] in names and not is_id(named[1]):
        return references.reference_to(names[named[1]])
    own_form = references.read(value)
    if own_form is None:
        return value
    if (
        isinstance(own_form, references.Reference)
        and (target := _meant(own_form.subtask, nodes.ids, names)) is not None
    ):
        return references.reference_to(target, own_form.path)
    return value  # whom it means, if anybody, is for mending to find


def _target(match: re.Match[str], own: int, nodes: Nodes, names: Mapping[str, str]) -> str | None:
    if (position := match["position"]) is not None:
        if position in names and not match.group(0).startswith("<node"):
            return names[position]
        return nodes.id_of(int(position), own)
    written = match["evidence"] or match["number"] or match["name"]
    return names.get(written)


def _link(link: Any, ids: list[str], names: Mapping[str, str]) -> Any:
    """Return a link by ids where an end is one; ends that are names of tools stay names."""
    if not isinstance(link, tuple):
        return link
    before, after = (_end(end, ids, names) for end in link)
    return {"from": before, "to": after}


def _end(end: Any, ids: list[str], names: Mapping[str, str]) -> Any:
    if isinstance(end, Mapping):
        inner = next((end[key] for key in ("id", "task", "node", "name", "tool") if key in end), None)
        return _end(inner, ids, names) if inner is not None else str(end)
    if isinstance(end, bool) or not isinstance(end, str | int):
        return end
    return _meant(str(end), ids, names) or str(end)


def _requirements(asked: Mapping[str, Any]) -> Requirements | None:
    if not asked:
        return None
    criteria = []
    for number, item in enumerate(asked.get("acceptance_criteria") or (), 1):
        text = item if isinstance(item, str) else str(_first(item, "text", "description", "criterion") or "")
        name = _first(item, "id") if isinstance(item, Mapping) else None
        criteria.append({"id": name if is_id(name) else f"c{number}", "text": text[:4_000]})
    told = {
        name: [item if isinstance(item, str) else str(_first(item, "text", "description") or item) for item in asked[name]]
        for name in ("objectives", "constraints") if name in asked
    }  # fmt: skip
    try:
        return Requirements.model_validate({**told, "acceptance_criteria": criteria})
    except ValidationError:
        return None


def _first(item: Any, *names: str) -> Any:
    return next((item[name] for name in names if isinstance(item, Mapping) and item.get(name)), None)
