"""Holding what was put into a rule's holes to their bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.faults import Faults
from concertino.nodes.planning.filling import may_work
from concertino.nodes.planning.holes import Hole
from concertino.nodes.planning.sketch import Sketch


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan is held to beside its own form."""

    constraints: Constraints | None = None
    holes: Sequence[Hole] = ()
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Ids of subtasks by template and filled hole."""


def check_holes(sketch: Sketch, holes: Sequence[Hole], parts: Mapping[str, Sequence[str]]) -> None:
    """Refuse too many subtasks in a hole, specialists it does not allow, criteria of it that nobody there covers.

    Whatever is neither of a template nor of a hole has no place in the plan. Faults found: too_many, outside_hole,
    uncovered_criterion.
    """
    for hole in holes:
        _check(sketch, hole, [sketch.position[name] for name in parts.get(hole.id, ()) if name in sketch.position])
    placed = {name for names in parts.values() for name in names}
    for at, subtask in enumerate(sketch.subtasks):
        if subtask.id not in placed:
            sketch.faults.add(
                "outside_hole", sketch.places[at], subtask.id, "it stands in no hole, and the workflow has no such subtask",
                "put it into a hole", subtasks=(subtask.id,),
            )  # fmt: skip


def refuse_open(holes: Sequence[Hole], faults: Faults) -> None:
    """Refuse holes that nothing was put into: the rest of the plan speaks of them and cannot be judged. Fault: open_hole."""
    for hole in holes:
        faults.add(
            "open_hole", f"plan.holes.{hole.id}", hole.id, "nothing was put into this hole",
            "give it subtasks, or register a specialist that it allows and the task's data fits",
        )  # fmt: skip


def _check(sketch: Sketch, hole: Hole, members: Sequence[int]) -> None:
    if len(members) > hole.max_subtasks:
        sketch.faults.add(
            "too_many", f"plan.holes.{hole.id}", len(members), f"{len(members)} subtasks, the hole takes {hole.max_subtasks}",
            "join some of them", subtasks=[sketch.id(at) for at in members],
        )  # fmt: skip
    allowed: list[str] | None = None
    for at in members:
        card = sketch.staff[at]
        if card is not None and not may_work(hole, card.name, sketch.cards):
            if allowed is None:
                allowed = [name for name in sketch.cards if may_work(hole, name, sketch.cards)]
            sketch.faults.add(
                "outside_hole", f"{sketch.places[at]}.specialist", card.name, f"{hole.id} is not for {card.name}",
                f"use one of {', '.join(allowed[:8])}" if allowed else "register a specialist that it is for",
                subtasks=(sketch.id(at),),
            )  # fmt: skip
    covered = {name for at in members for name in sketch.subtasks[at].covers}
    for name in hole.covers if members else ():
        if name not in covered:
            sketch.faults.add(
                "uncovered_criterion", f"plan.holes.{hole.id}", name, f"no subtask in {hole.id} covers it",
                f"add {name} to the covers of one of them", subtasks=[sketch.id(at) for at in members],
            )  # fmt: skip
