"""Plans in parsed values and in texts, each of which may stand in the other: where the list of subtasks is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from concertino.contracts.ids import is_id
from concertino.nodes.planning.reader.beside import asked_of, links_of
from concertino.nodes.planning.reader.elements import INPUT_KEYS, WORKER_KEYS, Element, element_of
from concertino.nodes.planning.reader.lines import shape_of_calls, shape_of_lines
from concertino.nodes.planning.reader.literals import CALLED
from concertino.nodes.planning.reader.markup import markup
from concertino.nodes.planning.reader.messages import CALL_FIELDS, as_calls, call_in, is_talk, message_in, texts_of
from concertino.nodes.planning.reader.own_fields import HEADER, taken
from concertino.nodes.planning.reader.plain import Plain
from concertino.nodes.planning.reader.rows import (
    add_steps,
    by_needs,
    has_structure,
    is_evidence,
    is_printed,
    is_single,
    looks_like_work,
    may_hold_rows,
    names_anybody,
    printed_call,
)
from concertino.nodes.planning.reader.shape import Candidate, Shape, joined, last_of_the_large, refused_of, together_of
from concertino.nodes.planning.reader.texts import fenced, is_respelled, respelled, values, without_thoughts

LIST_KEYS = (
    "subtasks", "sub_tasks", "task_nodes", "tasks", "nodes", "steps", "plan_steps", "plan", "actions", "workflow", "todos",
    "todo", "tool_calls", "calls", "items", "task_steps",
)  # fmt: skip
LINK_KEYS = ("task_links", "links", "edges", "dependencies", "connections", "dependency_graph")
ORDERED_KEYS = frozenset({"steps", "plan_steps", "task_steps", "todos", "todo"})
"""Lists whose order is what they say, where no dependency is named anywhere."""
FORWARD_KEYS = frozenset({"graph", "dag", "adjacency", "adjacency_list", "edges", "successors", "next"})
"""Mappings from a name to what comes after it; any other is to what it needs."""
WEAK_KEYS = frozenset({"items", "nodes", "calls"})
"""Lists that much else has, too: alone they make no plan of a call's arguments."""
TEXT_KEYS = frozenset(
    {"text", "output", "output_text", "response", "answer", "completion", "generated_text", "result", "message"}
)
"""Fields in which an API or a wrapper hands over what a model said."""
RESPELLED = 3
"""Wrappers deep, at most, that a text is read in another spelling; each tries several."""
ROWS = 400
"""Rows of a list by which it is judged what it is a list of."""
LEVELS = 9
"""Wrappers around a plan that are looked into."""


def shape_of(value: Any, specialists: Collection[str], *, level: int = 0) -> Shape | None:
    """Return the plan in a parsed value; `None` without one."""
    if level > LEVELS:
        return None
    if isinstance(value, str):
        return _in_text(value, specialists, level + 1, lines=False) if "{" in value or "[" in value else None
    if isinstance(value, list):
        return _of_list(value, specialists, level)
    return _of_mapping(value, specialists, level) if isinstance(value, Mapping) else None


def plans_in(
    text: str, specialists: Collection[str], plain: Plain, *, level: int = 0, lines: bool = True
) -> tuple[list[Candidate], list[str]]:
    """Return the plans in a text, `level` wrappers deep, and what is to be said of what was not read.

    Without `lines`, only values are read.

    Where there is none in the text as it stands, it is read once more as it would be without a second layer of escapes, with
    plain quotes, or with entities as what they stand for.
    """
    said = without_thoughts(text)
    notes: list[str] = []
    if is_respelled(said):
        said = next(respelled(said), said)
    found = _fenced(said, specialists, plain, notes, level)
    if (
        lines
        and not found
        and said.lstrip()[:1] not in ("{", "[")
        and (shape := shape_of_calls(said, specialists)) is not None
    ):
        found = [Candidate(shape, "text")]
    if not found:
        found = _valued(said, specialists, plain, notes, level)
    for other in () if found or level >= RESPELLED else respelled(said):
        found = _fenced(other, specialists, plain, notes, level) or _valued(other, specialists, plain, notes, level)
        if found:
            break
    if not found and "<" in said and (shape := markup(said, specialists)) is not None:
        found = [Candidate(shape, "text")]
    if lines and not found and (shape := shape_of_lines(said, specialists)) is not None:
        found = [Candidate(shape, "text")]
    return found, notes


