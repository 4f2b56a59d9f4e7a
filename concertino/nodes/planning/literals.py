"""Literal inputs against what specialists declare to take."""

from __future__ import annotations

from concertino.contracts.json import JsonObject
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning import references, schemas
from concertino.nodes.planning.sketch import Sketch


def check_literals(sketch: Sketch) -> None:
    """Refuse inputs without a use, and literals that the specialist's schema refuses.

    Faults found: unused_input, bad_field.
    """
    for at, card in enumerate(sketch.staff):
        if card is not None and card.input_schema is not None:
            _check(sketch, at, card, card.input_schema)


def _check(sketch: Sketch, at: int, card: SpecialistCard, schema: JsonObject) -> None:
    inputs, place = sketch.inputs(at), f"{sketch.places[at]}.inputs"
    given: JsonObject = {}
    complete = all(name in inputs for name in schemas.required(schema))
    for name, value in inputs.items():
        if not schemas.accepts_property(schema, name):
            complete = False
            sketch.faults.add(
                "unused_input", f"{place}.{name}", value, f"{card.name} has no use for it",
                sketch.faults.nearest(name, schemas.property_names(schema)), subtasks=(sketch.id(at),),
            )  # fmt: skip
        elif references.has_reference(value):
            complete = False
        else:
            given[name] = references.unwrap(value)
    if not given and not complete:
        return
    complaint = schemas.complaint_about(card, given, complete=complete)
    if complaint is not None:
        sketch.faults.add(
            "bad_field", f"{place}{complaint.path}", references_free(complaint.value), f"{card.name} refuses it: {complaint.rule}",
            "write what its input schema allows", subtasks=(sketch.id(at),),
        )  # fmt: skip


def references_free(value: object) -> str | int | float | bool | None:
    """Return a refused value such that a fault can hold it."""
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)[:200]
