"""Replanning what failed: a failed subtask and all that builds on it make a cone; the rest of the plan stays as it is.

The replacement may only narrow what the plan allowed: the same budget, the same gates, and only specialists that the plan
already asked, that could have stood in for those, or that its author named as stand-ins. Everything passes the validator.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from concertino.contracts.budget import Budget
from concertino.contracts.errors import PlanInvalid
from concertino.contracts.finding import Finding
from concertino.contracts.ids import is_id, subtask_id
from concertino.contracts.json import JsonObject
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Gate, Plan, Subtask
from concertino.contracts.specialist import Cards, Standing, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning import references, routing
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.references import Reference
from concertino.nodes.planning.validate import validate_draft

CANDIDATES = 3
"""Stand-ins tried on the drawing means for one failed subtask, best first; chosen by hand."""

_STEM_CHARS = 56
_AGAIN = re.compile(r"-r[1-9][0-9]*$")


class Proposed(Protocol):
    """A drafted plan."""

    @property
    def plan(self) -> Plan: ...


Replan = Callable[[Plan, Sequence[str], Mapping[str, Finding]], Awaitable[Proposed | None]]
"""Drafts what is to take the place of a cone: from the plan in force, the failed subtasks at the cone's root and the
findings so far, a plan whose subtasks either are the plan's own, outside the cone, or new. `None` where it has no idea."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a replan is made with."""

    task: Task
    cards: Cards
    standings: Standings
    limits: Limits
    budget: Budget
    number: int
    """Which replan of the run it is, from 1."""
    taken: Collection[str]
    """Every id that the run has used so far; a replacement's are new."""
    now: Callable[[str], Subtask]
    """A subtask of the plan as it would be done now, with people's edits."""
    bound_by: Draft | None = None
    """What the plan's workflow, or the planner, binds every plan by: constraints, gate policies, holes and parts, the
    latter by the names of the subtasks."""


class Refused(Exception):
    """A replacement that cannot be had, and why."""


def failed_roots(plan: Plan, states: Mapping[str, str], *, excused: Collection[str] = ()) -> tuple[str, ...]:
    """Return the failed subtasks that the run is not complete without, or that something required builds on."""
    failed = [subtask for subtask in plan.subtasks if states.get(subtask.id) in ("failed", "blocked")]
    required = {subtask.id for subtask in plan.subtasks if subtask.required}
    return tuple(
        subtask.id
        for subtask in failed
        if subtask.id not in excused and not required.isdisjoint(cone(plan, (subtask.id,)))
    )


def cone(plan: Plan, roots: Collection[str]) -> tuple[str, ...]:
    """Return `roots` and everything that builds on them, in plan order."""
    found = set(roots)
    for subtask in plan.subtasks:  # topological
        if not found.isdisjoint(subtask.needs):
            found.add(subtask.id)
    return tuple(subtask.id for subtask in plan.subtasks if subtask.id in found)


def rights(plan: Plan, cards: Cards, standings: Standings) -> frozenset[str]:
    """Return the specialists that a replacement may ask.

    The plan's own, whoever could have stood in for one of them, and whoever can do nothing that these cannot.
    """
    own = {subtask.specialist for subtask in plan.subtasks if subtask.specialist in cards}
    found = {str(name) for name in own}
    for subtask in plan.subtasks:
        found.update(routing.alternatives(subtask, cards, standings, plan.task_id))
        if subtask.on_failure is not None and subtask.on_failure.specialist in cards:
            found.add(str(subtask.on_failure.specialist))
    skills = {skill for name in own for skill in routing.capabilities(str(name), cards)}
    found.update(name for name in cards if (can := routing.capabilities(name, cards)) and can <= skills)
    return frozenset(found)


def replaced_by_rule(
    plan: Plan, root: str, *, tried: Collection[str], means: Means, refused: Collection[str] = ()
) -> Plan | None:
    """Return the plan with the cone of one failed subtask replaced by rule; `None` where there is none.

    The first rule that gives a valid plan is taken: the subtask's own `on_failure`; else specialists that were not
    tried and have some of the capabilities that are asked for, most of them first. Whom a person has refused is not taken.
    """
    gone, is_planned = cone(plan, (root,)), means.now(root).on_failure is not None
    able = [one for one in stand_ins(plan, root, tried, means) if one.specialist not in refused]
    for stand_in in able[:CANDIDATES]:
        names = _names(gone, {root: stand_in}, plan, means)
        new = [_renamed(stand_in if sid == root else means.now(sid), names) for sid in gone]
        answer = plan.answer and tuple(names.get(sid, sid) for sid in plan.answer)
        try:
            made = _valid(plan, gone, new, (), answer, means)
        except Refused:
            continue
        chosen = next(subtask.specialist for subtask in made.subtasks if subtask.id == names[root])
        # The validator may have taken another variant.
        if chosen not in refused and (is_planned or chosen not in tried):
            return made
    return None


