"""Writing events: fence, number, insert; many appends in few statements."""

# ruff: noqa: S608  # column lists and conditions are literals of ours; every value is bound
from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from concertino.contracts.clock import Clock
from concertino.contracts.errors import ConcertinoError, JournalError, RunNotFound, StaleLease
from concertino.contracts.event import CONTROL, TERMINAL, Event, RunState
from concertino.contracts.journal import Lease, OutboxItem
from concertino.contracts.json import dump
from concertino.journal.rows import EVENT_COLUMNS, EVENT_FIELDS, event_values

ROWS = 64
"""Most rows in one INSERT. One statement for many rows matters beside a busy event loop: every statement gives up
the interpreter lock, and getting it back can take 5 ms (100 rows: 12 ms against 100 ms row by row)."""

_PLACES = "(" + ", ".join("?" * len(EVENT_FIELDS)) + ")"
_INSERT = {
    1 << n: f"INSERT INTO events ({EVENT_COLUMNS}) VALUES " + ", ".join([_PLACES] * (1 << n))
    for n in range(ROWS.bit_length())
}


@dataclass(frozen=True, slots=True)
class Append:
    """One call of the port's `append`."""

    events: tuple[Event, ...]
    lease: Lease | None
    state: RunState | None
    outbox: tuple[OutboxItem, ...]


class Appender:
    """Writes batches of appends inside the caller's transaction."""

    def __init__(self, *, clock: Clock, place: str, retain: int | None) -> None:
        self._clock, self._place = clock, place
        self._retain = retain
        """How many finished runs stay; `None` keeps all."""

    def __call__(self, connection: sqlite3.Connection, appends: list[Any]) -> list[list[int] | ConcertinoError]:
        """Write every append that is allowed, in order; return `seq` numbers, or why it was refused."""
        fences: dict[Lease, ConcertinoError | None] = {}
        heads: dict[str, int] = {}
        rows: list[tuple[Any, ...]] = []
        allowed: list[Append] = []
        outcomes: list[list[int] | ConcertinoError] = []
        for append in appends:
            refusal = self._refusal(connection, append, fences)
            if refusal is not None:
                outcomes.append(refusal)
                continue
            epoch = append.lease.epoch if append.lease else 0
            numbers: list[int] = []
            for event in append.events:
                if event.task_id not in heads:
                    heads[event.task_id] = _head(connection, event.task_id)
                heads[event.task_id] += 1
                numbers.append(heads[event.task_id])
                rows.append(event_values(event, seq=numbers[-1], epoch=epoch))
            outcomes.append(numbers)
            if append.state is not None or append.outbox:
                allowed.append(append)
        _insert(connection, rows)
        for append in allowed:
            self._attend(connection, append)
        return outcomes

    def _refusal(
        self, connection: sqlite3.Connection, append: Append, fences: dict[Lease, ConcertinoError | None]
    ) -> ConcertinoError | None:
        lease = append.lease
        if lease is None:
            return self._unleased(connection, append)
        for event in append.events:
            if event.run_id != lease.run_id or event.task_id != lease.task_id:
                return JournalError(
                    place=self._place, reason=f"event of run {event.run_id} under the lease of run {lease.run_id}"
                )
        if lease not in fences:
            fences[lease] = fence(connection, lease)
        return fences[lease]

    def _unleased(self, connection: sqlite3.Connection, append: Append) -> ConcertinoError | None:
        kinds = {event.type for event in append.events} - CONTROL
        if kinds or append.state is not None:
            what = ", ".join(sorted(kinds)) or f"state {append.state}"
            return JournalError(place=self._place, reason=f"{what} needs the run's lease")
        for event in append.events:
            known = connection.execute("SELECT task_id FROM runs WHERE run_id = ?", (event.run_id,)).fetchone()
            if known is None or known[0] != event.task_id:
                return RunNotFound(task_id=event.task_id)
        return None

    def _attend(self, connection: sqlite3.Connection, append: Append) -> None:
        now = self._clock.now()
        if append.outbox:
            connection.executemany(
                "INSERT OR IGNORE INTO outbox (key, topic, payload, created) VALUES (?, ?, ?, ?)",
                [(item.key, item.topic, dump(dict(item.payload)), now) for item in append.outbox],
            )
        if append.state is not None and append.lease is not None:
            connection.execute(
                "UPDATE runs SET state = ?, updated = ? WHERE run_id = ?", (append.state, now, append.lease.run_id)
            )
            if append.state in TERMINAL and self._retain is not None:
                _forget(connection, self._retain)


def fence(connection: sqlite3.Connection, lease: Lease) -> ConcertinoError | None:
    """Return why `lease` may not write, or `None`.

    A lease that ran out but that nobody took over still writes: the epoch, not the clock, keeps writers apart.
    """
    row = connection.execute("SELECT epoch, owner FROM runs WHERE run_id = ?", (lease.run_id,)).fetchone()
    if row is None:
        return RunNotFound(task_id=lease.task_id)
    epoch, owner = row
    if (epoch, owner) != (lease.epoch, lease.owner):
        return StaleLease(run_id=lease.run_id, held=lease.epoch, current=epoch)
    return None


def _head(connection: sqlite3.Connection, task_id: str) -> int:
    row = connection.execute("SELECT MAX(seq) FROM events WHERE task_id = ?", (task_id,)).fetchone()
    return int(row[0] or 0)


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    at = 0
    for size in _sizes(len(rows)):
        values = [value for row in rows[at : at + size] for value in row]
        connection.execute(_INSERT[size], values)
        at += size


def _sizes(count: int) -> Iterator[int]:
    # Powers of two: few distinct statements, so that each stays prepared.
    while count:
        size = min(ROWS, 1 << (count.bit_length() - 1))
        yield size
        count -= size


def _forget(connection: sqlite3.Connection, retain: int) -> None:
    """Drop the oldest finished runs beyond `retain`, except those still held."""
    marks = ", ".join("?" * len(TERMINAL))
    old = connection.execute(
        f"SELECT run_id FROM runs WHERE state IN ({marks}) AND owner IS NULL"
        f" ORDER BY updated DESC, n DESC LIMIT -1 OFFSET ?",
        (*sorted(TERMINAL), retain),
    ).fetchall()
    connection.executemany("DELETE FROM events WHERE run_id = ?", old)
    connection.executemany("DELETE FROM runs WHERE run_id = ?", old)
