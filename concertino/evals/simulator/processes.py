"""Processes that share a journal, work on tasks, and die: each a planner of its own at the same boundary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar

from concertino.contracts.errors import JournalError
from concertino.contracts.event import Event, RunState
from concertino.contracts.journal import Admission, Admitted, Journal, Lease, OutboxItem, RunRow, SpecialistRecord
from concertino.evals.simulator.traces import Acquired, Append, Trace

T = TypeVar("T")

OUTSIDE = -1
"""The number of whoever writes to the journal and is no process of ours: people."""


class Died(BaseException):
    """The process in which this runs is dead. No `Exception`, so that nothing handles it."""


class Process:
    """One process: alive until it dies, at the latest at its append number `dies_at`."""

    def __init__(self, number: int, *, order: Callable[[], int], time: Callable[[], float], trace: Trace) -> None:
        self.number, self.trace = number, trace
        self.order, self.time = order, time
        self.is_dead = False
        self.is_cut_off = False
        """Whether its renewals of leases are lost."""
        self.dies: dict[int, bool] = {}
        """Numbers of appends at which it dies, and whether they are written."""
        self.invocations: set[asyncio.Task[Any]] = set()
        self.on_death: Callable[[Process], None] = _nothing
        self.on_written: Callable[[Sequence[Event]], None] = _nothing
        self._appends = 0

    def die(self) -> None:
        """Stop everything that it does, now. Whatever its code still tries has no effect."""
        if self.is_dead:
            return
        self.is_dead = True
        self.trace.died[self.number] = self.time()
        for task in sorted(self.invocations, key=hash):
            task.cancel()
        self.on_death(self)

    def check(self) -> None:
        """Raise `Died` in a body or tool of a dead process."""
        if self.is_dead:
            raise Died

    def check_line(self) -> None:
        """Raise `JournalError` where a dead process reaches for what it has stored."""
        if self.is_dead:
            raise JournalError(place="simulated", reason="this process is dead")

    def append_comes(self) -> tuple[bool, bool]:
        """Count an append; say whether the process dies at it, and whether it is written all the same."""
        self._appends += 1
        is_written = self.dies.get(self._appends)
        return is_written is not None, bool(is_written)


PROCESS: ContextVar[Process] = ContextVar("concertino_simulated_process")
"""In which process this runs."""


class Line:
    """A process's line to the journal, tapped. A dead process gets no answer but an error."""

    def __init__(self, journal: Journal, process: Process) -> None:
        self._journal, self._process = journal, process

    def admit(self, admission: Admission) -> Future[Admitted]:
        return self._through(lambda: self._journal.admit(admission))

    def run(self, run_id: str) -> Future[RunRow | None]:
        return self._through(lambda: self._journal.run(run_id))

    def latest(self, task_id: str) -> Future[RunRow | None]:
        return self._through(lambda: self._journal.latest(task_id))

    def head(self, thread_id: str) -> Future[RunRow | None]:
        return self._through(lambda: self._journal.head(thread_id))

    def runs(self, *, limit: int = 100) -> Future[list[RunRow]]:
        return self._through(lambda: self._journal.runs(limit=limit))

    def acquire(self, run_id: str, *, owner: str, ttl_s: float | None = None) -> Future[Lease]:
        process = self._process
        got = self._through(lambda: self._journal.acquire(run_id, owner=owner, **_given(ttl_s)))
        if got.done() and got.exception() is None:
            process.trace.acquired.append(
                Acquired(process.number, process.time(), process.order(), run_id, got.result().epoch)
            )
        return got

    def renew(self, lease: Lease, *, ttl_s: float | None = None) -> Future[None]:
        if self._process.is_cut_off:
            return _failed("the connection is lost")
        return self._through(lambda: self._journal.renew(lease, **_given(ttl_s)))

    def release(self, lease: Lease) -> Future[None]:
        return self._through(lambda: self._journal.release(lease))

    def append(
        self,
        events: Sequence[Event],
        *,
        lease: Lease | None,
        state: RunState | None = None,
        outbox: Sequence[OutboxItem] = (),
    ) -> Future[list[int]]:
        process = self._process
        dies, is_written = process.append_comes()
        if process.is_dead or (dies and not is_written):
            process.die()
            return _failed("this process is dead")
        written = self._journal.append(events, lease=lease, state=state, outbox=outbox)
        error = written.exception()
        process.trace.appends.append(
            Append(
                process.number, process.time(), process.order(), lease.epoch if lease else 0,
                () if error is not None else tuple(written.result()), tuple(events),
                None if error is None else type(error).__name__,
            )
        )  # fmt: skip
        if error is None:
            process.on_written(events)
        if dies:
            process.die()
            return _failed("this process is dead")
        return written

    def events(
        self, task_id: str, *, after: int = 0, limit: int = 10_000, run_id: str | None = None
    ) -> Future[list[Event]]:
        return self._through(lambda: self._journal.events(task_id, after=after, limit=limit, run_id=run_id))

    def controls(self, *, after: int) -> Future[tuple[int, list[Event]]]:
        return self._through(lambda: self._journal.controls(after=after))

    def record(self) -> Future[dict[str, SpecialistRecord]]:
        return self._through(self._journal.record)

    def pending(self, *, limit: int = 100) -> Future[list[OutboxItem]]:
        return self._through(lambda: self._journal.pending(limit=limit))

    def acknowledge(self, keys: Sequence[str]) -> Future[None]:
        return self._through(lambda: self._journal.acknowledge(keys))

    def close(self) -> None:
        """The journal outlives its processes."""

    def _through(self, ask: Callable[[], Future[T]]) -> Future[T]:
        return _failed("this process is dead") if self._process.is_dead else ask()


def _given(ttl_s: float | None) -> dict[str, float]:
    return {} if ttl_s is None else {"ttl_s": ttl_s}


def _failed(reason: str) -> Future[Any]:
    failed: Future[Any] = Future()
    failed.set_exception(JournalError(place="simulated", reason=reason))
    return failed


def _nothing(_: object) -> None:
    pass
