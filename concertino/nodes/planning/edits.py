"""What a person changes in a subtask's inputs, held to what a plan's own inputs are held to."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Subtask
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning import references, schemas
from concertino.nodes.planning.faults import Faults
from concertino.nodes.planning.references import Malformed, Unresolved


def check_edit(
    subtask: Subtask,
    changed: JsonObject,
    *,
    schema: JsonObject | None,
    outputs: Mapping[str, JsonValue],
    field: str,
) -> None:
    """Refuse changed inputs that the subtask could not run with.

    Args:
        subtask: with the inputs that it has so far.
        changed: inputs that replace some of these.
        schema: the input schema of its specialist, if there is one.
        outputs: what its prerequisites gave, as far as they have ended; the rest is judged when it is there.
        field: what errors call `changed`.

    Raises:
        InputError: an input without a use or of a wrong type, or a reference that leads nowhere.
    """
    given: JsonObject = {}
    inputs: JsonObject = {**subtask.inputs, **changed}
    complete = schema is not None and all(name in inputs for name in schemas.required(schema))
    for name, value in inputs.items():
        place = f"{field}.{name}"
        if name in changed:
            _check_references(subtask, name, value, place)
            if schema is not None and not schemas.accepts_property(schema, name):
                near = Faults().nearest(name, schemas.property_names(schema))
                raise InputError(field=place, value=value, rule=f"{subtask.specialist} has no use for it; {near}")
        known = _resolved(name, value, outputs, place, is_changed=name in changed)
        given.update(known)
        complete = complete and bool(known)
    if schema is None:
        return
    judged = given if complete else {name: value for name, value in given.items() if name in changed}
    card = SpecialistCard(subtask.specialist or "", input_schema=schema)
    complaint = schemas.complaint_about(card, judged, complete=complete) if judged or complete else None
    if complaint is not None:
        rule = f"{subtask.specialist} refuses it: {complaint.rule}"
        raise InputError(field=f"{field}{complaint.path}", value=complaint.value, rule=rule)


def _check_references(subtask: Subtask, name: str, value: JsonValue, place: str) -> None:
    for found in references.find({name: value}):
        where = f"{place.removesuffix(name)}{found.place.removeprefix('inputs.')}"
        if isinstance(found, Malformed):
            raise InputError(field=where, value=found.value, rule=found.rule)
        if found.subtask not in subtask.needs:
            known = ", ".join(subtask.needs) or "it has none"
            raise InputError(field=where, value=found.subtask, rule=f"must refer to one of its prerequisites: {known}")


def _resolved(
    name: str, value: JsonValue, outputs: Mapping[str, JsonValue], place: str, *, is_changed: bool
) -> JsonObject:
    """Return the input as its specialist will see it; nothing while it depends on what is still to come."""
    try:
        return references.resolve({name: value}, outputs)
    except Unresolved as error:
        if is_changed and error.reference.subtask in outputs:
            raise InputError(field=place, value=value, rule=str(error)) from error
        return {}
