"""Pools of threads that can be let go of, for which there is no public way.

`asyncio.run` joins the threads of the loop's default pool before it returns, and the interpreter those of every pool before it
exits. So threads that pools start for an attempt are daemons (which are joined all the same, and finish what is queued), and
those that are let go of are taken out of what their pool and `concurrent.futures` join.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent import futures
from concurrent.futures import thread
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

_BEGINNINGS = ("_initializer", "_initargs", "_create_worker_context", "_resolve_work_item_task")
"""What a pool's threads begin with, up to Python 3.13 and from then on."""
_own: WeakKeyDictionary[futures.ThreadPoolExecutor, futures.ThreadPoolExecutor] = WeakKeyDictionary()


def for_attempts(pool: futures.ThreadPoolExecutor) -> futures.ThreadPoolExecutor:
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
        return cast("futures.Executor | None", getattr(loop, "_default_executor", None))
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


_joined: Any = thread._threads_queues  # pyright: ignore[reportPrivateUsage]  # what the interpreter joins has no public name


def let_go(worker: threading.Thread, pool: futures.ThreadPoolExecutor) -> None:
    """Wait for a thread no more, at the pool's end and at the interpreter's."""
    kept: Any = pool
    with kept._shutdown_lock:  # another set: somebody may be joining those of the old one
        places = set() if isinstance(pool, _StandIn) else {_Place(worker)}
        kept._threads = (kept._threads - {worker}) | places
    _joined.pop(worker, None)


def take_back(worker: threading.Thread, pool: futures.ThreadPoolExecutor) -> None:
    """Wait for a thread again, whether it was let go of or not."""
    kept: Any = pool
    with kept._shutdown_lock:
        kept._threads = (kept._threads - {_Place(worker)}) | {worker}
    _joined[worker] = kept._work_queue
