"""An event loop with time of its own, which jumps to the next timer when nothing else can happen.

Everything happens in one order that depends on nothing but the program: callbacks in the order they were asked for,
timers by time and then by the order they were set, threads in the order they were handed in. There is no I/O: no
selector, no socket, no signal, no child process.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from asyncio import BaseEventLoop, Handle, TimerHandle
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from typing import Any
from weakref import ref

from concertino.evals.virtual.stalled import Stalled, tasks_waiting
from concertino.evals.virtual.workers import Workers

LULL_S = 60.0
"""Virtual seconds for which the background may go on alone before the loop counts as stalled; chosen by hand."""
LEAST_PRUNED = 64
"""Ended tasks are forgotten once this many are listed; chosen by hand."""

_Timers = list[tuple[float, int, TimerHandle]]


class VirtualLoop(BaseEventLoop):
    """Runs coroutines, timers and plain functions in virtual time. Of its threads exactly one runs at any moment."""

    _ready: deque[Handle]
    _stopping: bool

    def __init__(self, *, start: float = 0.0) -> None:
        """Begin at `start` seconds."""
        super().__init__()
        self._now = start
        self.epoch = 0.0
        """Wall time, in seconds since 1970-01-01 UTC, at which the loop stands at 0; `VirtualClock` sets it."""
        self._numbers = itertools.count()
        self._timers: _Timers = []
        self._background: _Timers = []
        """Timers of what nobody waits for: they fire as time passes, but are no reason to go on."""
        self._lull_since: float | None = None
        self._tasks: list[ref[asyncio.Task[Any]]] = []
        self._pruned_at = LEAST_PRUNED
        self.workers = Workers(self)
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        return self._now

    @property
    def loop(self) -> VirtualLoop:
        """This loop: it keeps the threads of what it runs."""
        return self

    def submit(self, job: Callable[[], None]) -> None:
        """Do `job` in a thread of this loop's; see `Workers.submit`."""
        self.workers.submit(job)

    def is_here(self) -> bool:
        """Say whether this thread may let time pass: the loop's own, or any while it does not run."""
        return getattr(self, "_thread_id", None) in (None, threading.get_ident())

    def skip(self, seconds: float) -> None:
        """Let time pass at once, as a callback does that blocks the loop."""
        self._now += seconds

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that have not ended, in order of creation."""
        found = (one() for one in self._tasks)
        return [task for task in found if task is not None and not task.done()]

    # What asyncio asks of a loop.

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        handle = Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        handle = TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def call_in_background(self, delay: float, callback: Callable[..., Any], *args: Any) -> TimerHandle:
        """Like `call_later`, for what is no reason to go on when nothing else is left."""
        handle = TimerHandle(self._now + delay, callback, args, self, Context())
        heapq.heappush(self._background, (handle.when(), next(self._numbers), handle))
        return handle

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run a plain function in a thread of the loop's own, whatever executor was asked for."""
        call: Future[Any] = Future()
        self.workers.submit(lambda: _perform(call, func, args))
        return asyncio.wrap_future(call, loop=self)

    def close(self) -> None:
        if not self.is_closed():
            self.workers.close()
            super().close()
            self._timers.clear()
            self._background.clear()

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """Cancelled timers are dropped when their time comes."""

    def _write_to_self(self) -> None:
        """Nothing sleeps, so nobody has to be woken."""

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _run_once(self) -> None:
        if self.workers.runnable:
            self.workers.run()
        ready = self._ready
        if not ready and not self._stopping:
            self._jump()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # pyright: ignore[reportAttributeAccessIssue]
                handle._run()

    def _jump(self) -> None:
        """Go on to the next timer and put all that are due then among what is ready.

        Raises:
            Stalled: there is none.
        """
        timer = _head(self._timers)
        beat = _head(self._background)
        if timer is not None:
            self._lull_since = None
        elif beat is not None:
            if self._lull_since is None:
                self._lull_since = self._now
            elif self._now - self._lull_since > LULL_S:
                beat = None
        if timer is None and beat is None:
            raise Stalled(at=self._now, waiting=[*tasks_waiting(self.tasks()), *self.workers.waiting()])
        self._now = max(self._now, min(one[0] for one in (timer, beat) if one is not None))
        due = [*_due(self._timers, self._now), *_due(self._background, self._now)]
        self._ready.extend(handle for _, _, handle in sorted(due, key=_order))

    def _new_task(self, _: asyncio.AbstractEventLoop, coro: Any, **given: Any) -> asyncio.Task[Any]:
        task = _Task(coro, loop=self, number=next(self._numbers), **given)
        self._tasks.append(ref(task))
        if len(self._tasks) > self._pruned_at:
            self._tasks = [one for one in self._tasks if (found := one()) is not None and not found.done()]
            self._pruned_at = max(LEAST_PRUNED, 2 * len(self._tasks))
        return task


class _Task(asyncio.Task[Any]):
    """A task with a hash of its own, or the order of `asyncio.wait`'s sets would follow memory addresses."""

    def __init__(self, coro: Any, *, number: int, **given: Any) -> None:
        self._number = number
        super().__init__(coro, **given)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


def _head(timers: _Timers) -> tuple[float, int, TimerHandle] | None:
    while timers and timers[0][2].cancelled():
        heapq.heappop(timers)
    return timers[0] if timers else None


def _due(timers: _Timers, now: float) -> _Timers:
    due: _Timers = []
    while timers and timers[0][0] <= now:
        due.append(heapq.heappop(timers))
    return due


def _order(timer: tuple[float, int, TimerHandle]) -> tuple[float, int]:
    return timer[0], timer[1]


def _perform(call: Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if not call.set_running_or_notify_cancel():
        return
    try:
        result = func(*args)
    except BaseException as error:  # noqa: BLE001  # the future carries it, as in the standard library's pool
        call.set_exception(error)
    else:
        call.set_result(result)
