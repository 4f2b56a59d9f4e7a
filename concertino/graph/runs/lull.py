"""Putting off the garbage collector's passes while very many subtasks start together.

Every instance that waits or runs keeps some hundred objects alive, most of them LangGraph's. At 1,000 the interpreter
made three full passes over everything in the process on the way up, and found nothing: 0.3 s of 0.75 s; and 350 passes over
young objects, a tenth of what was left. Those come at every `YOUNG` objects instead; the full pass that was put off comes
after at most `LONGEST_S`.
"""

from __future__ import annotations

import asyncio
import gc
import threading

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
_before: tuple[int, int, int] = gc.get_threshold()


class Lull:
    """One dispatch's wish for quiet. The host's own setting comes back with the last of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_over = False
        _hold()
        self._timer = loop.call_later(LONGEST_S, self.end)

    def end(self) -> None:
        """Allow full passes again. Idempotent; on the loop's thread."""
        if not self._is_over:
            self._is_over = True
            self._timer.cancel()
            _release()


def _hold() -> None:
    global _holders, _before  # the collector is one for the whole process
    with _lock:
        _holders += 1
        if _holders == 1:
            _before = gc.get_threshold()
            gc.set_threshold(*_quiet())


def _release() -> None:
    global _holders  # as above
    with _lock:
        _holders -= 1
        # Somebody else's setting in the meantime stands.
        if _holders == 0 and gc.get_threshold() == _quiet():
            gc.set_threshold(*_before)


def _quiet() -> tuple[int, int, int]:
    # A host that has switched the collector off, by 0, keeps it so.
    return max(_before[0], YOUNG) if _before[0] else 0, _before[1], RARELY
