"""Putting off the garbage collector's passes while very many subtasks start together.

Every instance that waits or runs keeps some hundred objects alive, most of them LangGraph's. At 1,000 the interpreter
made three full passes over everything in the process on the way up, and found nothing: 0.3 s of 0.75 s; and 350 passes over
young objects, a tenth of what was left. Those come at every `YOUNG` objects instead; the full pass that was put off comes
after at most `LONGEST_S`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from concertino.tools.collector import Slower

MANY = 100
"""Subtasks in a dispatch from which it is worth it: below, no full pass falls due."""
LONGEST_S = 1.0
"""Seconds after which full passes are allowed again, whatever still runs; chosen by hand."""
YOUNG = 20_000
"""Objects made and not dropped between two passes over young ones, some 10 MB; the interpreter's own number is 700."""
RARELY = 1_000_000
"""Collections of the middle generation between two full ones; the interpreter's own number is 10."""

_lock = threading.Lock()
_holders = 0
_began = _rests_until = 0.0
"""When this quiet began, and until when there is none, on the system's monotonic clock: the collector knows no other."""


class Lull:
    """One dispatch's wish for quiet.

    Where dispatches follow each other without a gap, full passes are allowed for as long as they were put off.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._pace = Slower(young=YOUNG, full=RARELY) if _hold(now()) else None
        self._timer = loop.call_later(LONGEST_S, self.end)

    def end(self) -> None:
        """Allow full passes again. Idempotent; on the loop's thread."""
        self._timer.cancel()
        if self._pace is not None:
            self._pace.end()
            self._pace = None
            _release(self._now())


def _hold(now: float) -> bool:
    """Say whether passes may be put off, and count who does it."""
    global _holders, _began  # the collector is one for the whole process
    with _lock:
        if now < _rests_until or (_holders and now - _began >= LONGEST_S):
            return False
        _holders += 1
        if _holders == 1:
            _began = now
        return True


def _release(now: float) -> None:
    global _holders, _rests_until  # as above
    with _lock:
        _holders -= 1
        if not _holders and now - _began >= LONGEST_S:
            _rests_until = now + now - _began
