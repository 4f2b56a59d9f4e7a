"""Events as rows of a journal in memory, payloads as JSON text, and back."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from concertino.contracts.event import Event
from concertino.contracts.json import dump
from concertino.journal.rows import EVENT_FIELDS

PAYLOAD, TYPE = EVENT_FIELDS.index("payload"), EVENT_FIELDS.index("type")


def row_of(one: Event, number: int, epoch: int) -> tuple[Any, ...]:
    """Return an event as a row of `EVENT_FIELDS`.

    Raises:
        ValueError: NaN or Infinity in the payload.
    """
    text = to_json(one.payload, inf_nan_mode="constants")  # in a quarter of the standard library's time
    if b"NaN" in text or b"Infinity" in text:
        dump(one.payload)  # a number that is not finite, unless the words stand in a text
    return (
        one.task_id,
        number,
        one.run_id,
        one.type,
        one.message_type,
        one.agent_id,
        one.subtask_id,
        text,
        one.confidence,
        one.timestamp,
        one.parent_task_id,
        epoch,
    )


def event_of(row: tuple[Any, ...]) -> Event:
    """Return a row as an event with a payload of its own."""
    made = Event.made(**dict(zip(EVENT_FIELDS, row, strict=True)))
    vars(made)["payload"] = from_json(row[PAYLOAD])  # nobody has it yet
    return made


def json_of(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a row as its event's JSON, in a quarter of the time that it takes by way of the event."""
    made: dict[str, Any] = dict(zip(EVENT_FIELDS, row, strict=True))
    made["payload"] = from_json(row[PAYLOAD])
    return made
