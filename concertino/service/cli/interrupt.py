"""Signals while a run is under way: Ctrl-C asks it to stop, a second one leaves at once; SIGTERM leaves it to be resumed."""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
from types import FrameType, TracebackType
from typing import NoReturn, Self

from concertino.contracts.clock import Clock
from concertino.contracts.event import Event, message_type
from concertino.contracts.journal import Journal
from concertino.service.cli.output import say

REASON = "interrupted at the terminal"


class Terminated(KeyboardInterrupt):
    """SIGTERM: the process has to go, which says nothing about the task."""


class Interruptible:
    """While it is entered, Ctrl-C becomes a cancel request on the run whose events it is shown.

    The request goes through the journal, as from any other process, so the run stops the way it always stops: what is
    finished stays finished, what is held is settled, and `restart` carries on. Before the first event there is nothing
    to cancel, and Ctrl-C is a KeyboardInterrupt as ever.

    SIGTERM raises `Terminated`, so that the run is parked, its lease given back and the terminal left in order; `resume`
    carries on. Whichever signal comes again after it was told to leave ends the process at once.
    """

    def __init__(self, journal: Journal, *, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._latest: Event | None = None
        # A signal handler must neither block nor take a lock that it may have interrupted; a SimpleQueue may be used.
        self._requests: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.was_interrupted = False

    def __call__(self, event: Event) -> None:
        """Remember whose events these are."""
        self._latest = event

    @property
    def task_id(self) -> str | None:
        """Return the task whose events these are, once there are any."""
        return self._latest.task_id if self._latest is not None else None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, name="concertino-interrupt", daemon=True)
        self._thread.start()
        self._before = signal.signal(signal.SIGINT, self._on_signal)
        self._before_term = signal.signal(signal.SIGTERM, self._on_term)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        signal.signal(signal.SIGINT, self._before)
        signal.signal(signal.SIGTERM, self._before_term)
        self._requests.put(False)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.was_interrupted or self._latest is None:
            _leave(number, KeyboardInterrupt)
            return
        self.was_interrupted = True
        self._requests.put(True)

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        _leave(number, Terminated)

    def _serve(self) -> None:
        if not self._requests.get() or self._latest is None:
            return
        say("cancelling; Ctrl-C again leaves at once")
        request = Event(
            task_id=self._latest.task_id,
            run_id=self._latest.run_id,
            type="CANCEL_REQUESTED",
            message_type=message_type("CANCEL_REQUESTED"),
            payload={"reason": REASON},
            timestamp=self._clock.now(),
        )
        self._journal.append([request], lease=None)


def _leave(number: int, kind: type[KeyboardInterrupt]) -> None:
    """Raise `kind` where the command waits, be it for a loop: raised here, it would be the failure of whichever task is at work.

    The next signal of this number ends the process, also where a task never lets go of the loop.
    """
    signal.signal(number, signal.SIG_DFL)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise kind from None
    loop.call_soon_threadsafe(_raise, kind)


def _raise(kind: type[KeyboardInterrupt]) -> NoReturn:
    raise kind
