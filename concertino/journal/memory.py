"""The journal in this process's memory: no file, no thread, and every future is done when it is returned.

For runs that need not outlive their process: replays, simulations, tests. Whatever it returns was stored as JSON, as any
journal stores it, so nobody can change the record afterwards.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from concertino.contracts.clock import Clock
from concertino.contracts.errors import (
    ConcertinoError,
    JournalError,
    RunBusy,
    RunNotFound,
    StaleLease,
    TaskConflict,
)
from concertino.contracts.event import CONTROL, HEEDED, LESSONS, Event, RunState
from concertino.contracts.journal import Admission, Admitted, Lease, OutboxItem, RunRow, SpecialistRecord
from concertino.contracts.json import dump
from concertino.journal.memory_rows import event_of, row_of
from concertino.journal.owner import is_dead
from concertino.journal.reads import OUTCOMES, Records
from concertino.journal.rows import EVENT_FIELDS

T = TypeVar("T")
Heeds = Callable[[Event], None]
"""Told of a heeded control event once it is on the record; called in the thread that appended it."""

PLACE = "memory"
FORKS = "fork:"
"""How the tokens of forks begin."""
_RUN, _TYPE, _AGENT, _PAYLOAD, _AT = (
    EVENT_FIELDS.index(name) for name in ("run_id", "type", "agent_id", "payload", "timestamp")
)


class MemoryJournal:
    """`contracts.journal.Journal` without storage. Safe in threads."""

    def __init__(self, *, clock: Clock, ttl_s: float = math.inf) -> None:
        """Make an empty journal.

        Args:
            clock: Where time comes from.
            ttl_s: How long a lease holds where its taker does not say. It needs no end as long as every holder lives
                in this process; one that is to be survived in a simulation does.
        """
        self.clock = clock
        self._ttl_s = ttl_s
        self._lock = threading.RLock()
        self._closed = False
        self._runs: dict[str, RunRow] = {}
        """In the order of admission."""
        self._tokens: dict[str, str] = {}
        self._tasks: dict[str, list[str]] = {}
        self._threads: dict[str, str] = {}
        self._events: dict[str, list[tuple[Any, ...]]] = {}
        """By task, in order: the n-th has the number n. Rows as SQLite has them."""
        self._controls: list[tuple[Any, ...]] = []
        self._outcomes: list[tuple[Any, ...]] = []
        self._lessons: list[tuple[Any, ...]] = []
        self._records = Records()
        self._outbox: dict[str, OutboxItem] = {}
        self._delivered: set[str] = set()
        self._listeners: list[Heeds] = []

    # Runs.

    def admit(self, admission: Admission) -> Future[Admitted]:
        """See the port."""
        return self._done(lambda: self._admit(admission))

    def run(self, run_id: str) -> Future[RunRow | None]:
        """See the port."""
        return self._done(lambda: self._runs.get(run_id))

    def latest(self, task_id: str) -> Future[RunRow | None]:
        """See the port."""
        return self._done(lambda: self._latest(task_id))

    def head(self, thread_id: str) -> Future[RunRow | None]:
        """See the port."""
        return self._done(lambda: self._runs.get(self._threads.get(thread_id, "")))

    def runs(self, *, limit: int = 100) -> Future[list[RunRow]]:
        """See the port."""
        return self._done(lambda: list(reversed(self._runs.values()))[:limit])

    def _admit(self, admission: Admission) -> Admitted:
        known = self._known(admission)
        if known is not None:
            return Admitted(row=known, created=False)
        row = RunRow(
            run_id=admission.run_id,
            task_id=admission.task_id,
            thread_id=admission.thread_id,
            content_hash=admission.content_hash,
            task=_copied(admission.task),
            state="admitted",
            parent_run_id=admission.parent_run_id,
            token=admission.token,
            created=admission.timestamp,
            updated=admission.timestamp,
            policy=_copied(dict(admission.policy)),
        )
        self._runs[row.run_id] = row
        self._tasks.setdefault(row.task_id, []).append(row.run_id)
        self._threads[row.thread_id] = row.run_id
        if row.token is not None:
            self._tokens[row.token] = row.run_id
        return Admitted(row=row, created=True)

    def _known(self, admission: Admission) -> RunRow | None:
        if admission.token is not None:
            return self._runs.get(self._tokens.get(admission.token, ""))
        known = self._latest(admission.task_id)
        if known is not None and known.content_hash != admission.content_hash:
            raise TaskConflict(task_id=admission.task_id, known=known.content_hash, given=admission.content_hash)
        return known

    def _latest(self, task_id: str) -> RunRow | None:
        rows = [self._runs[run_id] for run_id in reversed(self._tasks.get(task_id, ()))]
        own = (row for row in rows if not (row.token or "").startswith(FORKS))
        return next(own, rows[0] if rows else None)

    # Leases.

    def acquire(self, run_id: str, *, owner: str, ttl_s: float | None = None) -> Future[Lease]:
        """See the port; without `ttl_s` the lease holds as long as this journal was told."""
        return self._done(lambda: self._acquire(run_id, owner, self._ttl_s if ttl_s is None else ttl_s))

    def renew(self, lease: Lease, *, ttl_s: float | None = None) -> Future[None]:
        """See the port; a lease that is no longer ours fails with `StaleLease`."""
        return self._done(lambda: self._renew(lease, self._ttl_s if ttl_s is None else ttl_s))

    def release(self, lease: Lease) -> Future[None]:
        """See the port."""
        return self._done(lambda: self._release(lease))

    def _acquire(self, run_id: str, owner: str, ttl_s: float) -> Lease:
        row, now = self._runs.get(run_id), self.clock.now()
        if row is None:
            raise RunNotFound(task_id=run_id)
        if row.owner is not None and row.owner != owner and row.lease_until > now and not is_dead(row.owner):
            raise RunBusy(run_id=run_id, owner=row.owner, expires_in_s=row.lease_until - now)
        self._runs[run_id] = replace(row, owner=owner, epoch=row.epoch + 1, lease_until=now + ttl_s)
        return Lease(run_id=run_id, task_id=row.task_id, owner=owner, epoch=row.epoch + 1)

    def _renew(self, lease: Lease, ttl_s: float) -> None:
        if (refusal := self._fence(lease)) is not None:
            raise refusal
        self._runs[lease.run_id] = replace(self._runs[lease.run_id], lease_until=self.clock.now() + ttl_s)

    def _release(self, lease: Lease) -> None:
        if self._fence(lease) is None:
            self._runs[lease.run_id] = replace(self._runs[lease.run_id], owner=None, lease_until=0.0)

    def _fence(self, lease: Lease) -> ConcertinoError | None:
        row = self._runs.get(lease.run_id)
        if row is None:
            return RunNotFound(task_id=lease.task_id)
        if (row.epoch, row.owner) != (lease.epoch, lease.owner):
            return StaleLease(run_id=lease.run_id, held=lease.epoch, current=row.epoch)
        return None

    # Events.

    def append(
        self,
        events: Sequence[Event],
        *,
        lease: Lease | None,
        state: RunState | None = None,
        outbox: Sequence[OutboxItem] = (),
    ) -> Future[list[int]]:
        """See the port. What needs a lease and comes without one fails with `JournalError`."""
        written = self._done(lambda: self._append(events, lease, state, outbox))
        if self._listeners and written.exception() is None:
            for one in events:
                if one.type in HEEDED:
                    for listener in list(self._listeners):
                        listener(one)
        return written

    def _append(
        self, events: Sequence[Event], lease: Lease | None, state: RunState | None, outbox: Sequence[OutboxItem]
    ) -> list[int]:
        refusal = self._unleased(events, state) if lease is None else self._refusal(events, lease)
        if refusal is not None:
            raise refusal
        heads: dict[str, int] = {}
        rows: list[tuple[Any, ...]] = []
        for one in events:
            number = heads[one.task_id] = heads.get(one.task_id, len(self._events.get(one.task_id, ()))) + 1
            rows.append(row_of(one, number, lease.epoch if lease else 0))
        items = [replace(item, payload=_copied(dict(item.payload))) for item in outbox]
        for row in rows:
            self._events.setdefault(row[0], []).append(row)
            if row[_TYPE] in HEEDED:
                self._controls.append(row)
            elif row[_TYPE] in OUTCOMES:
                self._outcomes.append(row)
            if row[_TYPE] in LESSONS:
                self._lessons.append(row)
        for item in items:
            self._outbox.setdefault(item.key, item)
        if state is not None and lease is not None:
            self._runs[lease.run_id] = replace(self._runs[lease.run_id], state=state, updated=self.clock.now())
        return [row[1] for row in rows]

    def _refusal(self, events: Iterable[Event], lease: Lease) -> ConcertinoError | None:
        for one in events:
            if one.run_id != lease.run_id or one.task_id != lease.task_id:
                return JournalError(
                    place=PLACE, reason=f"event of run {one.run_id} under the lease of run {lease.run_id}"
                )
        return self._fence(lease)

    def _unleased(self, events: Iterable[Event], state: RunState | None) -> ConcertinoError | None:
        kinds = {one.type for one in events} - CONTROL
        if kinds or state is not None:
            return JournalError(
                place=PLACE, reason=f"{', '.join(sorted(kinds)) or f'state {state}'} needs the run's lease"
            )
        for one in events:
            known = self._runs.get(one.run_id)
            if known is None or known.task_id != one.task_id:
                return RunNotFound(task_id=one.task_id)
        return None

    def events(
        self, task_id: str, *, after: int = 0, limit: int = 10_000, run_id: str | None = None
    ) -> Future[list[Event]]:
        """See the port."""

        def found() -> list[Event]:
            rows = self._events.get(task_id, [])[max(0, after) :]
            if run_id is not None:
                rows = [row for row in rows if row[_RUN] == run_id]
            return [event_of(row) for row in rows[:limit]]

        return self._done(found)

    def rows(self, task_id: str) -> tuple[tuple[Any, ...], ...]:
        """Return a task's events in order, as they are kept."""
        with self._lock:
            return (*self._events.get(task_id, ()),)

    def controls(self, *, after: int) -> Future[tuple[int, list[Event]]]:
        """See the port; the cursor counts control events."""

        def found() -> tuple[int, list[Event]]:
            count = len(self._controls)
            return (count, []) if after < 0 else (count, [event_of(row) for row in self._controls[after:]])

        return self._done(found)

    def lessons(self, *, after: int = 0, limit: int = 1_000) -> Future[tuple[int, list[Event]]]:
        """See the port; the cursor counts lessons."""

        def found() -> tuple[int, list[Event]]:
            rows = self._lessons[after : after + limit]
            return after + len(rows), [event_of(row) for row in rows]

        return self._done(found)

    def heed(self, listener: Heeds) -> None:
        """Tell a listener of every control event from now on, until `ignore`."""
        with self._lock:
            self._listeners.append(listener)

    def ignore(self, listener: Heeds) -> None:
        """Tell a listener nothing more."""
        with self._lock:
            self._listeners.remove(listener)

    def record(self) -> Future[dict[str, SpecialistRecord]]:
        """See the port."""

        def found() -> dict[str, SpecialistRecord]:
            ended, self._outcomes = self._outcomes, []
            return self._records.taken((row[_TYPE], row[_AGENT], row[_PAYLOAD], row[_AT]) for row in ended)

        return self._done(found)

    # The outbox.

    def pending(self, *, limit: int = 100) -> Future[list[OutboxItem]]:
        """See the port."""
        return self._done(
            lambda: [item for key, item in self._outbox.items() if key not in self._delivered][: max(0, limit)]
        )

    def acknowledge(self, keys: Sequence[str]) -> Future[None]:
        """See the port. Unknown keys are ignored."""
        return self._done(lambda: self._delivered.update(key for key in keys if key in self._outbox))

    def close(self) -> None:
        """See the port."""
        with self._lock:
            self._closed = True

    def _done(self, act: Callable[[], T]) -> Future[T]:
        """Return what `act` brings, as a future that is done."""
        future: Future[T] = Future()
        try:
            with self._lock:
                if self._closed:
                    raise JournalError(place=PLACE, reason="closed")
                result = act()
        except (ConcertinoError, ValueError) as error:
            future.set_exception(error if isinstance(error, ConcertinoError) else _unstorable(error))
        else:
            future.set_result(result)
        return future


def _copied(given: Any) -> Any:
    return json.loads(dump(given))


def _unstorable(error: Exception) -> JournalError:
    return JournalError(place=PLACE, reason=str(error) or type(error).__name__)
