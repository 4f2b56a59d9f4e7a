"""A run's way into the journal: what happens in one turn of its loop is written together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

from concertino.contracts.errors import JournalError, StaleLease
from concertino.contracts.event import Event, RunState
from concertino.contracts.journal import Journal, Lease
from concertino.journal.awaiting import wait


class Record:
    """Events of one run on their way to the journal, in order. Works from any thread.

    What a loop's turn brings is handed in at its end, before anything started in that turn gets to run: an append for
    each of 1,000 events costs 25 ms more. What comes from other threads is handed in at once, for the loop may be busy.
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
        self._pending: dict[Future[list[int]], None] = {}
        self.hole: JournalError | None = None
        """Why an event is missing, once one is; perhaps nobody waits for it."""

    def add(self, event: Event, *, state: RunState | None = None) -> Future[list[int]]:
        """Write an event, with the run's new state; the future resolves when it is committed."""
        waits = state is None and self._is_on_loop()
        with self._lock:
            if not self._gathered:
                self._pending[self._written] = None
                if waits:
                    self._loop.call_soon(self._end_turn)
            self._gathered.append(event)
            written = self._written
            if not waits:
                self._hand_in(state)
        return written

    async def flush(self) -> None:
        """Wait until everything so far is committed; raise what went wrong."""
        self._end_turn()
        for written in list(self._pending):
            await wait(written)

    def _is_on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _end_turn(self) -> None:
        with self._lock:
            if self._gathered:
                self._hand_in(None)

    def _hand_in(self, state: RunState | None) -> None:
        """Write what is gathered; the caller holds the lock, which keeps the order."""
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
