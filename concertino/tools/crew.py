"""The threads in which work of one attempt may go on after the attempt: its own code's calls in pools, and tools given up.

`asyncio.run` joins the threads of the loop's default pool before it returns, and the interpreter those of every pool before it
exits: one blocked call, by `asyncio.to_thread` or in a Runnable made of a plain function, would keep the caller long after
its deadline. A pool has no public way to let go of a thread. So threads that pools start for an attempt are daemons (which
are joined all the same, and finish what is queued), and those that work for an attempt that was given up are taken out of
what their pool and `concurrent.futures` join, until that work ends: what they do next may be anybody's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import thread as pools
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from concertino.tools import threads


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
                        _let_go(here, pool)
            try:
                return call(*args, **kwargs)
            finally:
                if not is_nested:
                    self._ended(self._at_work, here)
                    if self._remains is not None:
                        _take_back(here, pool)

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
                _let_go(thread, pool)
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


_BEGINNINGS = ("_initializer", "_initargs", "_create_worker_context", "_resolve_work_item_task")
"""What a pool's threads begin with, up to Python 3.13 and from then on."""
_own: WeakKeyDictionary[futures.ThreadPoolExecutor, futures.ThreadPoolExecutor] = WeakKeyDictionary()


def pool_for(pool: futures.ThreadPoolExecutor) -> futures.ThreadPoolExecutor:
    """Return the pool that attempts use for `pool`: one like it where it is a loop's default, which has threads of others.

    Those are no daemons, and cannot be let go of.
    """
    if _asking.is_on:
        raise _Asked(pool)
    loop = asyncio._get_running_loop()
    if loop is None or pool is not _default_of(loop):
        return pool
    found = _own.get(pool)
    if found is None:
        known: Any = pool
        made = _StandIn(known._max_workers, known._thread_name_prefix)
        vars(made).update({name: value for name, value in vars(known).items() if name in _BEGINNINGS})
        found = _own.setdefault(pool, made)
    return found


class _Asking(threading.local):
    is_on: bool = False
    """Whether this thread finds out which pool a loop hands calls to."""


class _Asked(Exception):
    """A loop handed a call to `pool`."""

    def __init__(self, pool: futures.ThreadPoolExecutor) -> None:
        super().__init__()
        self.pool = pool


_asking = _Asking()


def _default_of(loop: asyncio.AbstractEventLoop) -> futures.Executor | None:
    """Return a loop's default pool. asyncio's own loops tell; others, as uvloop's, show it when they are to use it."""
    if hasattr(loop, "_default_executor"):
        known: futures.Executor | None = loop._default_executor
        return known
    _asking.is_on = True
    try:
        loop.run_in_executor(None, _nothing)
    except _Asked as asked:
        return asked.pool
    except RuntimeError:  # it has none any more
        return None
    finally:
        _asking.is_on = False
    return None


def _nothing() -> None:
    """Do what a pool of another kind may do, which is asked for no threads."""


class _StandIn(futures.ThreadPoolExecutor):
    """In place of a loop's default. Others replace threads that it lets go of: calls that never end would fill it for all later runs."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Keeps a thread's place in its pool, which has no more of them than it may; joined in no time."""

    thread: threading.Thread

    def join(self) -> None:
        """Wait for nobody."""


_joined: Any = pools._threads_queues  # pyright: ignore[reportPrivateUsage]  # what the interpreter joins has no public name


def _let_go(thread: threading.Thread, pool: futures.ThreadPoolExecutor) -> None:
    kept: Any = pool
    with kept._shutdown_lock:  # another set: somebody may be joining those of the old one
        places = set() if isinstance(pool, _StandIn) else {_Place(thread)}
        kept._threads = (kept._threads - {thread}) | places
    _joined.pop(thread, None)


def _take_back(thread: threading.Thread, pool: futures.ThreadPoolExecutor) -> None:
    kept: Any = pool
    with kept._shutdown_lock:
        kept._threads = (kept._threads - {_Place(thread)}) | {thread}
    _joined[thread] = kept._work_queue


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