def replaced_by_draft(plan: Plan, roots: Sequence[str], proposed: Plan, *, approve: bool, means: Means) -> Plan:
    """Return the plan with the cone of `roots` replaced by what was drafted for it.

    Args:
        plan: In force.
        roots: Failed subtasks.
        proposed: See `Replan`; nothing in it is trusted but its types.
        approve: Whether people approved the plan as a whole, and have to be asked again.
        means: What it is made with.

    Raises:
        Refused: it would pass the plan's rights, or cannot be carried out.
    """
    gone = cone(plan, roots)
    kept = {subtask.id for subtask in plan.subtasks} - set(gone)
    drafted = [subtask for subtask in proposed.subtasks if subtask.id not in kept]
    if not drafted:
        raise Refused("the draft has nothing new")
    allowed = rights(plan, means.cards, means.standings)
    if beyond := sorted({str(one.specialist) for one in drafted} - allowed):
        raise Refused(f"{', '.join(beyond)} is not among the specialists that the plan may ask")
    covered = {criterion for one in drafted for criterion in one.covers}
    if missed := sorted({criterion for one in plan.subtasks if one.id in gone for criterion in one.covers} - covered):
        raise Refused(f"the draft leaves {', '.join(missed)} uncovered")
    names = _names([one.id for one in drafted], {one.id: one for one in drafted}, plan, means)
    gate = _gate(plan, gone)
    stages = list(dict.fromkeys(subtask.stage for subtask in plan.subtasks if subtask.stage is not None))
    first = min((stages.index(stage) for sid in roots if (stage := means.now(sid).stage) is not None), default=0)
    known = {one.name or one.id for one in plan.subtasks if one.id in kept}
    new = []
    for one in drafted:
        is_root = names.keys().isdisjoint(_builds_on(one))
        asked = gate or (
            Gate(question="The plan was changed after a failure. Approve?") if approve and is_root else one.gate
        )
        stage = one.stage if one.stage in stages[first:] else stages[first] if stages else None
        called = one.name or one.id
        bare = {"gate": asked, "stage": stage, "continue_when": None, "on_failure": None}
        bare["name"] = names[one.id] if called in known else called  # conditions speak of what stands by its name
        new.append(_renamed(one.model_copy(update=bare), names))
    answer = plan.answer
    if answer is not None and any(sid in gone for sid in answer):
        ends = [one.id for one in drafted if not any(one.id in _builds_on(other) for other in drafted)]
        chosen = [sid for sid in proposed.answer or () if sid in names] or ends
        answer = (*(sid for sid in answer if sid not in gone), *(names[sid] for sid in chosen))
    return _valid(plan, gone, (), new, answer, means)


def stand_ins(plan: Plan, root: str, tried: Collection[str], means: Means) -> list[Subtask]:
    """Return who could take a failed subtask's place, and with what, best first."""
    failed, cards = means.now(root), means.cards
    own = failed.on_failure
    if own is not None:
        given = {
            name: value
            for name in ("objective", "inputs", "budget", "estimate_s")
            if (value := getattr(own, name)) is not None
        }
        if own.capability is not None:
            names = routing.rank(own.capability, cards, means.standings, task_id=plan.task_id, exclude=tried)
        else:
            names = [own.specialist or failed.specialist or ""]
        said: dict[str, object] = {**given, "capability": own.capability, "on_failure": None}
        return [failed.model_copy(update={**said, "specialist": name}) for name in names]
    wanted = {failed.capability} if failed.capability else routing.capabilities(failed.specialist or "", cards)
    shared = {
        name: len(wanted & routing.capabilities(name, cards))
        for name in rights(plan, cards, means.standings)
        if name not in tried and name != failed.specialist and not means.standings.get(name, Standing()).breaker_open
    }
    able = sorted(
        (name for name, count in shared.items() if count),
        key=lambda name: (-shared[name], -cards[name].authority, name),
    )
    return [failed.model_copy(update={"specialist": name, "capability": None}) for name in able]


