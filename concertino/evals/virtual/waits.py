"""Waiting in virtual time, for the threads of virtual loops and nobody else: `threading.Condition.wait` and `time.sleep`.

Everything in the standard library that waits for another thread and does not do so in C stands on it: events,
semaphores, barriers, `queue.Queue`, `concurrent.futures`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from concertino.evals.virtual.times import put_in, take_out
from concertino.evals.virtual.workers import current_worker

_real_wait = threading.Condition.wait
_gate = threading.Lock()
_users = 0


class _Bell:
    """Stands in for the lock by which a condition wakes one that waits."""

    __slots__ = ("release",)

    def __init__(self, release: Callable[[], None]) -> None:
        self.release = release


@contextmanager
def waiting_virtually() -> Iterator[None]:
    """Make the threads of virtual loops wait, sleep and read clocks in virtual time meanwhile."""
    global _users
    with _gate:
        _users += 1
        if _users == 1:
            threading.Condition.wait = _wait  # type: ignore[method-assign, assignment]
            put_in()
    try:
        yield
    finally:
        with _gate:
            _users -= 1
            if _users == 0:
                threading.Condition.wait = _real_wait  # type: ignore[method-assign]
                take_out()


def _wait(condition: Any, timeout: float | None = None) -> bool:
    worker = current_worker()
    if worker is None or (timeout is not None and timeout <= 0):
        return _real_wait(condition, timeout)
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    bell = _Bell(worker.listen())
    condition._waiters.append(bell)
    saved = condition._release_save()
    is_told = False
    try:
        is_told = worker.park(timeout)
    finally:
        condition._acquire_restore(saved)
        if not is_told and bell in condition._waiters:
            condition._waiters.remove(bell)
    return is_told
