"""Reading the journal: runs, events, controls, the outbox, the specialists' record."""

# ruff: noqa: S608  # column lists and conditions are literals of ours; every value is bound
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from concertino.contracts.event import HEEDED, Event
from concertino.contracts.journal import OutboxItem, RunRow, SpecialistRecord
from concertino.journal.rows import EVENT_COLUMNS, RUN_COLUMNS, event, outbox_item, run_row

_CONTROLS = ", ".join(f"'{kind}'" for kind in sorted(HEEDED))
OUTCOMES = frozenset({"AGENT_FAILED", "TASK_COMPLETED"})
"""Events that a specialist's history is made of."""


def runs(connection: sqlite3.Connection, *, limit: int) -> list[RunRow]:
    """Return runs, newest first."""
    rows = connection.execute(f"SELECT {RUN_COLUMNS} FROM runs ORDER BY n DESC LIMIT ?", (limit,))
    return [run_row(row) for row in rows.fetchall()]


def events(connection: sqlite3.Connection, task_id: str, *, after: int, limit: int, run_id: str | None) -> list[Event]:
    """Return a task's events with `seq > after`, in order."""
    condition, values = "task_id = ? AND seq > ?", [task_id, after]
    if run_id is not None:
        condition, values = condition + " AND run_id = ?", [*values, run_id]
    rows = connection.execute(
        f"SELECT {EVENT_COLUMNS} FROM events WHERE {condition} ORDER BY seq LIMIT ?", (*values, limit)
    )
    return [event(row) for row in rows.fetchall()]


def controls(connection: sqlite3.Connection, *, after: int) -> tuple[int, list[Event]]:
    """Return control events newer than `after` and the new cursor, which is a row number of `events`.

    Row numbers follow commit order: SQLite has one writer at a time.
    """
    if after < 0:
        row = connection.execute(
            f"SELECT MAX(id) FROM events INDEXED BY events_control WHERE type IN ({_CONTROLS})"
        ).fetchone()
        return int(row[0] or 0), []
    rows = connection.execute(
        f"SELECT id, {EVENT_COLUMNS} FROM events INDEXED BY events_control"
        f" WHERE type IN ({_CONTROLS}) AND id > ? ORDER BY id",
        (after,),
    ).fetchall()
    return (rows[-1][0] if rows else after), [event(row[1:]) for row in rows]


def lessons(connection: sqlite3.Connection, *, after: int, limit: int) -> tuple[int, list[Event]]:
    """Return completed subtasks and settled truths newer than `after` in commit order, and the new cursor."""
    found: list[tuple[Any, ...]] = []
    # One index each: a query over both kinds would have to sort all there are.
    for index, among, kind in (
        ("events_outcome", "type IN ('AGENT_FAILED', 'TASK_COMPLETED')", "TASK_COMPLETED"),
        ("events_truth", "type = 'TRUTH_SETTLED'", "TRUTH_SETTLED"),
    ):
        rows = connection.execute(
            f"SELECT id, {EVENT_COLUMNS} FROM events INDEXED BY {index}"
            f" WHERE {among} AND type = '{kind}' AND id > ? ORDER BY id LIMIT ?",
            (after, limit),
        )
        found += rows.fetchall()
    found = sorted(found, key=lambda row: row[0])[:limit]
    return (found[-1][0] if found else after), [event(row[1:]) for row in found]


def pending(connection: sqlite3.Connection, *, limit: int) -> list[OutboxItem]:
    """Return outbox items not delivered yet, oldest first."""
    rows = connection.execute(
        "SELECT key, topic, payload FROM outbox WHERE delivered IS NULL ORDER BY n LIMIT ?", (limit,)
    )
    return [outbox_item(row) for row in rows.fetchall()]


class Records:
    """The specialists' histories, folded on from where the last call stopped. For one thread at a time."""

    def __init__(self) -> None:
        self._cursor = 0
        self._found: dict[str, SpecialistRecord] = {}

    def read(self, connection: sqlite3.Connection) -> dict[str, SpecialistRecord]:
        """Return every specialist's history."""
        rows = connection.execute(
            "SELECT id, type, agent_id, payload, timestamp FROM events INDEXED BY events_outcome"
            " WHERE type IN ('AGENT_FAILED', 'TASK_COMPLETED') AND id > ? ORDER BY id",
            (self._cursor,),
        ).fetchall()
        if rows:
            self._cursor = rows[-1][0]
        return self.taken(row[1:] for row in rows)

    def taken(self, rows: Iterable[tuple[str, str, str | bytes, float]]) -> dict[str, SpecialistRecord]:
        """Return every specialist's history with newer events: type, agent, payload as JSON text, timestamp."""
        for kind, agent, text, timestamp in rows:
            payload: dict[str, JsonValue] = json.loads(text)
            name = payload.get("specialist")
            name = name if isinstance(name, str) else agent
            known = self._found.get(name, SpecialistRecord())
            if kind == "TASK_COMPLETED":
                self._found[name] = replace(
                    known,
                    completed=known.completed + 1,
                    seconds=known.seconds + _seconds(payload),
                    last_success=max(timestamp, known.last_success or timestamp),
                )
            elif payload.get("final") is True:
                self._found[name] = replace(known, failed=known.failed + 1)
        return dict(self._found)


def _seconds(payload: dict[str, JsonValue]) -> float:
    usage: Any = payload.get("usage")
    spent = usage.get("seconds") if isinstance(usage, dict) else None
    if isinstance(spent, int | float):
        return float(spent)
    start, end = payload.get("started_at"), payload.get("finished_at")
    return max(0.0, end - start) if isinstance(start, int | float) and isinstance(end, int | float) else 0.0
