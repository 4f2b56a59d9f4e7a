"""A clock for what needs no event loop's time."""

from __future__ import annotations

import asyncio


class StillClock:
    """Stands still until a test moves it or somebody sleeps, which takes no time."""

    def __init__(self, time: float = 1_000.0, *, epoch: float = 1_000_000.0) -> None:
        """Begin at `time` in monotonic seconds, by default not at 0, where a length passes for a moment.

        The wall clock is `epoch` ahead.
        """
        self.time, self.epoch = time, epoch
        self.slept: list[float] = []

    def now(self) -> float:
        return self.epoch + self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)
