"""Threads and pools that code inside a specialist uses on its own: the guard goes with what it starts there.

A new thread begins without its maker's context, and a pool's thread serves whoever submits to it, so LangChain would find
no guard there, e.g. under `loop.run_in_executor`. Nothing public tells who started what, so `threading.Thread.start` and
`ThreadPoolExecutor.submit` are wrapped, once, when the first guard is bound; tracing libraries carry their context the same
way. Outside a guard they do nothing but look at a ContextVar. Inside one, the guard alone goes along, not the context:
other variables are as the code left them, and a shared pool serves the next one unguarded.

What a thread does belongs to the attempt that started it, also after its end: nothing leaves then.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent import futures
from contextvars import ContextVar
from typing import Any

from concertino.tools import pools
from concertino.tools.crew import CREW
from concertino.tools.models import wire

OURS = "concertino"
"""How the names of our own threads begin. They serve many runs, each call in a context of its own."""

Variables = tuple[ContextVar[Any], ...]


class _Submitting(threading.local):
    is_on: bool = False
    """Whether this thread hands something to a pool: threads that the pool starts for it belong to nobody."""


_submitting = _Submitting()
_lock = threading.Lock()
_wrapped: list[Variables] = []


def carry(variables: Variables) -> None:
    """Let a guard's variables go along from now on, wherever the first of them is set."""
    if _wrapped:
        return
    with _lock:
        if not _wrapped:
            _wrapped.append(variables)
            thread: Any = threading.Thread
            pool: Any = futures.ThreadPoolExecutor
            thread.start = _starting(thread.start, variables)
            pool.submit = _handing_in(pool.submit, variables)


class _Guarded:
    """A callable under the guard of whoever started it; it holds nothing of the thread's on the wire, and leaves nothing."""

    __slots__ = ("_call", "_values", "_variables")

    def __init__(self, call: Callable[..., Any], variables: Variables) -> None:
        self._call, self._variables = call, variables
        self._values = tuple(var.get() for var in variables)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tokens = [var.set(value) for var, value in zip(self._variables, self._values, strict=True)]
        try:
            with wire.apart():
                return self._call(*args, **kwargs)
        finally:
            for var, token in zip(self._variables, tokens, strict=True):
                var.reset(token)


def _starting(start: Callable[..., None], variables: Variables) -> Callable[..., None]:
    leading = variables[0]

    @functools.wraps(start)
    def guarded(thread: threading.Thread) -> None:
        if _submitting.is_on:
            thread.daemon = True  # see `pools`
        elif leading.get() is not None and not thread.name.startswith(OURS):
            own = vars(thread).get("run")
            vars(thread)["run"] = _Run(thread, _Guarded(thread.run, variables), own)
        start(thread)

    return guarded


class _Run:
    """Stands for a thread's `run`, once; then the thread is as it was."""

    def __init__(self, thread: threading.Thread, run: _Guarded, own: Callable[[], None] | None) -> None:
        self._thread, self._run, self._own = thread, run, own

    def __call__(self) -> None:
        held = vars(self._thread)
        if self._own is None:
            held.pop("run", None)
        else:
            held["run"] = self._own
        self._run()


def _handing_in(submit: Callable[..., Any], variables: Variables) -> Callable[..., Any]:
    leading = variables[0]
    # What is handed to an interpreter of its own is pickled: a guard cannot go there.
    apart: Any = getattr(futures, "InterpreterPoolExecutor", ())

    @functools.wraps(submit)
    def guarded(pool: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if leading.get() is None or isinstance(pool, apart):
            return submit(pool, fn, *args, **kwargs)
        call: Callable[..., Any] = _Guarded(fn, variables)
        if (crew := CREW.get()) is not None:
            pool = pools.for_attempts(pool)
            call = crew.hired(pool, call)
        before, _submitting.is_on = _submitting.is_on, True
        try:
            return submit(pool, call, *args, **kwargs)
        finally:
            _submitting.is_on = before

    return guarded
