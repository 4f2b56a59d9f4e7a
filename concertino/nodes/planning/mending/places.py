"""Mending single places that the validator names: fields nobody has, inputs that come from elsewhere, coverage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from concertino.contracts.plan import Fault
from concertino.contracts.specialist import Cards
from concertino.contracts.task import Task
from concertino.nodes.planning import references, schemas
from concertino.nodes.planning.mending.workpiece import Workpiece

PLACE = re.compile(r"plan\.subtasks\[(\d+)\](?:\.(.*))?")
TOP = re.compile(r"plan\.([A-Za-z_]\w*)$")


def mend_places(piece: Workpiece, faults: Sequence[Fault], *, task: Task, cards: Cards) -> bool:
    """Mend what can be mended at the places of these faults; say whether anything was."""
    done = False
    for fault in faults:
        found = PLACE.match(fault.place)
        if found is None:
            done = _mend_top(piece, fault) or done
        elif int(found[1]) < len(piece.rows):
            done = _mend_row(piece, piece.rows[int(found[1])], fault, found[2] or "", task, cards) or done
    return done


def _mend_top(piece: Workpiece, fault: Fault) -> bool:
    name = TOP.match(fault.place.split("[")[0])
    if fault.code == "bad_field" and name is not None and name[1] in piece.plan and name[1] != "subtasks":
        del piece.plan[name[1]]
        piece.note(f"{fault.place} is left out: {fault.message}")
        return True
    return False


def _mend_row(piece: Workpiece, row: dict[str, Any], fault: Fault, path: str, task: Task, cards: Cards) -> bool:
    first, _, rest = path.partition(".")
    field = first.partition("[")[0]
    card = cards.get(str(row.get("specialist")))
    inputs: dict[str, Any] = row.get("inputs") or {}
    name = rest.split(".")[0].split("[")[0]
    match fault.code:
        case "bad_field" if (
            field == "inputs"
            and name in inputs
            and isinstance(inputs[name], str)
            and not fault.message.startswith("not")
        ):
            return False  # a value of the wrong type: only its maker knows the right one
        case "bad_field" if field == "inputs" and name in inputs and fault.message == "not a reference":
            inputs[name] = {"$literal": inputs[name]}
            piece.note(f"{row['id']}: inputs.{name} looks like a reference and is taken as it is")
            return True
        case "bad_field" if field in row and field not in ("id", "inputs", "specialist", "needs", "objective"):
            del row[field]
            piece.note(f"{row['id']}: {field} is left out: {fault.message}")
            return True
        case "unused_input" if name in inputs:
            del inputs[name]
            piece.note(f"{row['id']}: the input {name} is left out: {fault.message}")
            return True
        case "unknown_reference" if name in inputs:
            required = (
                card is not None and card.input_schema is not None and name in schemas.required(card.input_schema)
            )
            if required:
                return False
            del inputs[name]
            piece.note(f"{row['id']}: the input {name} is left out: {fault.message}")
            return True
        case "missing_input" if name and name in task.payload:
            row["inputs"] = {**inputs, name: references.literal(task.payload[name])}
            piece.note(f"{row['id']}: the input {name} is the request's own")
            return True
        case "unknown_criterion" | "doubly_covered_criterion":
            criterion = str(fault.value)
            if criterion in (row.get("covers") or []):
                row["covers"] = [one for one in row["covers"] if one != criterion]
                why = (
                    "the task has none of this name"
                    if fault.code == "unknown_criterion"
                    else "another subtask covers it"
                )
                piece.note(f"{row['id']} does not cover {criterion[:64]}: {why}")
                return True
        case _:
            pass
    return False
