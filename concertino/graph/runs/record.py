"""A run's way into the journal: what happens in one turn of its loop is written together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

from concertino.contracts.clock import Clock
from concertino.contracts.errors import JournalError, StaleLease
from concertino.contracts.event import Event, EventType, RunState, message_type
from concertino.contracts.journal import Journal, Lease, RunRow
from concertino.contracts.json import JsonObject
from concertino.graph.runs.voice import Voice
from concertino.journal.awaiting import wait

LATE: frozenset[EventType] = frozenset({"SETTLED", "TOOL_CALLED"})
"""What may be late: nobody waits for it, and a settlement lost in a crash leaves the reservation open, which is charged
in full as ever."""
LATE_S = 0.005
"""Seconds that it waits at most; chosen by hand, a few calls of a model that answers at once."""


class Record:
    """Events of one run on their way to the journal, in order. Works from any thread.

    What a loop's turn brings is handed in at its end, before anything started in that turn gets to run: an append for
    each of 1,000 events costs 25 ms more. What comes from other threads is handed in at once, for the loop may be busy.
    What may be late waits a little for an event that may not, as the end of a call does for the start of the next: a
    model's call then costs one append and not two.
    """

    def __init__(
        self,
        journal: Journal,
        row: RunRow,
        lease: Lease | None,
        *,
        parent_task_id: str | None,
        clock: Clock,
        voice: Voice,
        loop: asyncio.AbstractEventLoop,
        on_lost: Callable[[StaleLease], None],
    ) -> None:
        self._journal, self._lease, self._loop = journal, lease, loop
        self._on_lost: Callable[[StaleLease], None] | None = on_lost
        self._row, self._parent_task_id, self._clock, self._voice = row, parent_task_id, clock, voice
        self._lock = threading.Lock()
        self._gathered: list[Event] = []
        self._written: Future[list[int]] = Future()
        """Of what is gathered now."""
        self._is_due = False
        """Whether it is handed in at the end of this turn."""
        self._is_timed = False
        """Whether it is handed in within `LATE_S`."""
        self._pending: dict[Future[list[int]], None] = {}
        self.lost: StaleLease | None = None
        """Why nothing more is written, once another process took the run over."""
        self.hole: JournalError | None = None
        """Why an event is missing, once one is; perhaps nobody waits for it."""

    def emit(
        self,
        type_: EventType,
        *,
        subtask_id: str | None = None,
        agent: str = "orchestrator",
        confidence: float | None = None,
        state: RunState | None = None,
        payload: JsonObject | None = None,
    ) -> Future[list[int]]:
        """Append an event and tell whoever listens; the future resolves when it is committed."""
        event = Event.made(
            task_id=self._row.task_id,
            run_id=self._row.run_id,
            type=type_,
            message_type=message_type(type_),
            agent_id=agent,
            subtask_id=subtask_id,
            payload=payload or {},
            confidence=confidence,
            timestamp=self._clock.now(),
            parent_task_id=self._parent_task_id,
            seq=0,
            epoch=self._lease.epoch if self._lease else 0,
        )
        written = self.add(event, state=state)
        self._voice.tell(event)
        return written

    async def commit(
        self,
        type_: EventType,
        *,
        subtask_id: str | None = None,
        agent: str = "orchestrator",
        confidence: float | None = None,
        state: RunState | None = None,
        payload: JsonObject | None = None,
    ) -> None:
        """Append an event and wait until it is committed.

        Raises:
            StaleLease: another process took the run over.
            JournalError: the storage refused.
        """
        await wait(
            self.emit(type_, subtask_id=subtask_id, agent=agent, confidence=confidence, state=state, payload=payload)
        )

    def add(self, event: Event, *, state: RunState | None = None) -> Future[list[int]]:
        """Write an event, with the run's new state; the future resolves when it is committed."""
        waits = state is None and self._is_on_loop()
        may_be_late = event.type in LATE
        with self._lock:
            if not self._gathered:
                self._pending[self._written] = None
            self._gathered.append(event)
            written = self._written
            if not waits:
                self._hand_in(state)
            elif not may_be_late and not self._is_due:
                self._is_due = True
                self._loop.call_soon(self._end_turn)
            elif not self._is_due and not self._is_timed:
                self._is_timed = True
                self._loop.call_later(LATE_S, self._end_time)
        return written

    async def flush(self, *, must_hold: bool = True) -> None:
        """Wait until everything so far is committed, or refused; raise what went wrong if it must hold. From any loop."""
        self._end_turn()
        for written in list(self._pending):
            try:
                await wait(written)
            except (JournalError, StaleLease):
                if must_hold:
                    raise

    def close(self) -> None:
        """Tell nobody any more that the run is lost: there is nothing left to stop. Writing goes on."""
        self._on_lost = None

    def _is_on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _end_time(self) -> None:
        self._is_timed = False
        self._end_turn()

    def _end_turn(self) -> None:
        with self._lock:
            if self._gathered:
                self._hand_in(None)

    def _hand_in(self, state: RunState | None) -> None:
        """Write what is gathered; the caller holds the lock, which keeps the order."""
        self._is_due = False
        written, self._written = self._written, Future()
        events, self._gathered = self._gathered, []
        appended = self._journal.append(events, lease=self._lease, state=state)
        appended.add_done_callback(lambda _: self._tell(appended, written))

    def _tell(self, appended: Future[list[int]], written: Future[list[int]]) -> None:
        error = appended.exception()
        if isinstance(error, StaleLease):
            self.lost, told = error, self._on_lost
            if told is not None:  # read once: another thread may close meanwhile
                told(error)
        elif isinstance(error, JournalError) and self.hole is None:
            self.hole = error
        if error is None:
            written.set_result(appended.result())
        else:
            written.set_exception(error)
        self._pending.pop(written, None)
