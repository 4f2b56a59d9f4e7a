"""The beat of this process's live runs: leases renewed, and what other processes ask for taken notice of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from concertino.contracts.clock import Clock
from concertino.contracts.errors import StaleLease
from concertino.contracts.event import HEEDED, Event
from concertino.contracts.gate import read_answer
from concertino.contracts.journal import LEASE_S, Journal
from concertino.graph.runs.run import Run
from concertino.journal.memory import MemoryJournal
from concertino.tools import threads

BEAT_S = 0.2
"""Seconds between two looks at answers and cancellations from other processes; chosen by hand."""


class Heart:
    """One daemon thread a journal, alive while runs are; none for a journal that tells what was asked by itself.

    Such a journal is this process's own: its leases need no renewal.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._renewed: dict[str, float] = {}
        self._fresh: list[Run] = []
        """Runs whose record may hold requests from before the cursor."""
        self._beats = False
        self._stirred = threading.Event()
        self._listens = False

    def keep(self, run: Run) -> None:
        """Look after a run until `drop`."""
        if isinstance(self._journal, MemoryJournal):
            self._keep_in(self._journal, run)
            return
        with self._lock:
            self._runs[run.run_id] = run
            self._renewed[run.run_id] = self._clock.monotonic()
            self._fresh.append(run)
            if not self._beats:
                self._beats, self._stirred = True, threading.Event()
                threads.beat(_Beat(self).look, over=self._stirred, name="concertino-heart")

    def drop(self, run: Run) -> None:
        """Stop looking after a run; the thread ends with the last one."""
        with self._lock:
            if self._runs.pop(run.run_id, None) is not None and isinstance(self._journal, MemoryJournal):
                self._listen(self._journal)
            self._renewed.pop(run.run_id, None)
            if not self._runs:
                self._beats = False
                self._stirred.set()

    def live(self, task_id: str) -> Run | None:
        """Return the live run of a task in this process."""
        with self._lock:
            return next((run for run in self._runs.values() if run.task_id == task_id), None)

    def _keep_in(self, journal: MemoryJournal, run: Run) -> None:
        with self._lock:
            self._runs[run.run_id] = run
            self._listen(journal)
        # What was asked since the run's history was read is on the record.
        for event in journal.controls(after=0).result()[1]:
            if event.run_id == run.run_id:
                self._heed(event)

    def _listen(self, journal: MemoryJournal) -> None:
        """Listen while there are runs; the caller holds the lock."""
        if bool(self._runs) != self._listens:
            self._listens = bool(self._runs)
            (journal.heed if self._listens else journal.ignore)(self._heed)

    def look(self, cursor: int) -> int:
        """Take notice of what was asked after `cursor`, renew leases, and return the new cursor; raises what the journal does."""
        fresh = self._take_fresh()
        try:
            read_up_to, events = self._journal.controls(after=cursor).result()
            # The cursor first: what came before it, since a run was let in, is on the run's own record.
            for run in fresh:
                own = self._journal.events(run.task_id, run_id=run.run_id).result()
                events += [event for event in own if event.type in HEEDED]
        except Exception:
            self._put_back(fresh)
            raise
        for event in events:
            self._heed(event)
        self._renew()
        return read_up_to

    def _take_fresh(self) -> list[Run]:
        with self._lock:
            fresh, self._fresh = self._fresh, []
            return fresh

    def _put_back(self, fresh: list[Run]) -> None:
        with self._lock:
            self._fresh += fresh

    def _heed(self, event: Event) -> None:
        with self._lock:
            run = self._runs.get(event.run_id)
        if run is None:
            return
        if event.type == "CANCEL_REQUESTED":
            run.cancel(str(event.payload.get("reason") or "cancelled"))
        elif event.type == "GATE_ANSWERED":
            answer = read_answer({key: value for key, value in event.payload.items() if key != "gate"})
            run.on_loop(lambda: run.questions.take(str(event.payload["gate"]), answer))

    def _renew(self) -> None:
        now = self._clock.monotonic()
        with self._lock:
            due = [run for run in self._runs.values() if now - self._renewed[run.run_id] >= LEASE_S / 3]
            for run in due:
                self._renewed[run.run_id] = now
        for run in due:
            if run.lease is not None:
                self._journal.renew(run.lease).add_done_callback(_reports_loss(run))


class _Beat:
    """One thread's beat: where it stands in the journal, and how often in a row it could not read it."""

    def __init__(self, heart: Heart) -> None:
        self._heart, self._cursor, self._failed = heart, -1, 0

    def look(self) -> float:
        """Look once and return the seconds until the next time. The first comes at once: a run's record is short then."""
        try:
            self._cursor = self._heart.look(self._cursor)
            self._failed = 0
        except Exception:  # noqa: BLE001 - a journal that cannot be read now is asked again; writing reports it
            self._failed += 1
        return BEAT_S if self._failed == 0 else min(2.0, BEAT_S * 2**self._failed)


def _reports_loss(run: Run) -> Callable[[Future[None]], None]:
    def done(renewed: Future[None]) -> None:
        if not renewed.cancelled() and isinstance(error := renewed.exception(), StaleLease):
            run.lose(error)

    return done