def _builds_on(subtask: Subtask) -> set[str]:
    found = references.find(subtask.inputs)
    return {*subtask.needs, *(one.subtask for one in found if isinstance(one, Reference))}


def _gate(plan: Plan, gone: Collection[str]) -> Gate | None:
    """Return the gate that a replacement of gated subtasks keeps, wherever in it the work now stands."""
    questions = [one.gate.question for one in plan.subtasks if one.id in gone and one.gate is not None]
    return Gate(question="; ".join(dict.fromkeys(questions))[:4_000]) if questions else None


def _names(old: Sequence[str], subtasks: Mapping[str, Subtask], plan: Plan, means: Means) -> dict[str, str]:
    """Return a new id for each of `old`."""
    taken = {*means.taken, *(subtask.id for subtask in plan.subtasks)}
    names: dict[str, str] = {}
    for sid in old:
        subtask = subtasks.get(sid) or means.now(sid)
        number = means.number
        if plan.origin == "caller":
            stem = _AGAIN.sub("", sid if is_id(sid) else subtask.specialist or "subtask")[:_STEM_CHARS]
            while (new := f"{stem}-r{number}") in taken:
                number += 1
        else:
            number = 1
            while (new := subtask_id(subtask.specialist or "", plan.task_id, number)) in taken:
                number += 1
        taken.add(new)
        names[sid] = new
    return names


def _renamed(subtask: Subtask, names: Mapping[str, str]) -> Subtask:
    return subtask.model_copy(
        update={
            "id": names[subtask.id],
            "name": subtask.name or subtask.id,
            "needs": tuple(names.get(need, need) for need in subtask.needs),
            "inputs": {key: references.rename(value, names) for key, value in subtask.inputs.items()},
        }
    )


def _valid(
    plan: Plan,
    gone: Collection[str],
    new: Sequence[Subtask],
    drafted: Sequence[Subtask],
    answer: tuple[str, ...] | None,
    means: Means,
) -> Plan:
    """Return the plan without `gone` and with `new` or `drafted`, validated as a whole; what stays is not touched.

    Raises:
        Refused: it is no valid plan.
    """
    kept = {subtask.id: subtask for subtask in plan.subtasks if subtask.id not in gone}
    left_out = [subtask for subtask in plan.subtasks if subtask.id in gone]
    made = plan.model_copy(update={"subtasks": (*kept.values(), *new, *drafted), "answer": answer, "notes": ()})
    raw: JsonObject = made.model_dump(mode="json", exclude_unset=True)
    bound = means.bound_by or Draft(raw, plan.origin)
    parts = _parts(bound, (*kept.values(), *new), drafted, left_out)
    draft = replace(bound, plan=raw, origin=plan.origin, workflow=plan.workflow, notes=(), parts=parts)
    try:
        checked = validate_draft(
            draft, task=means.task, cards=means.cards, limits=means.limits, budget=means.budget,
            standings=means.standings,
        )  # fmt: skip
    except PlanInvalid as error:
        raise Refused(str(error)) from error
    return checked.model_copy(
        update={
            "subtasks": tuple(kept.get(subtask.id, subtask) for subtask in checked.subtasks),
            "stop_when": plan.stop_when,
            "notes": tuple(dict.fromkeys((*plan.notes, *checked.notes))),
        }
    )


def _parts(
    bound: Draft, own: Sequence[Subtask], drafted: Sequence[Subtask], gone: Sequence[Subtask]
) -> dict[str, tuple[str, ...]]:
    """Return the subtasks of each template and hole; what was drafted belongs to the holes of what it replaces."""
    parts = {
        template: tuple(one.id for one in own if (one.name or one.id) in members)
        for template, members in bound.parts.items()
    }
    placed = {sid for members in parts.values() for sid in members}
    for hole in bound.holes:
        filled = re.compile(rf"{re.escape(hole.id)}-[1-9][0-9]*")
        inside = [one.id for one in own if one.id not in placed and filled.fullmatch(one.name or one.id)]
        if any(filled.fullmatch(one.name or one.id) for one in gone):
            inside += [one.id for one in drafted]
        parts[hole.id] = tuple(inside)
    return parts
