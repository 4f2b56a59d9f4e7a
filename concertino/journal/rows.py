"""Rows of the tables as the port's types, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from concertino.contracts.event import Event
from concertino.contracts.journal import OutboxItem, RunRow
from concertino.contracts.json import dump

RUN_COLUMNS = (
    "run_id, task_id, thread_id, content_hash, task, state, parent_run_id, token, epoch, owner, lease_until,"
    " created, updated, policy"
)

EVENT_FIELDS = (
    "task_id",
    "seq",
    "run_id",
    "type",
    "message_type",
    "agent_id",
    "subtask_id",
    "payload",
    "confidence",
    "timestamp",
    "parent_task_id",
    "epoch",
)
EVENT_COLUMNS = ", ".join(EVENT_FIELDS)


def run_row(row: tuple[Any, ...]) -> RunRow:
    """Return a row of `RUN_COLUMNS` as a run."""
    run_id, task_id, thread_id, content_hash, task, *rest, policy = row
    made = RunRow(run_id, task_id, thread_id, content_hash, json.loads(task), *rest)
    return replace(made, policy=json.loads(policy))


def event_values(event: Event, *, seq: int, epoch: int) -> tuple[Any, ...]:
    """Return an event as a row of `EVENT_COLUMNS`.

    Raises:
        ValueError: NaN or Infinity in the payload.
    """
    return (
        event.task_id,
        seq,
        event.run_id,
        event.type,
        event.message_type,
        event.agent_id,
        event.subtask_id,
        dump(event.payload),
        event.confidence,
        event.timestamp,
        event.parent_task_id,
        epoch,
    )


def event(row: tuple[Any, ...]) -> Event:
    """Return a row of `EVENT_COLUMNS` as an event, without validating again what was validated before writing."""
    fields = dict(zip(EVENT_FIELDS, row, strict=True))
    fields["payload"] = json.loads(fields["payload"])
    return Event.model_construct(**fields)


def outbox_item(row: tuple[str, str, str]) -> OutboxItem:
    """Return a row of `key, topic, payload` as an outbox item."""
    key, topic, payload = row
    return OutboxItem(key=key, topic=topic, payload=json.loads(payload))
