"""Plain functions in threads that take turns with their loop.

A baton goes round: the loop hands it to one thread and stands still until that one ends or waits. Waiting is seen where
the standard library waits, in `threading.Condition.wait` (events, futures, queues, barriers) and `time.sleep`, and in the
virtual clock's `sleep`; timeouts there are virtual. A thread that waits elsewhere (a bare lock, a `SimpleQueue`, a socket)
keeps the baton and holds everything up, as a blocked loop would; after `PATIENCE_S` real seconds that is an error.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from concertino.contracts.errors import ConcertinoError
from concertino.evals.virtual.stalled import place_of
from concertino.tools.threads import Host, hosted

PATIENCE_S = 60.0
"""Real seconds a thread may keep the loop standing still; chosen by hand."""
FRAMES = 4
"""How many callers of a place that waits are named."""


class Blocked(ConcertinoError, RuntimeError):
    """A thread of a virtual loop blocks where virtual time cannot see it."""

    def __init__(self, *, thread: str, place: str) -> None:
        self.thread, self.place = thread, place
        super().__init__(f"thread {thread} blocked for {PATIENCE_S:g} s of real time at {place}")


class LoopClosed(SystemExit):
    """The loop ended while this thread still waited in it. `SystemExit`, so that no `except Exception` keeps it."""


class Home(Host, Protocol):
    """What the threads ask of their loop."""

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> TimerHandle: ...


class Carrier:
    """A thread of the machine that does the work of one worker after another, of one loop after another."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.hired = threading.Lock()
        self.hired.acquire()
        self.thread = threading.Thread(target=self._carry, name="virtual", daemon=True)

    def _carry(self) -> None:
        while True:
            self.hired.acquire()
            worker, self.worker = self.worker, None
            if worker is not None:
                _here.worker = worker
                worker.serve()
                _here.worker = None
                back = worker.crew.back
                del worker  # an idle thread must not keep a loop alive
                _spare.append(self)
                back.release()


_spare: list[Carrier] = []
"""Threads without work; starting one takes longer than all else here."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_spare.clear)


def _carrier() -> Carrier:
    try:
        return _spare.pop()
    except IndexError:
        made = Carrier()
    # `start` waits until the thread is there; that is no wait in virtual time, whoever asks.
    asking, _here.worker = _here.worker, None
    try:
        made.thread.start()
    finally:
        _here.worker = asking
    return made


class Worker:
    """One thread; it does one job at a time, and only while it has the baton."""

    def __init__(self, crew: Workers, name: str) -> None:
        self.crew = crew
        self.name = name
        self.job: Callable[[], None] | None = None
        self.go = threading.Lock()
        self.go.acquire()
        self._is_parked = False
        self._was_signalled = False
        self.carrier = _carrier()
        self.carrier.worker = self
        self.carrier.hired.release()

    def listen(self) -> Callable[[], None]:
        """Return the signal that ends the wait which `park` begins next; it may come before that."""
        self._is_parked, self._was_signalled = True, False
        return self._signal

    def park(self, timeout: float | None) -> bool:
        """Hand the baton back and wait, in this worker's own thread, after `listen`; say whether the signal came in time.

        Args:
            timeout: In virtual seconds; without one only the signal ends the wait.

        Raises:
            LoopClosed: the loop is at its end.
        """
        crew = self.crew
        if crew.is_closed:
            raise LoopClosed
        timer: TimerHandle | None = None
        if timeout is not None and self._is_parked:
            timer = crew.home.call_later(timeout, self._wake)
        crew.parked[self] = None
        crew.back.release()
        self.go.acquire()
        crew.parked.pop(self, None)
        self._is_parked = False
        if timer is not None:
            timer.cancel()
        if crew.is_closed:
            raise LoopClosed
        return self._was_signalled

    def _signal(self) -> None:
        if self._is_parked:
            self._was_signalled = True
            self._wake()

    def _wake(self) -> None:
        if self._is_parked:
            self._is_parked = False
            self.crew.runnable.append(self)

    def serve(self) -> None:
        """Do what comes until the loop closes, in the carrier's thread."""
        self.go.acquire()
        with hosted(self.crew.home):
            self._work()

    def _work(self) -> None:
        crew = self.crew
        while (job := self.job) is not None:
            with suppress(LoopClosed):
                job()
            del job  # an idle thread must not keep a result alive
            self.job = None
            if crew.is_closed:
                break
            crew.idle.append(self)
            crew.back.release()
            self.go.acquire()


class Workers:
    """The threads of one loop. Everything here happens on whichever of them, or the loop, has the baton."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.runnable: deque[Worker] = deque()
        self.parked: dict[Worker, None] = {}
        self.idle: list[Worker] = []
        self.back = threading.Lock()
        self.back.acquire()
        self.is_closed = False
        self._made = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Do `job`, which must not raise, in a thread after those handed in before."""
        if self.is_closed:
            raise RuntimeError("Event loop is closed")
        if self.idle:
            worker = self.idle.pop()
        else:
            self._made += 1
            worker = Worker(self, f"virtual-{self._made}")
        worker.job = job
        self.runnable.append(worker)

    def run(self) -> None:
        """Let each thread that can work do so until it ends or waits, one after the other."""
        while self.runnable:
            self._switch(self.runnable.popleft())

    def waiting(self) -> list[str]:
        """Name the threads that wait, and where."""
        frames = _frames()
        return [
            f"thread {worker.name} at {place_of(_caller(frames.get(worker.carrier.thread.ident or 0)), depth=FRAMES)}"
            for worker in self.parked
        ]

    def close(self) -> None:
        """End every thread; one that waits gets `LoopClosed` there, one that has not begun never does."""
        self.is_closed = True
        for worker in (*self.parked, *self.idle, *(one for one in self.runnable if one not in self.parked)):
            if worker not in self.parked:
                worker.job = None
            self._switch(worker)
        self.runnable.clear()

    def _switch(self, worker: Worker) -> None:
        worker.go.release()
        if not self.back.acquire(timeout=PATIENCE_S):
            frame = _frames().get(worker.carrier.thread.ident or 0)
            raise Blocked(thread=worker.name, place=place_of(frame, depth=FRAMES))


class _Here(threading.local):
    worker: Worker | None = None


_here = _Here()


def current_worker() -> Worker | None:
    """Return whose thread this is, if it belongs to a virtual loop."""
    return _here.worker


def _frames() -> dict[int, FrameType]:
    """Return where every thread is.

    CPython 3.11 may hang where it collects garbage meanwhile: what dies may be a thread's, whose lock it holds (gh-106883).
    """
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # the documented way to a thread's place
    finally:
        if was_collecting:
            gc.enable()


def _caller(frame: FrameType | None) -> FrameType | None:
    """Return the place that waits, above what makes it wait."""
    while frame is not None and frame.f_code.co_filename in _WAITING:
        frame = frame.f_back
    return frame


_WAITING = {
    __file__,
    threading.__file__,
    *(str(Path(__file__).with_name(name)) for name in ("waits.py", "times.py", "clock.py")),
}
