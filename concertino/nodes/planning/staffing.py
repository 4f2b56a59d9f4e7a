"""Giving every subtask of a plan its specialist."""

from __future__ import annotations

from collections import Counter

from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning import routing
from concertino.nodes.planning.sketch import Sketch


def staff(sketch: Sketch) -> None:
    """Route capabilities, pick A/B variants, and refuse names that nobody has.

    A caller who names a specialist gets that one; in other plans a name stands for its A/B family. Subtasks of a re-read plan
    that say both keep the specialist.
    """
    given: Counter[str] = Counter()
    for at, subtask in enumerate(sketch.subtasks):
        name = _named(sketch, at, given) if subtask.specialist is not None else _routed(sketch, at, given)
        card: SpecialistCard | None = sketch.cards.get(name) if name is not None else None
        if card is not None:
            given[card.name] += 1
        sketch.staff.append(card)


def _named(sketch: Sketch, at: int, given: Counter[str]) -> str | None:
    subtask, cards = sketch.subtasks[at], sketch.cards
    name, place = str(subtask.specialist), f"{sketch.places[at]}.specialist"
    if name in routing.RESERVED_NAMES:
        sketch.faults.add(
            "unknown_specialist", place, name, "this is one of the planner's own nodes, no specialist",
            sketch.faults.nearest(name, cards), subtasks=(subtask.id,),
        )  # fmt: skip
        return None
    if name not in cards:
        sketch.faults.add(
            "unknown_specialist",
            place,
            name,
            f"no specialist {name[:64]!r}",
            sketch.faults.nearest(name, cards),
            subtasks=(subtask.id,),
        )
        return None
    if subtask.capability is not None and subtask.capability not in routing.capabilities(name, cards):
        sketch.faults.add(
            "unknown_capability", f"{sketch.places[at]}.capability", subtask.capability,
            f"{name} does not have it", sketch.faults.nearest(subtask.capability, routing.capabilities(name, cards)), subtasks=(subtask.id,),
        )  # fmt: skip
    if sketch.origin == "caller" or subtask.capability is not None:
        return name
    chosen = routing.pick_variant(name, cards, sketch.standings, task_id=sketch.task.task_id, given=given)
    if chosen != name:
        sketch.notes.append(f"{subtask.id}: {chosen} works in place of {name}, as its variant")
    return chosen


def _routed(sketch: Sketch, at: int, given: Counter[str]) -> str | None:
    subtask, cards, place = sketch.subtasks[at], sketch.cards, sketch.places[at]
    if subtask.capability is None:
        sketch.faults.add(
            "unknown_specialist", f"{place}.specialist", None, "neither specialist nor capability is given",
            "name one of them", subtasks=(subtask.id,),
        )  # fmt: skip
        return None
    able = routing.rank(subtask.capability, cards, sketch.standings, task_id=sketch.task.task_id, given=given)
    if not able:
        sketch.faults.add(
            "unknown_capability", f"{place}.capability", subtask.capability,
            f"no specialist has the capability {subtask.capability!r}",
            sketch.faults.nearest(subtask.capability, routing.known_capabilities(cards)), subtasks=(subtask.id,),
        )  # fmt: skip
        return None
    sketch.notes.append(f"{subtask.id}: capability {subtask.capability} goes to {able[0]}")
    return able[0]
