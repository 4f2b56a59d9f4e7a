"""The functions of the `time` module in virtual time, for what runs on virtual loops and in their threads and nobody else.

Whoever took a function out of the module before (`from time import sleep`) while no virtual run went on has the real one.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from concertino.evals.virtual.loop import VirtualLoop
from concertino.evals.virtual.workers import current_worker

POLLING = frozenset({"subprocess"})
"""Modules of the standard library that sleep between two looks at something real."""
NS = 1_000_000_000

READINGS = ("time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns")

_real: dict[str, Callable[..., Any]] = {}


def put_in() -> None:
    """Replace the functions; once is enough for all threads."""
    _real.update({name: getattr(time, name) for name in ("sleep", *READINGS)})
    setattr(time, "sleep", _sleep_of(_real["sleep"]))  # noqa: B010  # the module's own type also takes what has an `__index__`
    for name in READINGS:
        setattr(time, name, _reading(name, _real[name]))


def take_out() -> None:
    """Put back what was there."""
    for name, function in _real.items():
        setattr(time, name, function)


def _loop() -> VirtualLoop | None:
    """Return the loop whose time it is here."""
    worker = current_worker()
    if worker is not None:
        home = worker.crew.home.loop
    else:
        running = asyncio._get_running_loop()
        if running is None:
            return None
        home = running
    return home if isinstance(home, VirtualLoop) else None


def _sleep_of(real: Callable[[float], None]) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        loop = _loop()
        if loop is None or not seconds > 0 or sys._getframe(1).f_globals.get("__name__") in POLLING:  # pyright: ignore[reportPrivateUsage]
            real(seconds)  # which also refuses what is no number of seconds
            return
        worker = current_worker()
        if worker is None:
            loop.skip(seconds)
        else:
            worker.listen()
            worker.park(seconds)

    return sleep


def _reading(name: str, real: Callable[[], Any]) -> Callable[[], Any]:
    is_wall, in_ns = name.startswith("time"), name.endswith("_ns")

    def read() -> Any:
        loop = _loop()
        if loop is None:
            return real()
        seconds = loop.time() + (loop.epoch if is_wall else 0.0)
        return round(seconds * NS) if in_ns else seconds

    read.__name__ = read.__qualname__ = name
    return read
