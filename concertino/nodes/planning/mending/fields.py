"""Fields of single subtasks: criteria covered twice, inputs without a use, fields that cannot be read."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import ValidationError

from concertino.contracts.json import JsonObject, dump
from concertino.contracts.plan import Subtask
from concertino.contracts.specialist import Cards
from concertino.contracts.task import Task
from concertino.nodes.planning import references, schemas
from concertino.nodes.planning.mending.names import CLOSE
from concertino.nodes.planning.mending.workpiece import Workpiece, shown

OPTIONAL = frozenset({"estimate_s", "tier", "stage", "max_attempts", "name", "sla_s", "continue_when"})
"""Fields that may be left out where they cannot be read; a gate, a budget or a bound may not."""
POSITIONAL = frozenset({"arguments", "input"})
"""Names of arguments that had none: a reader's own words."""


def mend_fields(piece: Workpiece) -> None:
    """Leave out fields that no subtask has, and optional ones that cannot be read; each leaves a note."""
    for row in piece.rows:
        for key in [key for key in row if key not in Subtask.model_fields]:
            del row[key]
            piece.note(f"{row['id']}: the field {shown(key)} is none of a subtask's and is left out")
        try:
            Subtask.model_validate_json(dump(row), strict=True)
        except ValidationError as error:
            for key in dict.fromkeys(str(item["loc"][0]) for item in error.errors(include_url=False) if item["loc"]):
                if key in OPTIONAL and key in row:
                    del row[key]
                    piece.note(f"{row['id']}: {key} cannot be read and is left out")


def mend_inputs(piece: Workpiece, cards: Cards, task: Task) -> None:
    """Bring inputs to what specialists declare: names, uses, and what the task's payload has of the same name; each leaves a note."""
    for row in piece.rows:
        worker = row.get("specialist")
        card = cards.get(worker) if isinstance(worker, str) else None
        if card is not None and card.input_schema is not None:
            row["inputs"] = _fitted(piece, row["id"], dict(row.get("inputs") or {}), card.input_schema, task.payload)


def _fitted(
    piece: Workpiece, own: str, inputs: dict[str, Any], schema: JsonObject, payload: JsonObject
) -> dict[str, Any]:
    missing = [name for name in schemas.required(schema) if name not in inputs]
    for name in [name for name in inputs if not schemas.accepts_property(schema, name)]:
        if name in POSITIONAL and len(inputs) == 1:
            return _by_position(piece, own, inputs[name], schema)
        free = [known for known in schemas.property_names(schema) if known not in inputs]
        near = difflib.get_close_matches(name, free, n=2, cutoff=CLOSE)
        value = inputs.pop(name)
        if len(near) == 1:
            inputs[near[0]] = value
            missing = [still for still in missing if still != near[0]]
            piece.note(f"{own}: the input {shown(name)} is taken as {near[0]}")
        else:
            piece.note(f"{own}: there is no use for the input {shown(name)}, left out")
    for name in missing:
        if name in payload:
            inputs[name] = references.literal(payload[name])
            piece.note(f"{own}: the input {name} is taken from the task")
    return inputs


def _by_position(piece: Workpiece, own: str, value: Any, schema: JsonObject) -> dict[str, Any]:
    values = value if isinstance(value, list) else [value]
    names = list(dict.fromkeys((*schemas.required(schema), *schemas.property_names(schema))))
    if len(values) > len(names):
        return {"arguments": value}
    piece.note(f"{own}: arguments without names are taken as {', '.join(names[: len(values)])}")
    return dict(zip(names, values, strict=False))


def mend_coverage(piece: Workpiece, task: Task) -> None:
    """Leave each criterion to the first that covers it, a required one before others; drop what the task does not ask."""
    known = {criterion.id for criterion in task.acceptance_criteria}
    holders: dict[str, dict[str, Any]] = {}
    for row in sorted(piece.rows, key=lambda row: row.get("required") is False):
        covers = row.get("covers")
        if not isinstance(covers, list | tuple):
            continue
        kept: list[Any] = []
        for name in dict.fromkeys(name for name in covers if isinstance(name, str)):
            if name not in known:
                piece.note(f"{row['id']} covers {shown(name)}, which the task does not ask: left out")
            elif name in holders:
                piece.note(f"{name} is covered by {holders[name]['id']} already: {row['id']} need not")
            else:
                holders[name] = row
                kept.append(name)
        row["covers"] = kept
