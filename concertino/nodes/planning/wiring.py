"""The edges of a plan: those declared, those that references imply, those that typed inputs and outputs imply."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from concertino.contracts.json import JsonObject
from concertino.nodes.planning import references, schemas
from concertino.nodes.planning.references import Malformed, Reference
from concertino.nodes.planning.sketch import Sketch
from concertino.nodes.planning.staffing import staff


def wire(sketch: Sketch) -> None:
    """Fill `sketch.needs` and `sketch.added`; every derived edge leaves a note.

    Faults found: unknown_need, unknown_reference, missing_input, bad_field for a reference of the wrong type.
    """
    _declared(sketch)
    for at, subtask in enumerate(sketch.subtasks):
        if subtask.inputs:
            _referred(sketch, at)
    _typed(sketch)


def check_aside(sketch: Sketch) -> None:
    """Judge the subtasks that have no position by what needs none: who is to do them, and whom they name.

    Faults found: unknown_specialist, unknown_capability, unknown_need, unknown_reference.
    """
    if not sketch.aside:
        return
    subtasks, places = [one for one, _ in sketch.aside], [place for _, place in sketch.aside]
    beside = replace(sketch, subtasks=subtasks, places=places, staff=[], needs=[], notes=[])
    staff(beside)
    _declared(beside)
    for subtask, place in sketch.aside:
        for found in references.find(subtask.inputs):
            if isinstance(found, Reference) and found.subtask not in sketch.position:
                _unknown(sketch, subtask.id, found, f"{place}.{found.place}")


def _declared(sketch: Sketch) -> None:
    for at, subtask in enumerate(sketch.subtasks):
        needs: dict[int, None] = {}
        for number, need in enumerate(subtask.needs):
            position = sketch.position.get(need)
            if position is not None:
                needs[position] = None
            elif need not in sketch.faulty:
                sketch.faults.add(
                    "unknown_need", f"{sketch.places[at]}.needs[{number}]", need, f"no subtask {need[:64]!r} in the plan",
                    sketch.faults.nearest(need, sketch.position), subtasks=(subtask.id,),
                )  # fmt: skip
        sketch.needs.append(needs)


def _referred(sketch: Sketch, at: int) -> None:
    subtask = sketch.subtasks[at]
    for found in references.find(subtask.inputs):
        place = f"{sketch.places[at]}.{found.place}"
        if isinstance(found, Malformed):
            sketch.faults.add("bad_field", place, found.value, "not a reference", found.rule, subtasks=(subtask.id,))
            continue
        source = sketch.position.get(found.subtask)
        if source is None:
            _unknown(sketch, subtask.id, found, place)
            continue
        _check_flow(sketch, at, found, source, place)
        if source not in sketch.needs[at]:
            sketch.needs[at][source] = None
            sketch.notes.append(f"{subtask.id} needs {found.subtask}: derived, {found.place} refers to its output")


def _unknown(sketch: Sketch, taker: str, found: Reference, place: str) -> None:
    if found.subtask not in sketch.faulty:
        sketch.faults.add(
            "unknown_reference", place, found.subtask, f"no subtask {found.subtask[:64]!r} in the plan",
            f'{sketch.faults.nearest(found.subtask, sketch.position)} Plain text is {{"$literal": text}}', subtasks=(taker,),
        )  # fmt: skip


def _check_flow(sketch: Sketch, at: int, found: Reference, source: int, place: str) -> None:
    """Compare a reference with what the one declares to give and the other to take."""
    giver, taker = sketch.staff[source], sketch.staff[at]
    if giver is None or giver.output_schema is None:
        return
    missing = schemas.lacks(giver.output_schema, found.path)
    if missing is not None:
        sketch.faults.add(
            "unknown_reference", place, ".".join(found.path), f"the output of {giver.name} has no {missing!r}",
            sketch.faults.nearest(missing, schemas.property_names(giver.output_schema)), subtasks=(sketch.id(at), found.subtask),
        )  # fmt: skip
        return
    parts = found.place.split(".")
    if taker is None or taker.input_schema is None or len(parts) != 2 or "[" in parts[1]:
        return
    target = schemas.property_of(taker.input_schema, parts[1])
    if not schemas.may_flow(schemas.at(giver.output_schema, found.path), target):
        sketch.faults.add(
            "bad_field", place, ".".join(found.path), f"{giver.name} gives another type there than {taker.name} takes",
            "refer to a part of the output that has the right type", subtasks=(sketch.id(at), found.subtask),
        )  # fmt: skip


def _typed(sketch: Sketch) -> None:
    """Give required inputs that nobody named to the one subtask whose specialist declares such an output."""
    givers: dict[str, list[int]] | None = None
    for at, card in enumerate(sketch.staff):
        if card is None or card.input_schema is None:
            continue
        inputs = sketch.subtasks[at].inputs
        missing = [name for name in schemas.required(card.input_schema) if name not in inputs]
        for name in missing:
            if givers is None:
                givers = _givers(sketch)
            target = schemas.property_of(card.input_schema, name)
            able = [source for source in givers[name] if source != at and _fits(sketch, source, name, target)]
            near = [source for source in able if source in sketch.needs[at]]
            chosen = near if len(near) == 1 else able
            if len(chosen) == 1:
                _derive(sketch, at, chosen[0], name)
            else:
                _complain(sketch, at, name, [sketch.id(source) for source in chosen])


def _givers(sketch: Sketch) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for at, card in enumerate(sketch.staff):
        if card is not None and card.output_schema is not None:
            for name in schemas.property_names(card.output_schema):
                found[name].append(at)
    return found


def _fits(sketch: Sketch, source: int, name: str, target: JsonObject | None) -> bool:
    card = sketch.staff[source]
    return card is not None and (
        card.output_schema is None or schemas.may_flow(schemas.at(card.output_schema, (name,)), target)
    )


def _derive(sketch: Sketch, at: int, source: int, name: str) -> None:
    sketch.added.setdefault(at, {})[name] = references.reference_to(sketch.id(source), (name,))
    known = source in sketch.needs[at]
    sketch.needs[at][source] = None
    edge = "" if known else f" needs {sketch.id(source)}: derived,"
    sketch.notes.append(f"{sketch.id(at)}{edge} takes input {name} from the output of {sketch.id(source)}")


def _complain(sketch: Sketch, at: int, name: str, able: list[str]) -> None:
    card = sketch.staff[at]
    who = card.name if card is not None else "its specialist"
    if able:
        listed = ", ".join(able[:8])
        message, fix = (
            f"{who} requires it, and several subtasks give it: {listed}",
            f'refer to one, as {{"$from": "{able[0]}", "path": "{name}"}}',
        )
    else:
        message, fix = f"{who} requires it, and no subtask gives it", "add it to inputs"
    sketch.faults.add(
        "missing_input", f"{sketch.places[at]}.inputs.{name}", None, message, fix, subtasks=(sketch.id(at), *able[:8])
    )
