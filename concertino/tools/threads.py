"""Plain functions in daemon threads, where a call that never returns can be given up.

The standard library's pool joins its threads at interpreter exit, so one blocked call keeps the process alive.
These threads are never joined: the process ends promptly whatever they do.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")

IDLE_S = 30.0
"""Seconds after which a thread without work ends; chosen by hand."""


class Abandoned(RuntimeError):
    """The call was given up while it ran; what it still does or returns is nobody's concern."""


class Stray(RuntimeError):
    """A function raised something that would be mistaken for control flow; it is `__cause__`.

    `StopIteration` cannot be put on an asyncio future at all (its awaiter would hang), and a `CancelledError` of the
    function's own would look like the caller's cancellation.
    """


class Call(futures.Future[T], Generic[T]):
    """A function at work in a thread. Its own fields belong to `Threads`, under its lock."""

    def __init__(self, run: Callable[[], T]) -> None:
        super().__init__()
        self.work: Callable[[], T] | None = run
        self.given_up = False
        self.ended = False
        self.on_end: list[Callable[[], None]] = []


class Host(Protocol):
    """An event loop that keeps the threads of everything it runs, so that it knows when they work and when they wait."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop; whatever would run on a background loop runs here."""
        ...

    def submit(self, job: Callable[[], None]) -> None:
        """Do `job`, which does not raise, in a thread."""
        ...

    def call_in_background(self, delay: float, callback: Callable[[], object]) -> object:
        """Call back after `delay` seconds if there is anything else to go on for."""
        ...


class _Here(threading.local):
    host: Host | None = None


_here = _Here()


def host() -> Host | None:
    """Return whose thread this is."""
    return _here.host


@contextmanager
def hosted(by: Host) -> Iterator[None]:
    """Let `by` keep the threads that are started from this one."""
    before, _here.host = _here.host, by
    try:
        yield
    finally:
        _here.host = before


class _Worker:
    """One thread and its inbox; it takes one call at a time."""

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[Call[Any]] = queue.SimpleQueue()


class Threads:
    """Daemon threads, reused while idle and made anew only while all are busy."""

    def __init__(self, *, name: str = "concertino", idle_s: float = IDLE_S) -> None:
        self._name, self._idle_s = name, idle_s
        self._numbers = itertools.count(1)
        self.forget()

    def forget(self) -> None:
        """Start with no thread; after a fork the parent's threads do not exist."""
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._leaked = 0
        self._alive = 0

    def submit(self, fn: Callable[..., T], /, *args: Any, context: contextvars.Context | None = None) -> Call[T]:
        """Start `fn(*args)` at once in a thread of its own and return its future.

        It runs inside `context`, or inside a copy of the caller's. Whatever it raises, `SystemExit` and
        `KeyboardInterrupt` included, becomes the future's exception; `StopIteration` and `CancelledError` as `Stray`.
        """
        ctx = contextvars.copy_context() if context is None else context
        call: Call[T] = Call(lambda: ctx.run(fn, *args))
        if (host := _here.host) is not None:
            host.submit(lambda: _perform(call, self._account))
            return call
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is None:
                self._alive += 1
        if worker is not None:
            worker.inbox.put(call)
            return call
        worker = _Worker()
        worker.inbox.put(call)
        try:
            threading.Thread(
                target=self._work, args=(worker,), name=f"{self._name}-{next(self._numbers)}", daemon=True
            ).start()
        except BaseException:
            with self._lock:
                self._alive -= 1
            raise
        return call

    def abandon(self, call: futures.Future[Any], *, on_end: Callable[[], None] | None = None) -> bool:
        """Give a call up and say whether it still runs.

        If it does, its future fails with `Abandoned` now, its own result is dropped, it counts as leaked until it
        really ends, and then `on_end` is called in its thread. If it had ended or never began, `on_end` is not called.
        """
        if not isinstance(call, Call):
            raise TypeError(f"not a call of this module: {type(call).__name__}")
        if call.cancel():
            return False
        with self._lock:
            if call.ended:
                return False
            if on_end is not None:
                call.on_end.append(on_end)
            if call.given_up:
                return True
            call.given_up = True
            self._leaked += 1
        call.set_exception(Abandoned("given up while it ran"))
        return True

    def leaked(self) -> int:
        """Return how many abandoned calls have not ended yet."""
        with self._lock:
            return self._leaked

    def alive(self) -> int:
        """Return how many threads there are, busy and idle."""
        with self._lock:
            return self._alive

    def _work(self, worker: _Worker) -> None:
        try:
            while (call := self._next(worker)) is not None:
                _perform(call, self._account)
                del call  # an idle thread must not keep a result alive
                with self._lock:
                    self._idle.append(worker)
        finally:
            with self._lock:
                self._alive -= 1

    def _next(self, worker: _Worker) -> Call[Any] | None:
        try:
            return worker.inbox.get(timeout=self._idle_s)
        except queue.Empty:
            with self._lock:
                if worker in self._idle:
                    self._idle.remove(worker)
                    return None
        # Somebody took this worker off the idle list in the meantime: a call is on its way.
        return worker.inbox.get()

    def _account(self, call: Call[Any]) -> bool:
        """Note that `call` has ended and say whether it was given up before."""
        with self._lock:
            call.ended = True
            self._leaked -= call.given_up
            return call.given_up


def _perform(call: Call[Any], account: Callable[[Call[Any]], bool]) -> None:
    run, call.work = call.work, None
    if run is None or not call.set_running_or_notify_cancel():
        return
    result: Any = None
    failure: BaseException | None = None
    try:
        result = run()
    except (StopIteration, asyncio.CancelledError, futures.CancelledError) as error:
        failure = Stray(f"the function raised {type(error).__name__}")
        failure.__cause__ = error
    except BaseException as error:  # noqa: BLE001  # the thread outlives every call; the future carries the error
        failure = error
    if account(call):
        for callback in call.on_end:
            callback()
    elif failure is not None:
        call.set_exception(failure)
    else:
        call.set_result(result)


_threads = Threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.forget)

submit = _threads.submit
abandon = _threads.abandon
leaked = _threads.leaked


def beat(look: Callable[[], float], *, over: threading.Event, name: str) -> None:
    """Call `look` now and after as many seconds as it returns each time, until `over` is set, in a daemon thread of its own.

    Where a loop keeps the threads, it is called on that loop, and must find everything done that it would wait for.
    """
    if (by := _here.host) is not None:
        by.loop.call_soon(_look, by, look, over, context=contextvars.Context())
    else:
        threading.Thread(target=_beat, args=(look, over), name=name, daemon=True).start()


def _beat(look: Callable[[], float], over: threading.Event) -> None:
    while not over.wait(look()):
        pass


def _look(by: Host, look: Callable[[], float], over: threading.Event) -> None:
    if not over.is_set():
        by.call_in_background(look(), lambda: _look(by, look, over))


async def run(fn: Callable[..., T], /, *args: Any, context: contextvars.Context | None = None) -> T:
    """Await `fn(*args)` in a thread; when the awaiting coroutine is cancelled, the call is abandoned."""
    call = submit(fn, *args, context=context)
    try:
        return await asyncio.wrap_future(call)
    except asyncio.CancelledError:
        abandon(call)
        raise
