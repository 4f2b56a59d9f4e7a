"""A run's way into the journal: what happens in one turn of its loop is written together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

from concertino.contracts.errors import JournalError, StaleLease
from concertino.contracts.event import Event, EventType, RunState
from concertino.contracts.journal import Journal, Lease
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
        lease: Lease | None,
        *,
        loop: asyncio.AbstractEventLoop,
        on_lost: Callable[[StaleLease], None],
    ) -> None:
        self._journal, self._lease, self._loop, self._on_lost = journal, lease, loop, on_lost
        self._lock = threading.Lock()
        self._gathered: list[Event] = []
        self._written: Future[list[int]] = Future()
        """Of what is gathered now."""
        self._is_due = False
        """Whether it is handed in at the end of this turn."""
        self._is_timed = False
        """Whether it is handed in within `LATE_S`."""
        self._pending: dict[Future[list[int]], None] = {}
        self.hole: JournalError | None = None
        """Why an event is missing, once one is; perhaps nobody waits for it."""

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
            self._on_lost(error)
        elif isinstance(error, JournalError) and self.hole is None:
            self.hole = error
        if error is None:
            written.set_result(appended.result())
        else:
            written.set_exception(error)
        self._pending.pop(written, None)
