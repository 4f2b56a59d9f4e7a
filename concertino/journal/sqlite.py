"""The journal on SQLite: in a file, or in memory for one process."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from concertino.contracts.clock import Clock
from concertino.contracts.errors import ConcertinoError
from concertino.contracts.event import Event, RunState
from concertino.contracts.journal import (
    LEASE_S,
    Admission,
    Admitted,
    Lease,
    OutboxItem,
    RunRow,
    SpecialistRecord,
)
from concertino.journal.appends import Append, Appender
from concertino.journal.leases import acquire, admit, find, own_run, release, renew
from concertino.journal.reads import Records, controls, events, lessons, pending, runs
from concertino.journal.storage import MEMORY, connect, migrate
from concertino.journal.worker import Worker, Writer

T = TypeVar("T")

RETAIN = 1_000
"""Finished runs that an in-memory journal keeps; chosen by hand."""


class SqliteJournal:
    """`contracts.journal.Journal` on the standard library's sqlite3.

    Nothing is opened before the first call; if that fails, its future carries the `JournalError`. A commit survives
    `kill -9` at any moment. A power cut can lose the last commits since the write-ahead log was last synced
    (synchronous NORMAL), but never part of one. An operation that was handed in is done even if its future is
    cancelled. Two threads serve it, both daemons; they stop at `close` or when the journal is collected.
    """

    def __init__(self, path: str, *, clock: Clock, retain: int | None = None) -> None:
        """Make a journal at `path`, absolute, or `:memory:`.

        `retain` bounds how many finished runs stay; older ones are forgotten, their task ids with them. `None`
        keeps all in a file and `RETAIN` in memory.
        """
        self.path = path
        self.write_lock = threading.Lock()
        """Held during every write transaction. Another connection of this process to the same file takes it for its
        own, and so never runs into SQLite's busy back-off."""
        self.clock = clock
        if retain is None and path == MEMORY:
            retain = RETAIN
        self._appender = Appender(clock=clock, place=path, retain=retain)

        def open_to_write() -> sqlite3.Connection:
            connection = connect(path, clock=clock)
            try:
                migrate(connection, path=path)
            except ConcertinoError:
                connection.close()
                raise
            return connection

        self._writer = Writer(
            open_to_write, place=path, name="concertino-journal", lock=self.write_lock, together=self._appender
        )
        # A database in memory belongs to one connection.
        self._reader = self._writer if path == MEMORY else _reader(path, self._writer, clock)
        self._records = Records()
        # At exit nobody waits for a lock that another process may hold; who needs the queue written calls close().
        weakref.finalize(self, _stop, self._reader, self._writer).atexit = False

    def admit(self, admission: Admission) -> Future[Admitted]:
        """See the port."""
        return self._writer.submit(lambda connection: admit(connection, admission))

    def run(self, run_id: str) -> Future[RunRow | None]:
        """See the port."""
        return self._read(lambda connection: find(connection, "run_id = ?", run_id))

    def latest(self, task_id: str) -> Future[RunRow | None]:
        """See the port."""
        return self._read(lambda connection: own_run(connection, task_id))

    def head(self, thread_id: str) -> Future[RunRow | None]:
        """See the port."""
        return self._read(lambda connection: find(connection, "thread_id = ?", thread_id))

    def runs(self, *, limit: int = 100) -> Future[list[RunRow]]:
        """See the port."""
        return self._read(lambda connection: runs(connection, limit=limit))

    def acquire(self, run_id: str, *, owner: str, ttl_s: float = LEASE_S) -> Future[Lease]:
        """See the port. `owner` comes from `this_owner()`, fresh for every holder."""
        return self._writer.submit(
            lambda connection: acquire(connection, run_id, owner=owner, ttl_s=ttl_s, now=self.clock.now())
        )

    def renew(self, lease: Lease, *, ttl_s: float = LEASE_S) -> Future[None]:
        """See the port; a lease that is no longer ours fails with `StaleLease`."""
        return self._writer.submit(lambda connection: renew(connection, lease, ttl_s=ttl_s, now=self.clock.now()))

    def release(self, lease: Lease) -> Future[None]:
        """See the port."""
        return self._writer.submit(lambda connection: release(connection, lease))

    def append(
        self,
        events: Sequence[Event],
        *,
        lease: Lease | None,
        state: RunState | None = None,
        outbox: Sequence[OutboxItem] = (),
    ) -> Future[list[int]]:
        """See the port. What needs a lease and comes without one fails with `JournalError`."""
        return self._writer.submit_together(Append(tuple(events), lease, state, tuple(outbox)))

    def events(
        self, task_id: str, *, after: int = 0, limit: int = 10_000, run_id: str | None = None
    ) -> Future[list[Event]]:
        """See the port."""
        return self._read(lambda connection: events(connection, task_id, after=after, limit=limit, run_id=run_id))

    def controls(self, *, after: int) -> Future[tuple[int, list[Event]]]:
        """See the port."""
        return self._read(lambda connection: controls(connection, after=after))

    def lessons(self, *, after: int = 0, limit: int = 1_000) -> Future[tuple[int, list[Event]]]:
        """See the port."""
        return self._read(lambda connection: lessons(connection, after=after, limit=limit))

    def record(self) -> Future[dict[str, SpecialistRecord]]:
        """See the port; only what is new since the last call is read."""
        return self._read(self._records.read)

    def pending(self, *, limit: int = 100) -> Future[list[OutboxItem]]:
        """See the port."""
        return self._read(lambda connection: pending(connection, limit=limit))

    def acknowledge(self, keys: Sequence[str]) -> Future[None]:
        """See the port. Unknown keys are ignored."""
        wanted = [(self.clock.now(), key) for key in keys]

        def mark(connection: sqlite3.Connection) -> None:
            connection.executemany("UPDATE outbox SET delivered = ? WHERE key = ? AND delivered IS NULL", wanted)

        return self._writer.submit(mark)

    def close(self) -> None:
        """See the port. Waits for what is queued."""
        self._reader.close()
        self._writer.close()

    def _read(self, run: Callable[[sqlite3.Connection], T]) -> Future[T]:
        return self._reader.submit(run, reads=True)


def _reader(path: str, writer: Writer, clock: Clock) -> Worker:
    def open_to_read() -> sqlite3.Connection:
        writer.submit(_nothing).result()  # the writer makes the schema, or says why it cannot
        connection = connect(path, clock=clock)
        connection.execute("PRAGMA query_only = ON")
        return connection

    return Worker(open_to_read, place=path, name="concertino-journal-reader")


def _nothing(connection: sqlite3.Connection) -> None:
    """Open the database, no more."""


def _stop(reader: Worker, writer: Writer) -> None:
    reader.stop()
    writer.stop()
