"""Reading a draft: bounds, field types and ids, before anything is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from concertino.contracts.budget import Budget
from concertino.contracts.errors import InputError
from concertino.contracts.ids import ID_RULE, is_id
from concertino.contracts.json import clean, dump
from concertino.contracts.limits import Limits
from concertino.contracts.plan import MaybeGate, Origin, Subtask
from concertino.contracts.refinement import MaybeRefine
from concertino.contracts.requirements import Requirements
from concertino.nodes.planning.faults import Faults

_MADE_ID = re.compile(rf"(?P<specialist>{ID_RULE})::(?P<task_id>{ID_RULE})::[1-9][0-9]{{0,5}}")

_BEARING = frozenset({"", "id", "specialist", "capability", "needs", "inputs", "covers", "stage"})

OWN_NESTING = 4
"""Levels that filling a template puts around a task's data, at most."""


class Header(BaseModel):
    """What stands beside the subtasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: MaybeGate = None
    budget: Budget | None = None
    answer: tuple[str, ...] | None = None
    stop_when: dict[str, str] = Field(default_factory=dict)
    refine: MaybeRefine = None
    requirements: Requirements | None = None
    notes: Annotated[tuple[str, ...], Field(max_length=100_000)] = ()
    task_id: str | None = None
    """Of a plan that was printed and handed in again; it must be this task's."""
    origin: Origin | None = None
    """Read and not believed: who calls says where a plan is from."""
    workflow: str | None = None


class Reading:
    """A draft whose fields have their types."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.subtasks: list[Subtask] = []
        self.places: list[str] = []
        """Where each subtask stood, e.g. `plan.subtasks[3]`."""
        self.position: dict[str, int] = {}
        self.faulty: set[str] = set()
        """Ids of subtasks with faulty fields: known, though not to be looked at any further."""
        self.aside: list[tuple[Subtask, str]] = []
        """Subtasks without a place of their own in the plan, and where they stood: their id is none, or another's."""


def read(given: object, *, limits: Limits, task_id: str, origin: Origin, faults: Faults) -> Reading | None:
    """Return what a draft says, or `None` when there is nothing to look at any further.

    Faults found: bad_field, duplicate_id, empty, too_many, too_large.
    """
    if not isinstance(given, Mapping):
        faults.add("bad_field", "plan", _jsonable(given), "a plan is an object", 'write {"subtasks": [...]}')
        return None
    subtasks = given.get("subtasks")
    if not isinstance(subtasks, list | tuple):
        message = "a plan has a list of subtasks" if "subtasks" in given else "the list of subtasks is missing"
        faults.add("bad_field", "plan.subtasks", _jsonable(subtasks), message, 'write {"subtasks": [...]}')
        return None
    if not subtasks:
        faults.add("empty", "plan.subtasks", [], "the plan has no subtasks", "name at least one")
        return None
    if len(subtasks) > limits.subtasks:
        faults.add(
            "too_many", "plan.subtasks", len(subtasks), f"{len(subtasks)} subtasks, at most {limits.subtasks} are allowed",
            "split the task, or raise Limits.subtasks",
        )  # fmt: skip
        return None
    reading = Reading(_header(given, limits, task_id, faults))
    # What a task may hold, it may hold inside the inputs and literals that we wrap around it.
    nesting = limits.nesting + (OWN_NESTING if origin in {"rule", "fallback"} else 0)
    size = 0
    for at, item in enumerate(subtasks):
        place = f"plan.subtasks[{at}]"
        try:
            text = dump(clean(item, field=place, nesting=nesting))
        except InputError as error:
            faults.add("bad_field", error.field, error.value, "must be JSON", error.rule)
            continue
        size += len(text) if text.isascii() else len(text.encode())
        if size > limits.bytes:
            faults.add(
                "too_large", place, f"over {size} bytes", f"a plan has at most {limits.bytes} bytes",
                "refer to the task's data instead of copying it, or raise Limits.bytes",
            )  # fmt: skip
            return None
        _read_subtask(text, item, place, reading, task_id, faults)
    return reading


