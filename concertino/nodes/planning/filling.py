"""Putting subtasks into the holes of a rule's draft, and closing by rule those that nobody filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from concertino.contracts.budget import DIMENSIONS, Budget
from concertino.contracts.ids import is_id
from concertino.contracts.json import JsonObject
from concertino.contracts.limits import Limits
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning import references, routing
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.fallback import fits_inline, inputs_for
from concertino.nodes.planning.holes import Hole
from concertino.nodes.planning.references import Reference, reference_to
from concertino.nodes.planning.shortening import fit_objectives
from concertino.nodes.planning.suiting import without_forbidden

FIELDS = frozenset({
    "id", "specialist", "capability", "needs", "objective", "inputs", "covers", "estimate_s", "required", "gate", "budget", "tier",
})  # fmt: skip
"""What a subtask in a hole may say of itself; whatever else stands there is the workflow's to say."""


def fill_holes(draft: Draft, filled: Mapping[str, Sequence[JsonObject]]) -> Draft:
    """Return `draft` with subtasks in its holes.

    They are called `hole-1`, `hole-2`, ..., so that no name of theirs can be one of the workflow's; `needs` and references among
    them may speak of each other by their own ids, and of the rest of the plan by its ids. Each needs what the hole needs; whoever
    needs the hole needs all of them, and gets their outputs as one list. An optional hole given
    nothing is left out; a required one given nothing stays open. What they ask for is not judged here, as
    `validate_draft` judges the whole plan.

    Args:
        draft: a rule's.
        filled: raw subtasks by the id of an open hole; other names are ignored with a note.
    """
    for name, subtasks in filled.items():
        hole = next((hole for hole in draft.open_holes if hole.id == name), None)
        if hole is None:
            draft = replace(
                draft, notes=(*draft.notes, f"{name[:64]}: no open hole of this name, what it was given is left out")
            )
        elif subtasks or not hole.required:
            draft = _filled(draft, hole, subtasks)
    return draft


def close_holes(
    draft: Draft, *, task: Task, cards: Cards, standings: Standings | None = None, limits: Limits | None = None
) -> Draft:
    """Return `draft` without open holes: every allowed specialist works on the whole of a required one, an optional one is left out.

    The best of them, by authority, answers for the criteria. One who must not meet another, whose input schema the payload does not fit is left
    out, and so is who is beyond `max_subtasks`, each with a note. A required hole for which nobody is left stays open, which
    `validate_draft` refuses.
    """
    bounds = limits or Limits()
    for hole in draft.open_holes:
        if not hole.required:
            draft = _filled(draft, hole, ())
            continue
        notes: list[str] = []
        subtasks = _by_rule(draft, hole, task, cards, standings or {}, bounds, notes)
        draft = replace(draft, notes=(*draft.notes, *notes))
        if subtasks:
            draft = _filled(draft, hole, subtasks)
    return _shortened(draft, bounds) if draft.holes else draft


def may_work(hole: Hole, name: str, cards: Cards) -> bool:
    """Say whether a specialist is among those whom a hole allows."""
    if not hole.specialists and not hole.capabilities:
        return True
    base = cards[name].variant_of if name in cards else None
    if name in hole.specialists or base in hole.specialists:
        return True
    return name in cards and not routing.capabilities(name, cards).isdisjoint(hole.capabilities)


def _by_rule(
    draft: Draft, hole: Hole, task: Task, cards: Cards, standings: Standings, limits: Limits, notes: list[str]
) -> list[JsonObject]:
    allowed = [name for name in cards if may_work(hole, name, cards)]
    chosen = routing.one_per_family(allowed, cards, standings, task_id=task.task_id)
    chosen.sort(key=lambda name: -cards[name].authority)
    if draft.constraints is not None:
        bound = Constraints(forbidden=draft.constraints.forbidden)
        present = _specialists(draft, cards)
        both = list(dict.fromkeys((*present, *chosen)))
        left = without_forbidden(both, bound, keep=present, task=task, cards=cards, notes=notes)
        chosen = [name for name in chosen if name in left]
    inline = fits_inline(task.payload, len(chosen), limits=limits)
    found: list[JsonObject] = []
    for name in chosen:
        if len(found) == hole.max_subtasks:
            notes.append(f"{hole.id}: {name} is left out, at most {hole.max_subtasks} may work there")
            continue
        inputs = inputs_for(cards[name], task.payload, inline=inline)
        if isinstance(inputs, str):
            notes.append(f"{hole.id}: {name} is left out: {inputs}")
            continue
        found.append({"id": name, "specialist": name, "objective": hole.objective, "inputs": inputs})
    if found:
        names = ", ".join(str(subtask["specialist"]) for subtask in found)
        notes.append(f"{hole.id}: no model filled it, so {names} each work on the whole of it")
        if hole.covers:
            found[0]["covers"] = list(hole.covers)
            notes.append(
                f"{hole.id}: {', '.join(hole.covers)} lie with {found[0]['specialist']}, as nobody divided them"
            )
    return found