def handed_in(given: list[Any], specialists: Collection[str], level: int = 0) -> Shape | None:
    """Return the plan that calls hand in: a call is a wrapper where nobody has its name and its arguments read as a plan."""
    found = [made for item in given if isinstance(item, Mapping) and (made := _handed(item, specialists, level))]
    if len(found) > 1 and all(shape.form == "one" for shape in found):
        return together_of(found)
    return last_of_the_large(found)


def _handed(given: Mapping[str, Any], specialists: Collection[str], level: int) -> Shape | None:
    call = call_in(given)
    if call is None or call.name in specialists or level >= LEVELS or not has_structure(call.args):
        return None
    made = shape_of(call.args, specialists, level=level + 1)
    if made is None and isinstance(call.args, Mapping) and len(call.args) == 1:
        made = shape_of(next(iter(call.args.values())), specialists, level=level + 1)
    if made is None or not made.elements or call.name.lower() in {name.lower() for name in specialists}:
        return None
    names_work = any(element.worker in specialists for element in made.elements)
    says_plan = made.key not in ("", *WEAK_KEYS) or bool(made.links) or any(row.needs for row in made.elements)
    return made if names_work or says_plan or (made.form == "one" and not specialists) else None


def _of_list(given: list[Any], specialists: Collection[str], level: int, *, key: str = "") -> Shape | None:
    if given and all(isinstance(item, str) for item in given):
        elements = [made for item in given if (made := element_of(item, specialists))]
        is_code = all(len(item.split()) < 2 and item not in specialists for item in given)
        return (
            None
            if is_code and key not in LIST_KEYS
            else Shape(elements, form="steps", in_order=True, notes=refused_of(given))
        )
    if any(is_printed(item) for item in given):
        return _of_messages(given, specialists)
    if given and all(is_evidence(item) for item in given):
        return Shape([Element(row[1].strip(" #"), row[2], row[0], {"input": row[3]}) for row in given], form="rewoo")
    if (staged := _of_stages(given, specialists, level)) is not None:
        return staged
    rows = [item for item in given if isinstance(item, Mapping | str)]
    mappings = [item for item in rows if isinstance(item, Mapping)]
    first = mappings[:ROWS]
    if mappings and all(map(is_talk, mappings)):
        talk = (_of_message(item, specialists, level + 1) for item in reversed(mappings))
        return next((shape for shape in talk if shape is not None and shape.elements), None)
    calls = [item for item in first if call_in(item) is not None]
    if calls and (handed := handed_in(calls, specialists, level)) is not None and not names_anybody(first, specialists):
        return handed
    if not any(looks_like_work(item, specialists) for item in first):
        nested = [shape for item in first if level < LEVELS and (shape := _of_mapping(item, specialists, level + 1))]
        return last_of_the_large(nested)
    elements = [made for item in rows if (made := element_of(item, specialists))]
    if not elements:
        return None
    says_needs = any(element.needs is not None for element in elements)
    return Shape(elements, form="list", in_order=key in ORDERED_KEYS and not says_needs, key=key)


