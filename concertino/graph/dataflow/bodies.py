"""Starting and stopping what a specialist is made of: coroutine, function, child process, Runnable, compiled graph.

Whatever a body raises comes back as data (`Raised`), so that neither SystemExit nor StopIteration can reach an event
loop. A coroutine runs on its caller's loop, or on `background.working()` when the caller is synchronous; blocking code runs
in daemon threads; all of them in a copy of the caller's context, so that callbacks, traces and stream writers work.

A coroutine that blocks its loop holds up every other coroutine there. On `working()` the run itself goes on and gives
control back in time, but siblings that share the loop may miss their deadlines; on the caller's own loop nobody can give
control back before it does. An answer after its deadline counts for nothing. Code that blocks belongs in a plain function.
"""

from __future__ import annotations

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from concertino.journal.awaiting import post
from concertino.tools import exits, threads
from concertino.tools.background import working

GRACE_S = 0.01
"""Seconds a stopped coroutine gets to end before it counts as leaked; chosen by hand."""


@dataclass(frozen=True, slots=True)
class Raised:
    """What a body raised instead of answering."""

    error: BaseException


class Work(ABC):
    """A body that was started on behalf of the loop that conducts its run. Everything but `cancel` is that loop's own."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.woken: asyncio.Future[str | None] = self.loop.create_future()
        """Resolves when the body ends, to `None`, or when `halt` is called, to its reason; never fails."""
        self.is_over = False
        self.outcome: Any = None
        """The raw answer or `Raised`, once the body is over."""

    def halt(self, reason: str | None = None) -> None:
        """Wake who waits for the body although it goes on."""
        if not self.woken.done():
            self.woken.set_result(reason)

    def end(self, outcome: Any) -> None:
        """Take in what the body came to, once."""
        self.is_over, self.outcome = True, outcome
        self.halt()

    @abstractmethod
    async def stop(self, on_end: Callable[[], None]) -> bool:
        """Stop the body; True if it still runs (leaked), and then `on_end` is called, anywhere, when it ends."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask the body to stop and do not wait."""


class CoroutineWork(Work):
    """A coroutine function on the caller's loop, or on the working loop for a synchronous caller."""

    def __init__(self, body: Callable[[], Coroutine[Any, Any, Any]], *, is_sync: bool) -> None:
        super().__init__()
        self._body = body
        self._task: asyncio.Task[None] | None = None
        self._on_end: Callable[[], None] | None = None
        context = contextvars.copy_context()
        exits.mark(context)
        self._elsewhere = working().loop if is_sync else None
        if self._elsewhere is None:
            self._begin(self.loop, context)
        else:
            post(self._elsewhere, partial(self._begin, self._elsewhere, context))

    async def stop(self, on_end: Callable[[], None]) -> bool:
        ended: asyncio.Future[None] = self.loop.create_future()
        self._on_end = partial(ended.set_result, None)
        self.cancel()
        if not self.is_over:
            await asyncio.wait({ended}, timeout=GRACE_S)
        if self.is_over:
            return False
        self._on_end = on_end
        _leaked.add(self)
        if self._elsewhere is None and self._task is not None:
            # Else `asyncio.run` would wait at its end for a task that swallows its cancellation.
            asyncio._unregister_task(self._task)
            self._task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        return True

    def cancel(self) -> None:
        if self._elsewhere is None:
            self._cancel()
        else:
            post(self._elsewhere, self._cancel)

    def end(self, outcome: Any) -> None:
        if self.is_over:
            return
        super().end(outcome)
        _leaked.discard(self)
        if self._on_end is not None:
            self._on_end()

    def _begin(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> None:
        exits.hold(loop)
        self._task = loop.create_task(self._run(), context=context)

    def _cancel(self) -> None:
        if self._task is not None:
            # One that is cancelled before its first step never runs.
            self._task.add_done_callback(lambda _: self._tell(Raised(asyncio.CancelledError())))
            self._task.cancel()

    async def _run(self) -> None:
        try:
            outcome = await self._body()
        except BaseException as error:  # noqa: BLE001 - a specialist's failure is data, SystemExit included
            outcome = Raised(exits.cause_of(error))
        self._tell(outcome)

    def _tell(self, outcome: Any) -> None:
        if self._elsewhere is None:
            self.end(outcome)
        else:
            post(self.loop, partial(self.end, outcome))


_leaked: set[CoroutineWork] = set()
"""A loop alone would not keep their tasks alive."""


class ThreadWork(Work):
    """Blocking code in a daemon thread; it cannot be stopped, only given up."""

    def __init__(self, body: Callable[[], Any]) -> None:
        super().__init__()
        self._call = threads.submit(body, context=contextvars.copy_context())
        self._call.add_done_callback(lambda call: post(self.loop, partial(self._take, call)))

    async def stop(self, on_end: Callable[[], None]) -> bool:
        return threads.abandon(self._call, on_end=on_end)

    def cancel(self) -> None:
        threads.abandon(self._call)

    def _take(self, call: Future[Any]) -> None:
        if call.cancelled():
            self.end(Raised(asyncio.CancelledError()))
        else:
            error = call.exception()
            self.end(call.result() if error is None else Raised(error))


async def finish(work: Work, *, timeout_s: float | None) -> Any:
    """Wait for work and return what it brought; work that is too slow is stopped and gives `Raised`."""
    try:
        await asyncio.wait({work.woken}, timeout=timeout_s)
    except asyncio.CancelledError:
        work.cancel()
        raise
    if work.is_over:
        return work.outcome
    await work.stop(lambda: None)
    return Raised(TimeoutError(f"no answer within {timeout_s:g} s"))
