"""Collecting garbage rarely while many small runs are made one after another.

A run leaves some hundred objects that refer to each other, and the outcomes that are kept make every full pass dearer than
the one before: at 200 cases the collector took as long as the runs. What was there before is not looked at meanwhile.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from concertino.tools.collector import Slower

YOUNG = 100_000
"""Objects made and not dropped between two young passes, about those of 50 runs; the interpreter's own number is 700."""
RARELY = 1_000
"""Passes of the middle generation between two full ones; the interpreter's own number is 10."""


_lock = threading.Lock()
_users = 0


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Let the collector pass rarely in this block, in the whole process, and leave out what was there before.

    A host that has frozen objects itself keeps them.
    """
    pace = Slower(young=YOUNG, full=RARELY)
    is_frozen = _freeze()
    try:
        yield
    finally:
        if is_frozen:
            _unfreeze()
        pace.end()


def _freeze() -> bool:
    global _users  # what is frozen is so for the whole process
    with _lock:
        if _users == 0 and gc.get_freeze_count():
            return False
        _users += 1
        if _users == 1:
            gc.freeze()
        return True


def _unfreeze() -> None:
    global _users  # as above
    with _lock:
        _users -= 1
        if _users == 0:
            gc.unfreeze()