def _read_subtask(text: str, item: object, place: str, reading: Reading, task_id: str, faults: Faults) -> None:
    try:
        # Strict and as JSON: lists become tuples, but "yes" is no boolean and "5" no number.
        subtask = Subtask.model_validate_json(text, strict=True)
    except ValidationError as error:
        _complain(error, place, tuple(Subtask.model_fields), faults)
        rest = _without_faulty(text, error)
        if rest is None:
            if isinstance(item, Mapping) and isinstance(item.get("id"), str):
                reading.faulty.add(str(item["id"]))
            return
        subtask = rest
    if not _is_allowed(subtask.id, task_id):
        reading.faulty.add(subtask.id)
        reading.aside.append((subtask, place))
        faults.add(
            "bad_field",
            f"{place}.id",
            subtask.id,
            f"an id matches {ID_RULE}",
            "use letters, digits, _ and -, at most 64",
        )
        return
    if subtask.id in reading.position:
        first = reading.places[reading.position[subtask.id]]
        faults.add(
            "duplicate_id", f"{place}.id", subtask.id, f"{first} has this id already", "give each subtask its own id",
            subtasks=(subtask.id,),
        )  # fmt: skip
        reading.aside.append((subtask, place))
        return
    reading.position[subtask.id] = len(reading.subtasks)
    reading.subtasks.append(subtask)
    reading.places.append(place)


def _without_faulty(text: str, error: ValidationError) -> Subtask | None:
    """Return the subtask without its faulty fields, so that its other faults are found too.

    `None` where one of these bears on others' faults: without it some would be seen that are none.
    """
    fields = {str(item["loc"][0]) if item["loc"] else "" for item in error.errors(include_url=False)}
    if fields & _BEARING:
        return None
    try:
        return Subtask.model_validate({key: value for key, value in json.loads(text).items() if key not in fields})
    except ValidationError:
        return None


def _header(given: Mapping[object, object], limits: Limits, task_id: str, faults: Faults) -> Header:
    rest = {key: value for key, value in given.items() if key != "subtasks"}
    if not rest:
        return Header()
    try:
        text = dump(clean(rest, field="plan", nesting=limits.nesting))
        if len(text) > limits.bytes:
            faults.add(
                "too_large", "plan", f"{len(text)} bytes", f"a plan has at most {limits.bytes} bytes", "shorten it"
            )
            return Header()
        header = Header.model_validate_json(text, strict=True)
    except InputError as error:
        faults.add("bad_field", error.field, error.value, "must be JSON", error.rule)
        return Header()
    except ValidationError as error:
        _complain(error, "plan", ("subtasks", *Header.model_fields), faults)
        return Header()
    if header.task_id is not None and header.task_id != task_id:
        faults.add(
            "bad_field",
            "plan.task_id",
            header.task_id,
            f"the plan is of another task than {task_id}",
            "leave task_id out",
        )
    return header


def _is_allowed(subtask_id: str, task_id: str) -> bool:
    """Say whether an id may be: a caller's own, or one that we made for this very task."""
    if is_id(subtask_id):
        return True
    made = _MADE_ID.fullmatch(subtask_id)
    return made is not None and made["task_id"] == task_id


def _complain(error: ValidationError, place: str, known: tuple[str, ...], faults: Faults) -> None:
    for item in error.errors(include_url=False, include_context=False):
        inner = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"])
        if item["type"] == "extra_forbidden":
            deep = len(item["loc"]) > 1
            fix = "leave it out" if deep else faults.nearest(str(item["loc"][-1]), known)
            faults.add("bad_field", f"{place}{inner}", _jsonable(item["input"]), "unknown field", fix)
        elif item["type"] == "missing":
            faults.add("bad_field", f"{place}{inner}", None, "this field is missing", "add it")
        else:
            message = item["msg"].removeprefix("Value error, ")
            faults.add("bad_field", f"{place}{inner}", _jsonable(item["input"]), message, "write it so")


def _jsonable(value: object) -> JsonValue:
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)[:200]
