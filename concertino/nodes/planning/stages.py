"""Stages: groups of subtasks that run one after another."""

from __future__ import annotations

from concertino.nodes.planning import conditions
from concertino.nodes.planning.sketch import Sketch
from concertino.nodes.planning.workflows import PATH_VARIABLES, STAGE_VARIABLES


def set_stages(sketch: Sketch) -> list[int]:
    """Fill `sketch.stages` and return each subtask's stage as a number, in order of appearance.

    Where any subtask has a stage, one without joins the stage of the one before it, or else the first. Faults found: a need of a
    later stage, a condition on an unknown stage, a faulty condition, also a subtask's own (bad_field).
    """
    names = list(dict.fromkeys(subtask.stage for subtask in sketch.subtasks if subtask.stage is not None))
    number = {name: at for at, name in enumerate(names)}
    current = names[0] if names else None
    for subtask in sketch.subtasks:
        if subtask.stage is not None:
            current = subtask.stage
        elif current is not None:
            sketch.notes.append(f"{subtask.id}: joins stage {current}, as it names none")
        sketch.stages.append(current)
    ranks = [number[stage] if stage is not None else 0 for stage in sketch.stages]
    for at, needs in enumerate(sketch.needs):
        for need in needs:
            if ranks[need] > ranks[at]:
                sketch.faults.add(
                    "bad_field", f"{sketch.places[at]}.needs", sketch.id(need),
                    f"it is of stage {sketch.stages[need]}, which runs after {sketch.stages[at]}",
                    "put it into the same stage or an earlier one", subtasks=(sketch.id(at), sketch.id(need)),
                )  # fmt: skip
    _check_conditions(sketch, names)
    return ranks


def _check_conditions(sketch: Sketch, names: list[str]) -> None:
    trusted = sketch.origin == "rule"
    for stage, condition in sketch.header.stop_when.items():
        place = f"plan.stop_when.{stage}"
        if stage not in names:
            sketch.faults.add(
                "bad_field", place, condition, "no subtask is of this stage", sketch.faults.nearest(stage, names)
            )
            continue
        try:
            conditions.check(condition, names=STAGE_VARIABLES, macros=trusted)
        except ValueError as error:
            sketch.faults.add("bad_field", place, condition, str(error), "correct the condition")
    for at, subtask in enumerate(sketch.subtasks):
        if subtask.continue_when is None:
            continue
        try:
            conditions.check(subtask.continue_when, names=PATH_VARIABLES, macros=trusted)
        except ValueError as error:
            sketch.faults.add(
                "bad_field", f"{sketch.places[at]}.continue_when", subtask.continue_when, str(error),
                "correct the condition", subtasks=(subtask.id,),
            )  # fmt: skip
