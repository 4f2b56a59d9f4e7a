"""`sys.exit` inside a task of a specialist's own: without this it ends the whole event loop, and with it everybody's process.

asyncio lets SystemExit and KeyboardInterrupt of any task pass through the loop that runs it. LangChain and LangGraph make tasks
of what they are given, so a Runnable or a node of a compiled graph that calls `sys.exit` does it in one. Nothing public tells whose
a task is but its context: a loop on which specialists work gets a task factory that looks there, and holds the tasks of marked contexts.
All others are made as before.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Generator, Mapping
from contextvars import Context, ContextVar
from typing import Any, NoReturn
from weakref import WeakSet

_is_held: ContextVar[bool] = ContextVar("concertino_exits_held", default=False)


class Exited(BaseException):
    """What a held task fails with in place of its SystemExit or KeyboardInterrupt, which is `__cause__`."""


def cause_of(error: BaseException) -> BaseException:
    """Return what was raised where `error` came from."""
    return error.__cause__ if isinstance(error, Exited) and error.__cause__ is not None else error


def mark(context: Context) -> None:
    """Hold the tasks that are made in `context`, on loops that `hold` was called for."""
    context.run(_is_held.set, True)


def hold(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop heed marks; harmless where it does. On that loop's own thread."""
    before = loop.get_task_factory()
    if before not in _ours:
        ours = _heeding(before)
        _ours.add(ours)
        loop.set_task_factory(ours)


_ours: WeakSet[Any] = WeakSet()
"""Factories that heed marks."""


def _heeding(before: Any) -> Any:
    """Return a task factory that is like `before` but heeds marks."""
    if sys.version_info >= (3, 12) and getattr(before, "__code__", None) is asyncio.eager_task_factory.__code__:
        # It stays an eager one to see: anyio tells by the code, and calls what makes the tasks itself.
        make = before.__closure__[0].cell_contents
        return asyncio.create_eager_task_factory(lambda coro, **options: make(_heeded(coro, options), **options))

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        coro = _heeded(coro, options)
        return asyncio.Task(coro, loop=loop, **options) if before is None else before(loop, coro, **options)

    return factory


def _heeded(coro: Any, options: Mapping[str, Any]) -> Any:
    context: Context | None = options.get("context")
    is_held = _is_held.get() if context is None else context.get(_is_held, False)
    return _Held(coro) if is_held else coro


class _Held(Coroutine[Any, Any, Any]):
    """A coroutine as it is, but for how it exits. No coroutine around it: that would leave it unawaited when cancelled at once."""

    __slots__ = ("_coro",)

    def __init__(self, coro: Any) -> None:
        self._coro = coro

    def send(self, value: Any, /) -> Any:
        try:
            return self._coro.send(value)
        except (SystemExit, KeyboardInterrupt) as error:
            _exit(error)

    def throw(self, kind: Any, /, *args: Any) -> Any:
        try:
            return self._coro.throw(kind, *args)
        except (SystemExit, KeyboardInterrupt) as error:
            _exit(error)

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._coro.__await__())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coro, name)


def _exit(error: BaseException) -> NoReturn:
    raise Exited(repr(error)) from error
