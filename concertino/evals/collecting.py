"""Collecting garbage rarely while many small runs are made one after another.

A run leaves some hundred objects that refer to each other, and the outcomes that are kept make every full pass dearer than
the one before: at 200 cases the collector took as long as the runs. What was there before is not looked at meanwhile.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 100_000
"""Objects made and not dropped between two young passes, about those of 50 runs; the interpreter's own number is 700."""
RARELY = 1_000
"""Passes of the middle generation between two full ones; the interpreter's own number is 10."""


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Let the collector pass rarely in this block, in the whole process; its settings come back afterwards."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG, before[1], RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
