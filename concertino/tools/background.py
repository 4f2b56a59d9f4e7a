"""Event loops in daemon threads, for callers that have none.

A run entered through `invoke` is conducted on `conducting()`; its coroutine specialists and async tools run on
`working()`, so that one which blocks cannot hold up the run's own bookkeeping. Both live as long as the process, so
clients that belong to a loop keep working from call to call, and neither thread is joined at exit.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from concertino.journal.awaiting import post
from concertino.tools.threads import Host, host

T = TypeVar("T")

SIGNAL_S = 0.1
"""Seconds after which the main thread heeds a signal at the latest while it waits; chosen by hand."""
LEAVE_S = 5.0
"""Seconds that interrupted work has to end in, as a run does that gives its lease back; chosen by hand."""


class BackgroundLoop:
    """One event loop in a daemon thread, started at first use and again in a forked child."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._tasks: dict[Future[Any], asyncio.Task[Any]] = {}

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name=f"concertino-{self._name}", daemon=True).start()
                self._loop, self._pid = loop, os.getpid()
            return self._loop

    def submit(self, work: Coroutine[Any, Any, T], *, context: contextvars.Context | None = None) -> Future[T]:
        """Run `work` on the loop, in `context` or a copy of the caller's; `cancel` stops it."""
        loop = self.loop
        done: Future[T] = Future()
        within = context or contextvars.copy_context()

        def start() -> None:
            task = loop.create_task(work, context=within)
            self._tasks[done] = task
            task.add_done_callback(finish)

        def finish(task: asyncio.Task[T]) -> None:
            self._tasks.pop(done, None)
            if task.cancelled():
                done.set_exception(asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(task.result())

        post(loop, start)
        return done

    def cancel(self, done: Future[Any]) -> None:
        """Cancel what `submit` returned `done` for; harmless when it has ended. `done` follows once it really ends."""

        def stop() -> None:
            task = self._tasks.get(done)
            if task is not None:
                task.cancel()

        post(self.loop, stop)

    def run(self, work: Coroutine[Any, Any, T], *, context: contextvars.Context | None = None) -> T:
        """Run `work` on the loop and block for its result; an interrupt of the caller cancels it and waits for its end."""
        future = self.submit(work, context=context)
        try:
            if threading.current_thread() is threading.main_thread():
                # A signal that arrives just before a wait without end is not heeded until the wait is over (CPython).
                while not future.done():
                    wait((future,), timeout=SIGNAL_S)
            return future.result()
        except BaseException:
            self.cancel(future)
            wait((future,), timeout=LEAVE_S)
            raise


class _HostedLoop(BackgroundLoop):
    """The one loop of a host, which cannot be blocked from within."""

    def __init__(self, by: Host) -> None:
        super().__init__("hosted")
        self._host = by

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._host.loop

    def run(self, work: Coroutine[Any, Any, T], *, context: contextvars.Context | None = None) -> T:
        if asyncio._get_running_loop() is self.loop:
            work.close()
            raise RuntimeError(
                "a call that blocks cannot be made on the loop that has to serve it; await its async twin"
            )
        return super().run(work, context=context)


_conducting = BackgroundLoop("conducting")
_working = BackgroundLoop("working")
_of_hosts: WeakKeyDictionary[Host, BackgroundLoop] = WeakKeyDictionary()


def conducting() -> BackgroundLoop:
    """Return the loop on which synchronous callers' runs are conducted."""
    return _hosted() or _conducting


def working() -> BackgroundLoop:
    """Return the loop on which synchronous callers' coroutine specialists and async tools run."""
    return _hosted() or _working


def _hosted() -> BackgroundLoop | None:
    by = host()
    if by is None:
        return None
    found = _of_hosts.get(by)
    if found is None:
        found = _of_hosts.setdefault(by, _HostedLoop(by))
    return found
