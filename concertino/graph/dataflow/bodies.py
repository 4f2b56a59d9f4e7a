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
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from concertino.journal.awaiting import post
from concertino.tools import threads
from concertino.tools.background import working

GRACE_S = 0.01
"""Seconds a stopped coroutine gets to end before it counts as leaked; chosen by hand."""


@dataclass(frozen=True, slots=True)
class Raised:
    """What a body raised instead of answering."""

    error: BaseException


class Work(Protocol):
    """A body that was started."""

    future: asyncio.Future[Any]
    """Resolves on the conducting loop to the raw answer or `Raised`; never fails."""

    async def stop(self, on_end: Callable[[], None]) -> bool:
        """Stop the body; True if it still runs (leaked), and then `on_end` is called, anywhere, when it ends."""
        ...

    def cancel(self) -> None:
        """Ask the body to stop and do not wait."""
        ...


class CoroutineWork:
    """A coroutine function on the caller's loop, or on the working loop for a synchronous caller."""

    def __init__(self, body: Callable[[], Coroutine[Any, Any, Any]], *, is_sync: bool) -> None:
        context = contextvars.copy_context()

        async def guarded() -> Any:
            try:
                return await body()
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - a specialist's failure is data, SystemExit included
                return Raised(error)

        self._outer: Future[Any] | None = None
        if is_sync:
            self._outer = working().submit(guarded(), context=context)
            self.future = _here(self._outer)
        else:
            self._task = asyncio.get_running_loop().create_task(guarded(), context=context)
            self.future = self._task

    async def stop(self, on_end: Callable[[], None]) -> bool:
        self.cancel()
        await asyncio.wait({self.future}, timeout=GRACE_S)
        if self.future.done():
            return False
        self.future.add_done_callback(lambda _: on_end())
        if self._outer is None:
            # Else `asyncio.run` would wait at its end for a task that swallows its cancellation.
            asyncio._unregister_task(self._task)
            self._task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        return True

    def cancel(self) -> None:
        if self._outer is not None:
            working().cancel(self._outer)
        else:
            self._task.cancel()


class ThreadWork:
    """Blocking code in a daemon thread; it cannot be stopped, only given up."""

    def __init__(self, body: Callable[[], Any]) -> None:
        self._call = threads.submit(body, context=contextvars.copy_context())
        self.future: asyncio.Future[Any] = _here(self._call)

    async def stop(self, on_end: Callable[[], None]) -> bool:
        return threads.abandon(self._call, on_end=on_end)

    def cancel(self) -> None:
        threads.abandon(self._call)


def _here(outer: Future[Any]) -> asyncio.Future[Any]:
    """Return a future of the running loop that follows `outer` and carries its failure as `Raised`."""
    loop = asyncio.get_running_loop()
    inner: asyncio.Future[Any] = loop.create_future()

    def copy() -> None:
        if inner.done():
            return
        if outer.cancelled():
            inner.set_result(Raised(asyncio.CancelledError()))
        elif (error := outer.exception()) is not None:
            inner.set_result(Raised(error))
        else:
            inner.set_result(outer.result())

    outer.add_done_callback(lambda _: post(loop, copy))
    return inner


def result_of(future: asyncio.Future[Any]) -> Any:
    """Return what finished work brought; a coroutine that cancelled itself has `Raised`."""
    return Raised(asyncio.CancelledError()) if future.cancelled() else future.result()


async def finish(work: Work, *, timeout_s: float | None) -> Any:
    """Wait for work and return what it brought; work that is too slow is stopped and gives `Raised`."""
    try:
        await asyncio.wait({work.future}, timeout=timeout_s)
    except asyncio.CancelledError:
        work.cancel()
        raise
    if work.future.done():
        return result_of(work.future)
    await work.stop(lambda: None)
    return Raised(TimeoutError(f"no answer within {timeout_s:g} s"))
