"""The clock that follows a virtual loop."""

from __future__ import annotations

import asyncio
import threading

from concertino.contracts.errors import ConcertinoError
from concertino.evals.virtual.loop import VirtualLoop
from concertino.evals.virtual.workers import current_worker


class Stranger(ConcertinoError, RuntimeError):
    """A thread waits in virtual time that is no thread of its loop."""

    def __init__(self, *, thread: str) -> None:
        self.thread = thread
        super().__init__(
            f"thread {thread} was started by code of the run itself, and a replay cannot tell when it goes on: "
            "let coroutines wait together instead, as by `asyncio.gather` or `abatch`"
        )


class VirtualClock:
    """A `Clock` whose monotonic time is its loop's, and whose wall time is that plus an epoch."""

    def __init__(self, loop: VirtualLoop, epoch: float = 0.0) -> None:
        """Begin with wall time `epoch`, in seconds since 1970-01-01 UTC, where the loop stands at 0.

        `time.time` tells the wall time of the clock that was made last for a loop.
        """
        self._loop, self._epoch = loop, epoch
        loop.epoch = epoch

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return self._epoch + self._loop.time()

    def monotonic(self) -> float:
        """Return the loop's own seconds."""
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        """Let time pass for a plain function.

        In a thread of the loop's the others go on meanwhile. On the loop itself nobody does, as with a real clock: the
        time is simply gone.

        Raises:
            Stranger: in a thread that code of the run has started itself, beside threads that wait: nobody knows which would go on
                first. Where a coroutine waits for it everything stands still, and time passes.
        """
        worker = current_worker()
        if worker is not None and worker.crew is self._loop.workers:
            worker.listen()
            worker.park(max(0.0, seconds))
        elif self._loop.workers.parked and not self._loop.is_here():
            raise Stranger(thread=threading.current_thread().name)
        else:
            self._loop.skip(max(0.0, seconds))

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling coroutine."""
        await asyncio.sleep(seconds)

    def adjust(self, seconds: float) -> None:
        """Set the wall clock forward or, with a negative number, back; monotonic time does not notice."""
        self._epoch += seconds
        self._loop.epoch = self._epoch