def _of_stages(given: list[Any], specialists: Collection[str], level: int) -> Shape | None:
    """Read a list of stages that each have a list of subtasks; stages run one after another."""
    parts: list[tuple[str, Shape]] = []
    for number, item in enumerate(given, 1):
        key = next((key for key in LIST_KEYS if isinstance(item, Mapping) and isinstance(item.get(key), list)), None)
        if key is None or any(isinstance(item.get(name), str) for name in WORKER_KEYS[:15]):
            return None
        shape = _of_list(item[key], specialists, level + 1, key=key)
        if shape is None or not shape.elements:
            return None
        name = next(
            (item[name] for name in ("stage", "id", "name", "phase") if is_id(item.get(name))), f"stage-{number}"
        )
        parts.append((name, shape))
    if len(parts) < 2:
        return parts[0][1] if parts else None
    for name, shape in parts:
        for element in shape.elements:
            element.more.setdefault("stage", name)
    elements = [element for _, shape in parts for element in shape.elements]
    return Shape(elements, form="stages", links=[link for _, shape in parts for link in shape.links])


def _of_mapping(given: Mapping[str, Any], specialists: Collection[str], level: int) -> Shape | None:
    found: Shape | None = None
    if is_printed(given):
        return _of_messages([given], specialists)
    if (message := message_in(given)) is not None and level < LEVELS:
        return _of_message(message, specialists, level)
    for key in LIST_KEYS:
        inner = given.get(key)
        if inner is None or inner in ("", [], {}) or (key == "task_steps" and found is not None):
            continue
        made = _inside(inner, key, specialists, level)
        if made is not None and made.elements:
            found = made
            found.key = found.key or key
            if key == "task_nodes":
                found.form = "taskbench"
                add_steps(found, given.get("task_steps"))
            break
    if found is None:
        return _without_list(given, specialists, level)
    for key in LINK_KEYS:
        if isinstance(given.get(key), list | Mapping) and given[key]:
            found.links += links_of(given[key])
            found.in_order = False
    if "task_links" in given:
        found.in_order = False
    found.header |= taken(given, HEADER)
    found.asked = asked_of(given) or found.asked
    return found


def _inside(inner: Any, key: str, specialists: Collection[str], level: int) -> Shape | None:
    if isinstance(inner, list):
        if key == "task_nodes":  # TaskBench: the task is the tool
            inner = [
                {"tool": item["task"], **{name: value for name, value in item.items() if name != "task"}}
                if isinstance(item, Mapping) and isinstance(item.get("task"), str) and "tool" not in item else item
                for item in inner
            ]  # fmt: skip
        return _of_list(inner, specialists, level, key=key)
    if isinstance(inner, str):
        return _in_text(inner, specialists, level + 1, lines=True)
    if isinstance(inner, Mapping):
        made = _of_mapping(inner, specialists, level + 1)
        return made if made is not None else _by_id(inner, specialists, key=key)
    return None


def _in_text(text: str, specialists: Collection[str], level: int, *, lines: bool) -> Shape | None:
    """Return the plan in a text that stands inside a value, `level` wrappers deep."""
    if level > LEVELS:
        return None
    plain = Plain()
    found, notes = plans_in(text, specialists, plain, level=level, lines=lines)
    chosen = last_of_the_large([one.shape for one in found if one.shape.elements])
    if chosen is not None:
        chosen.notes += [*notes, *plain.notes, *(note for one in found if one.shape is chosen for note in one.notes)]
    return chosen


def _of_calls(calls: list[dict[str, Any]], specialists: Collection[str], level: int) -> Shape | None:
    """Return the plan that a call hands in, or the calls themselves as one."""
    return handed_in(calls, specialists, level) or shape_of(calls, specialists, level=level + 1)


def _of_message(message: Any, specialists: Collection[str], level: int) -> Shape | None:
    made = [_of_calls(as_calls(message), specialists, level)]
    made += [_inside(text, "plan", specialists, level + 1) for text in texts_of(message)]
    return max((shape for shape in made if shape is not None), key=lambda shape: len(shape.elements), default=None)


