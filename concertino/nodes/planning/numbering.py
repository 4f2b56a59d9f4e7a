"""Final ids: `specialist::task_id::n` for plans that we made, the caller's own for the caller's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import JsonValue

from concertino.contracts.ids import is_id, subtask_id
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Subtask
from concertino.nodes.planning import references
from concertino.nodes.planning.sketch import Sketch


def number(sketch: Sketch, ordered: Sequence[int]) -> tuple[list[Subtask], dict[str, str]]:
    """Return the finished subtasks in `ordered`, and the final id of each draft id.

    n counts per specialist from 1 in plan order. The draft's id stays as `name`. Ids that we made before stay as they are.
    """
    names = _names(sketch, ordered)
    renamed = {old: new for old, new in names.items() if old != new}
    finished: list[Subtask] = []
    for at in ordered:
        subtask, card = sketch.subtasks[at], sketch.staff[at]
        changes: dict[str, object] = {"needs": tuple(names[sketch.id(need)] for need in sketch.needs[at])}
        if card is not None and card.name != subtask.specialist:
            changes["specialist"] = card.name
        if subtask.stage != sketch.stages[at]:
            changes["stage"] = sketch.stages[at]
        if subtask.id in renamed:
            changes["id"], changes["name"] = names[subtask.id], subtask.name or subtask.id
        inputs = sketch.inputs(at)
        if inputs and (at in sketch.added or renamed):
            changes["inputs"] = _renamed(inputs, names) if renamed else inputs
        if subtask.on_failure is not None and subtask.on_failure.inputs and renamed:
            changes["on_failure"] = subtask.on_failure.model_copy(
                update={"inputs": _renamed(subtask.on_failure.inputs, names)}
            )
        finished.append(subtask.model_copy(update=changes))
    return finished, names


def _names(sketch: Sketch, ordered: Sequence[int]) -> dict[str, str]:
    if sketch.origin == "caller":
        return {subtask.id: subtask.id for subtask in sketch.subtasks}
    taken = {subtask.id for subtask in sketch.subtasks if not is_id(subtask.id)}
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for at in ordered:
        old, card = sketch.id(at), sketch.staff[at]
        if old in taken or card is None:
            names[old] = old
            continue
        while True:
            counts[card.name] += 1
            new = subtask_id(card.name, sketch.task.task_id, counts[card.name])
            if new not in taken:
                break
        names[old] = new
    return names


def _renamed(inputs: JsonObject, names: dict[str, str]) -> dict[str, JsonValue]:
    return {key: references.rename(value, names) for key, value in inputs.items()}
