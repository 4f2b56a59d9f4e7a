"""What tests of packs share: a clock that moves when read."""

from __future__ import annotations

import asyncio

import pytest


class FakeClock:
    """Starts at a fixed moment; every reading of `now` moves it by a millisecond, so that order shows."""

    def __init__(self, now: float = 1_761_050_096.789) -> None:
        self._now = now

    def now(self) -> float:
        self._now += 0.001
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds

    async def asleep(self, seconds: float) -> None:
        self._now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock of the test's own."""
    return FakeClock()
