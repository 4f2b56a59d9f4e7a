"""The run's shared board: what its specialists have discovered so far, for those that still work. Works from any thread.

Source: document 004, parallel execution with synchronization (a shared store of findings, periodic synchronization). A
discovery stands here once it is on the record, and a resume reads it from there. The board is bounded: the oldest fall
off it, and stay on the record.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future

from concertino.contracts.clock import Clock
from concertino.contracts.discovery import Discovery, News
from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject, digest, dump
from concertino.journal.awaiting import wait
from concertino.tools.breaker import is_number

KEPT = 256
"""Discoveries on the board; chosen by hand, as many as a plan has subtasks by default."""
MOST_WAIT_S = 1e6
"""Longest wait for news that may be asked for; about as long as a thread can wait, and longer than any attempt."""

Bell = Future[None]
"""Rings once, in any loop or thread."""


class Discoveries:
    """What was discovered in one run, newest `KEPT`."""

    def __init__(self, past: Iterable[Discovery] = (), *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: deque[tuple[Discovery, str, int]] = deque()
        """With the digest of what it says, and its size."""
        self._bytes = 0
        self._count = 0
        self._bells: dict[Bell, str] = {}
        """What rings at the next discovery, and the subtask that waits for it."""
        for known in past:
            self.add(known.specialist, known.subtask_id, known.finding, known.data)

    def add(self, specialist: str, subtask_id: str, finding: str, data: JsonObject) -> None:
        """Put a discovery on the board; one that its subtask has told before, or larger than the board, is not put there."""
        size, said = len(dump(data).encode()) + len(finding.encode()), digest([subtask_id, finding, data])
        with self._lock:
            if size > self._most_bytes or any(said == known for _, known, _ in self._kept):
                return
            self._count += 1
            self._kept.append((Discovery(self._count, specialist, subtask_id, finding, data), said, size))
            self._bytes += size
            while len(self._kept) > KEPT or self._bytes > self._most_bytes:
                self._bytes -= self._kept.popleft()[2]
            told = [bell for bell, waiting in self._bells.items() if waiting != subtask_id]
            for bell in told:
                del self._bells[bell]
        _ring(told)

    def since(self, number: int, *, subtask_id: str) -> News:
        """Return what others than `subtask_id` have discovered after the `number`-th discovery."""
        with self._lock:
            return self._since(number, subtask_id)

    def bell(self, number: int, *, subtask_id: str) -> Bell | None:
        """Return what rings at the next discovery of others; `None` where there is one after the `number`-th already."""
        with self._lock:
            if self._since(number, subtask_id):
                return None
            made: Bell = Future()
            self._bells[made] = subtask_id
            return made

    def ring(self, bells: Iterable[Bell]) -> None:
        """Wake those who wait at `bells` although there is nothing new."""
        with self._lock:
            told = [bell for bell in bells if self._bells.pop(bell, None) is not None]
        _ring(told)

    def _since(self, number: int, subtask_id: str) -> News:
        return News(one for one, _, _ in self._kept if one.number > number and one.subtask_id != subtask_id)


class Reader:
    """One attempt's view of the board, which has seen nothing yet."""

    def __init__(self, board: Discoveries, subtask_id: str, clock: Clock) -> None:
        self._board, self._subtask_id, self._clock = board, subtask_id, clock
        self._seen = 0
        self._is_closed = False
        self._bells: dict[Bell, None] = {}

    def all(self) -> News:
        """Return everything that others have discovered and that still stands on the board."""
        return self._board.since(0, subtask_id=self._subtask_id)

    async def news(self, wait_s: float, *, deadline: float | None) -> News:
        """Return what is new since the last time, waiting up to `wait_s` for something.

        Raises:
            InputError: `wait_s` is no number of seconds from 0.
        """
        left_s = self._patience(wait_s, deadline)
        if (bell := self._bell(left_s)) is not None:
            try:
                await asyncio.wait_for(wait(bell), left_s)
            except TimeoutError:
                return self._take()  # nobody found anything meanwhile
            finally:
                self._forget(bell)
        return self._take()

    def news_blocking(self, wait_s: float, *, deadline: float | None) -> News:
        """Do as `news` does, in a plain thread."""
        left_s = self._patience(wait_s, deadline)
        if (bell := self._bell(left_s)) is not None:
            try:
                bell.result(left_s)
            except TimeoutError:
                return self._take()
            finally:
                self._forget(bell)
        return self._take()

    def close(self) -> None:
        """Wake who waits, and let nobody wait any more: the attempt is over."""
        self._is_closed = True
        self._board.ring(tuple(self._bells))

    def _take(self) -> News:
        found = self._board.since(self._seen, subtask_id=self._subtask_id)
        if found:
            self._seen = found[-1].number
        return found

    def _bell(self, left_s: float) -> Bell | None:
        """Return what rings at the next discovery; `None` where there is nothing to wait for."""
        bell = self._board.bell(self._seen, subtask_id=self._subtask_id) if left_s > 0 else None
        if bell is not None:
            self._bells[bell] = None
            if self._is_closed:  # perhaps before it could be rung
                self._board.ring((bell,))
        return bell

    def _forget(self, bell: Bell) -> None:
        self._bells.pop(bell, None)
        self._board.ring((bell,))

    def _patience(self, wait_s: float, deadline: float | None) -> float:
        if not is_number(wait_s) or not 0 <= wait_s <= MOST_WAIT_S:
            raise InputError(field="sync.wait_s", value=wait_s, rule=f"must be seconds from 0 to {MOST_WAIT_S:,.0f}")
        left_s = math.inf if deadline is None else deadline - self._clock.monotonic()
        return min(float(wait_s), max(0.0, left_s))


def _ring(bells: Iterable[Bell]) -> None:
    for bell in bells:
        bell.set_result(None)  # once: whoever takes it off the board rings it
