"""Time as a port, so that tests and replays bring their own."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. Waiting inside coroutines follows the event loop's own time."""

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling coroutine."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock; all instances are equal."""

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling coroutine."""
        await asyncio.sleep(seconds)
