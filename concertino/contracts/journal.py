"""The journal's port: three small tables that hold the truth about every run.

Every method returns at once with a `concurrent.futures.Future`, so that an event loop awaits it
(`asyncio.wrap_future`) and a thread waits for it (`.result()`), and neither ever touches the storage itself.
Futures fail with `JournalError` (storage), `StaleLease` (another process took over) or as stated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from concertino.contracts.event import Event, RunState
from concertino.contracts.json import JsonObject

LEASE_S = 10.0
"""How long a lease holds without renewal. Source: DESIGN §5."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the `runs` table has it."""

    run_id: str
    task_id: str
    thread_id: str
    content_hash: str
    task: JsonObject
    state: RunState
    parent_run_id: str | None = None
    """The run this one was forked or restarted from."""
    token: str | None = None
    """Identity of the fork or restart that made it; unique per journal."""
    epoch: int = 0
    owner: str | None = None
    """`host:pid:process start` of the lease's holder, `None` when free."""
    lease_until: float = 0.0
    """Seconds since 1970-01-01 UTC."""
    created: float = 0.0
    updated: float = 0.0
    policy: JsonObject = field(default_factory=dict)
    """The rules it was admitted under: budget, approvals, slots."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for one run until it expires or is taken over."""

    run_id: str
    task_id: str
    owner: str
    epoch: int
    """Grows by one at every acquisition; writes with an older one are refused."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A run to be admitted."""

    run_id: str
    task_id: str
    thread_id: str
    content_hash: str
    task: JsonObject
    timestamp: float
    parent_run_id: str | None = None
    token: str | None = None
    policy: Mapping[str, JsonValue] = field(default_factory=dict)
    """The rules that hold for the run from now on; a resume has no other source for them."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The outcome of an admission."""

    row: RunRow
    created: bool
    """False when the task (same content) or the token was known; `row` is then the newest run of it."""


@dataclass(frozen=True, slots=True)
class SpecialistRecord:
    """A specialist's history in this journal."""

    completed: int = 0
    failed: int = 0
    seconds: float = 0.0
    """Sum of seconds over completed subtasks."""
    last_success: float | None = None
    """Seconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A message that must leave exactly when its event is committed."""

    key: str
    """Unique; a second item with the same key is dropped."""
    topic: str
    payload: Mapping[str, JsonValue] = field(default_factory=dict)


class Journal(Protocol):
    """Runs, events and outbox. One writer per run, held by lease and fencing epoch."""

    def admit(self, admission: Admission) -> Future[Admitted]:
        """Create a run, once.

        Without a token: a known task id with the same content gives its run as `latest` does, with another content
        `TaskConflict`. With a token (fork, restart): a known token gives its run, else a new run is made.
        """
        ...

    def run(self, run_id: str) -> Future[RunRow | None]:
        """Return one run."""
        ...

    def latest(self, task_id: str) -> Future[RunRow | None]:
        """Return the newest run of a task that is no fork (its token does not begin with `fork:`), if there is such a run."""
        ...

    def head(self, thread_id: str) -> Future[RunRow | None]:
        """Return the newest run on a LangGraph thread."""
        ...

    def runs(self, *, limit: int = 100) -> Future[list[RunRow]]:
        """Return runs, newest first."""
        ...

    def acquire(self, run_id: str, *, owner: str, ttl_s: float = LEASE_S) -> Future[Lease]:
        """Take the lease of a run whose lease is free, expired, the caller's own, or held by a dead local process.

        Raises (in the future):
            RunBusy: another live owner holds it.
            RunNotFound: no such run.
        """
        ...

    def renew(self, lease: Lease, *, ttl_s: float = LEASE_S) -> Future[None]:
        """Extend a lease that is still ours."""
        ...

    def release(self, lease: Lease) -> Future[None]:
        """Give a lease back; harmless when it is no longer ours."""
        ...

    def append(
        self,
        events: Sequence[Event],
        *,
        lease: Lease | None,
        state: RunState | None = None,
        outbox: Sequence[OutboxItem] = (),
    ) -> Future[list[int]]:
        """Commit events together, in order, and return their `seq`.

        The future resolves after the commit. `state` becomes the run's state in the same transaction. Without a
        lease only `CONTROL` events are taken. Concurrent appends may share one commit.
        """
        ...

    def events(
        self, task_id: str, *, after: int = 0, limit: int = 10_000, run_id: str | None = None
    ) -> Future[list[Event]]:
        """Return a task's events with `seq > after`, in order; of one run only, when given."""
        ...

    def controls(self, *, after: int) -> Future[tuple[int, list[Event]]]:
        """Return `HEEDED` control events of all tasks newer than the cursor `after`, and the new cursor. Cheap when nothing came.

        The cursor `-1` asks for the present cursor alone.
        """
        ...

    def record(self) -> Future[dict[str, SpecialistRecord]]:
        """Return every specialist's history."""
        ...

    def pending(self, *, limit: int = 100) -> Future[list[OutboxItem]]:
        """Return outbox items that were not acknowledged, oldest first."""
        ...

    def acknowledge(self, keys: Sequence[str]) -> Future[None]:
        """Mark outbox items as delivered."""
        ...

    def close(self) -> None:
        """Write what is queued and let go of the storage. Idempotent."""
        ...


class LessonJournal(Journal, Protocol):
    """A journal in which a track record can be kept. Both of ours are; one that only runs tasks need not be."""

    def lessons(self, *, after: int = 0, limit: int = 1_000) -> Future[tuple[int, list[Event]]]:
        """Return the oldest `LESSONS` of all tasks newer than the cursor `after`, in order of commit, and the new cursor.

        At most `limit` at once; fewer than that are all there are for now.
        """
        ...
