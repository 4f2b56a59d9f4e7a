"""The threads in which work of one attempt may go on after the attempt: its own code's calls in pools, and tools given up.

One blocked call, by `asyncio.to_thread` or in a Runnable made of a plain function, would keep the caller long after its
deadline. So those that work for an attempt that was given up are counted, and taken out of what their pool and the
interpreter wait for (`pools`), until that work ends: what they do next may be anybody's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from concertino.tools import pools, threads


class Remains:
    """Counts what goes on after something was stopped, and tells once when the last of it has ended. Safe in threads."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._on_end, self._left, self._is_awaited = on_end, 0, False

    def one(self) -> Callable[[], None]:
        """Count one more; call what this returns when it ends."""
        with self._lock:
            self._left += 1
        return self._ended

    def any(self) -> bool:
        """Say whether anything is left, once all are counted; only if so is the end told."""
        with self._lock:
            self._is_awaited = self._left > 0
            return self._is_awaited

    def _ended(self) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._is_awaited and self._left == 0
            if is_last:
                self._is_awaited = False  # what is counted later, by a body that goes on, was not waited for
        if is_last:
            self._on_end()


class Crew:
    """Whoever works for one attempt in threads that cannot be stopped. Safe in threads.

    Args:
        outer: That of the attempt whose own planner makes this one; it counts and lets go of the same threads.
    """

    def __init__(self, *, outer: Crew | None = None) -> None:
        self._lock = threading.Lock()
        self._outer = outer
        self._at_work: dict[threading.Thread, futures.ThreadPoolExecutor] = {}
        """Threads of pools, in a call of the attempt's."""
        self._strays: dict[futures.Future[Any], None] = {}
        """Calls in threads of our own that were given up and go on."""
        self._waiting: dict[object, list[Callable[[], None]]] = {}
        self._remains: Remains | None = None
        """What counts those who go on, once the attempt was given up."""

    @property
    def strays(self) -> int:
        """How many calls were given up and go on."""
        return len(self._strays)

    def hired(self, pool: futures.ThreadPoolExecutor, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return what a pool is to call for the attempt.

        What is still queued when the attempt is given up is not called; what its last steps hand in then is, unwaited for.
        """
        is_late = self._remains is not None

        def hired(*args: Any, **kwargs: Any) -> Any:
            here = threading.current_thread()
            with self._lock:
                if self._remains is not None and not is_late:
                    raise threads.Abandoned("given up before it began")
                is_nested = here in self._at_work
                if not is_nested:
                    self._at_work[here] = pool
                    if is_late:
                        pools.let_go(here, pool)
            try:
                return call(*args, **kwargs)
            finally:
                if not is_nested:
                    self._ended(self._at_work, here)
                    if self._remains is not None:
                        pools.take_back(here, pool)

        return hired if self._outer is None else self._outer.hired(pool, hired)

    def abandon(self, call: futures.Future[Any]) -> None:
        """Give up a call in a thread of our own, and count it while it goes on."""
        with self._lock:
            self._strays[call] = None
            if self._remains is not None:  # by a body that was given up itself and goes on
                self._waiting[call] = [self._remains.one()]
        if not threads.abandon(call, on_end=partial(self._ended, self._strays, call)):
            self._ended(self._strays, call)

    def give_up(self, remains: Remains) -> None:
        """Wait for nobody any more, and count whoever still works for the attempt."""
        with self._lock:
            self._remains = remains
            self._count(self._at_work, remains)
            for thread, pool in self._at_work.items():
                pools.let_go(thread, pool)
        self.count_strays(remains)

    def count_strays(self, remains: Remains) -> None:
        """Count the calls that were given up and go on."""
        with self._lock:
            self._count(self._strays, remains)

    def _count(self, among: dict[Any, Any], remains: Remains) -> None:
        for one in among:
            self._waiting.setdefault(one, []).append(remains.one())

    def _ended(self, among: dict[Any, Any], one: object) -> None:
        with self._lock:
            among.pop(one, None)
            told = self._waiting.pop(one, ())
        for tell in told:
            tell()


CREW: ContextVar[Crew | None] = ContextVar("concertino_crew", default=None)
"""Whose work is done here."""


@contextmanager
def working_for(crew: Crew) -> Iterator[None]:
    """Count what is started in the block, and copies its context, as work of `crew`."""
    token = CREW.set(crew)
    try:
        yield
    finally:
        CREW.reset(token)


def abandon(call: futures.Future[Any]) -> None:
    """Give up a call in a thread of our own, on behalf of whoever's work is done here."""
    crew = CREW.get()
    if crew is None:
        threads.abandon(call)
    else:
        crew.abandon(call)
