"""The pace of the garbage collector, which is one for the whole process: who asks for a slower one has it while he holds on.

Several may hold at once, in any threads, and end in any order: the slowest counts, and the host's own setting comes back with
the last. What the host sets in the meantime stands. One that has switched the collector off keeps it so.
"""

from __future__ import annotations

import gc
import threading

Thresholds = tuple[int, int, int]

_lock = threading.RLock()
"""Re-entrant: a pass may end a wish that nobody holds while another is being made."""
_wanted: dict[int, tuple[int, int]] = {}
_host: Thresholds = gc.get_threshold()
_ours: Thresholds | None = None


class Slower:
    """One wish for fewer passes; ended by `end`, or with the object."""

    def __init__(self, *, young: int, full: int) -> None:
        """Hold from now on.

        Args:
            young: Objects made and not dropped between two passes over young ones; the interpreter's own number is 700.
            full: Passes of the middle generation between two full ones; the interpreter's own number is 10.
        """
        global _host  # the collector is one for the whole process
        with _lock:
            if gc.get_threshold() != _ours:
                _host = gc.get_threshold()
            _wanted[id(self)] = young, full
            _set()

    def end(self) -> None:
        """Let go. Idempotent; from any thread."""
        with _lock:
            if _wanted.pop(id(self), None) is not None and gc.get_threshold() == _ours:
                _set()

    def __del__(self) -> None:
        self.end()


def _set() -> None:
    global _ours  # as above
    young, middle, full = _host
    wanted = [*_wanted.values()]
    _ours = (
        max(young, *(one for one, _ in wanted)) if young and wanted else young,
        middle,
        max(full, *(one for _, one in wanted)) if wanted else full,
    )
    gc.set_threshold(*_ours)
    if not wanted:
        _ours = None