def _shortened(draft: Draft, limits: Limits) -> Draft:
    """Return a draft in which a long text that several specialists were given leaves the plan within its bytes."""
    listed = draft.plan.get("subtasks")
    rows = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    notes: list[str] = []
    made = fit_objectives(rows, limits=limits, notes=notes)
    return replace(draft, plan={**draft.plan, "subtasks": [*made]}, notes=(*draft.notes, *notes)) if notes else draft


def _specialists(draft: Draft, cards: Cards) -> list[str]:
    """Return whom the draft names so far."""
    listed = draft.plan.get("subtasks")
    named = (entry.get("specialist") for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else ()
    return [name for name in dict.fromkeys(named) if isinstance(name, str) and name in cards]


def _filled(draft: Draft, hole: Hole, given: Sequence[JsonObject]) -> Draft:
    taken = {name for names in draft.parts.values() for name in names} | {other.id for other in draft.holes}
    ids = _free_ids(hole.id, len(given), taken)
    names = {
        str(subtask["id"]): new for subtask, new in zip(given, ids, strict=True) if isinstance(subtask.get("id"), str)
    }
    notes: list[str] = [] if given else [f"{hole.id}: left out, nobody filled it"]
    if len(names) < len(given):
        notes.append(f"{hole.id}: subtasks there have no id or share one, so what speaks of it may mean either")
    shares = _share(hole.budget, len(given))
    inside = [_subtask(subtask, new, hole, names, shares, notes) for subtask, new in zip(given, ids, strict=True)]
    listed = draft.plan.get("subtasks")
    outside = [_without_hole(entry, hole.id, ids, notes) for entry in listed] if isinstance(listed, list) else []
    if hole.stage is not None:
        outside = _with_stages(outside)
    at = _place(outside, hole)
    plan: JsonObject = {**draft.plan, "subtasks": [*outside[:at], *inside, *outside[at:]]}
    if isinstance(answer := plan.get("answer"), list):
        plan["answer"] = _spread(answer, hole.id, ids)
        if not plan["answer"]:
            del plan["answer"]
            notes.append("the subtasks that were to make the answer were left out, so all make it")
    holes = tuple(
        other.model_copy(update={"needs": tuple(str(need) for need in _spread(other.needs, hole.id, ids))})
        for other in draft.holes
    )
    parts = {**draft.parts, hole.id: tuple(ids)}
    return replace(draft, plan=plan, holes=holes, parts=parts, notes=(*draft.notes, *notes))


def _free_ids(hole_id: str, count: int, taken: set[str]) -> list[str]:
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        # An id has at most 64 characters, of which the number needs some.
        name = f"{hole_id[:56]}-{number}"
        if name not in taken:
            found.append(name)
    return found


def _subtask(
    given: JsonObject, new: str, hole: Hole, names: Mapping[str, str], share: Budget | None, notes: list[str]
) -> JsonValue:
    dropped = sorted(set(given) - FIELDS - {"name", "stage"})
    if dropped:
        notes.append(f"{new}: {', '.join(dropped)[:200]} left out, the workflow says that of a hole")
    subtask: JsonObject = {key: value for key, value in given.items() if key in FIELDS}
    subtask["id"] = subtask["name"] = new
    own = given.get("id")
    if isinstance(own, str) and is_id(own) and own not in (new, given.get("specialist")):
        notes.append(f"{new}: called {own} by whoever filled {hole.id}")
    needs = given.get("needs")
    given_needs: JsonValue = [] if needs is None else [needs] if isinstance(needs, str) else needs
    if isinstance(given_needs, list):
        # Needs among them may lead round in a circle that is mended later, so that what comes first is not left to them.
        renamed = [names.get(need, need) if isinstance(need, str) else need for need in given_needs]
        subtask["needs"] = list({str(need): need for need in [*renamed, *hole.needs]}.values())
    else:
        subtask["needs"] = needs
    if isinstance(given.get("inputs"), dict):
        subtask["inputs"] = references.rename(given["inputs"], names)
    if hole.stage is not None:
        subtask["stage"] = hole.stage
    if share is not None:
        subtask["budget"] = _within(given.get("budget"), share)
    return subtask


def _share(budget: Budget | None, count: int) -> Budget | None:
    """Return an equal part of a hole's budget; time is not divided, as they work side by side."""
    if budget is None or count == 0:
        return None
    parts: dict[str, object] = {"seconds": budget.seconds}
    for dimension in DIMENSIONS:
        whole = getattr(budget, dimension)
        parts[dimension] = None if whole is None else whole / count if dimension == "usd" else whole // count
    return Budget.model_validate(parts)


def _within(given: JsonValue, share: Budget) -> JsonValue:
    """Return a subtask's own budget, cut to its part; one that cannot be read is left for the validator to refuse."""
    try:
        own = Budget.model_validate(given) if given is not None else Budget()
    except ValueError:
        return given
    return own.within(share).model_dump(mode="json", exclude_none=True)


def _place(subtasks: Sequence[JsonValue], hole: Hole) -> int:
    """Return where a hole's subtasks go: behind the last that it needs, so that the plan reads in order."""
    needs = set(hole.needs)
    ends = [at + 1 for at, entry in enumerate(subtasks) if isinstance(entry, dict) and entry.get("id") in needs]
    return max(ends, default=0)


def _with_stages(subtasks: Sequence[JsonValue]) -> list[JsonValue]:
    """Return subtasks with the stage that each would join, so that what comes between them does not take them along."""
    stages = [entry.get("stage") if isinstance(entry, dict) else None for entry in subtasks]
    current = next((stage for stage in stages if stage is not None), None)
    found: list[JsonValue] = []
    for entry, stage in zip(subtasks, stages, strict=True):
        current = stage if stage is not None else current
        found.append({**entry, "stage": current} if isinstance(entry, dict) and current is not None else entry)
    return found


def _without_hole(entry: JsonValue, hole_id: str, ids: Sequence[str], notes: list[str]) -> JsonValue:
    """Return a subtask that speaks of what is in the hole instead of the hole."""
    if not isinstance(entry, dict):
        return entry
    changed: JsonObject = dict(entry)
    needs = entry.get("needs")
    if isinstance(needs, list) and hole_id in needs:
        changed["needs"] = _spread(needs, hole_id, ids)
        if not ids:
            notes.append(f"{entry.get('id')}: needs {hole_id}, which was left out, so it does not wait for it")
    if isinstance(inputs := entry.get("inputs"), dict):
        changed["inputs"] = _linked(inputs, hole_id, ids)
    stand_in = entry.get("on_failure")
    if isinstance(stand_in, dict) and isinstance(stand_in.get("inputs"), dict):
        changed["on_failure"] = {**stand_in, "inputs": _linked(stand_in["inputs"], hole_id, ids)}
    return changed


def _linked(value: JsonValue, hole_id: str, ids: Sequence[str]) -> JsonValue:
    """Return `value` with each reference to the hole, which stands in a list, replaced by one to each of its subtasks."""
    if isinstance(value, dict) and "$literal" in value and len(value) == 1:
        return value
    if isinstance(value, dict):
        return {key: _linked(item, hole_id, ids) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    found: list[JsonValue] = []
    for item in value:
        reference = references.read(item)
        if isinstance(reference, Reference) and reference.subtask == hole_id:
            found.extend(reference_to(name, reference.path) for name in ids)
        else:
            found.append(_linked(item, hole_id, ids))
    return found


def _spread(names: Iterable[JsonValue], hole_id: str, ids: Sequence[str]) -> list[JsonValue]:
    found: dict[str, JsonValue] = {}
    for name in names:
        for each in ids if name == hole_id else (name,):
            found.setdefault(str(each), each)
    return list(found.values())