def _without_list(given: Mapping[str, Any], specialists: Collection[str], level: int, key: str = "") -> Shape | None:
    """Look for a plan in a mapping that has none of the usual lists: a wrapper, subtasks by id, or a single subtask."""
    if (handed := _handed(given, specialists, level)) is not None:
        return handed
    if is_single(given, specialists):
        made = element_of(given, specialists)
        return Shape([made], form="one") if made is not None else None
    graph = by_needs(given, specialists, forward=key in FORWARD_KEYS)
    if graph is not None:
        return graph
    by_id = _by_id(given, specialists)
    if by_id is not None and len(by_id.elements) > 1:
        return by_id
    if level < LEVELS:
        inner = [
            found
            for key, value in given.items()
            if key not in INPUT_KEYS and (isinstance(value, Mapping | str) or may_hold_rows(key, value))
            and (found := _wrapped(key, value, specialists, level + 1)) and found.elements
        ]  # fmt: skip
        if inner:
            best = last_of_the_large(inner) or inner[0]
            best.asked = asked_of(given) or best.asked
            return best
    return by_id


def _wrapped(key: str, value: Any, specialists: Collection[str], level: int) -> Shape | None:
    if isinstance(value, Mapping) and key in FORWARD_KEYS:
        return _without_list(value, specialists, level, key)
    if isinstance(value, str) and key.lower() in TEXT_KEYS:
        return _in_text(value, specialists, level, lines=True)
    return shape_of(value, specialists, level=level)


def _by_id(given: Mapping[str, Any], specialists: Collection[str], *, key: str = "") -> Shape | None:
    if len(given) > 1 and all(isinstance(row, str) for row in given.values()) and key in LIST_KEYS:
        given = {name: {"objective": row} for name, row in given.items()}
    rows = [
        ({"id": name, **row})
        for name, row in given.items()
        if isinstance(row, Mapping) and name not in CALL_FIELDS and looks_like_work(row, specialists)
    ]
    if len(rows) < len([row for row in given.values() if isinstance(row, Mapping)]) or not rows:
        return None
    return _of_list(rows, specialists, LEVELS)


def _of_messages(given: list[Any], specialists: Collection[str]) -> Shape | None:
    """Read printed messages of LangChain: the calls they record, as LLMCompiler prints its plan, or what they contain."""
    messages = [item for item in given if is_printed(item)]
    done = [item for item in messages if item[CALLED] in ("FunctionMessage", "ToolMessage") and "name" in item]
    if done:
        return _of_list([printed_call(item) for item in done], specialists, LEVELS - 3)
    found = [_of_message({"role": "", "content": "", **item}, specialists, LEVELS - 3) for item in messages]
    return max((made for made in found if made is not None), key=lambda shape: len(shape.elements), default=None)


def _fenced(said: str, specialists: Collection[str], plain: Plain, notes: list[str], level: int) -> list[Candidate]:
    found: list[Candidate] = []
    for language, block in fenced(said):
        inside = _valued(block, specialists, plain, notes, level, language=language)
        if not inside and (shape := shape_of_lines(block, specialists)) is not None:
            inside = [Candidate(shape, "text")]
        found += [Candidate(one.shape, f"fenced {one.form}", one.notes, is_part=one.is_part) for one in inside]
    return joined(found)


def _valued(
    text: str, specialists: Collection[str], plain: Plain, notes: list[str], level: int, *, language: str = ""
) -> list[Candidate]:
    found = []
    for one in values(text, language, is_plan=lambda value: _plan(value, specialists, Plain(), level) is not None):
        shape = _plan(one.value, specialists, plain, level)
        if shape is not None:
            found.append(Candidate(shape, one.form, one.notes, is_part=one.is_part))
        elif one.value is None:
            notes += one.notes
    return joined(found)


def _plan(value: object, specialists: Collection[str], plain: Plain, level: int) -> Shape | None:
    shape = shape_of(plain.of(value), specialists, level=level)
    return shape if shape is not None and shape.elements else None
