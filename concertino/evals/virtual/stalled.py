"""The end of a virtual run in which nothing can ever happen again, and what was waiting then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from types import FrameType
from typing import Any

from concertino.contracts.errors import ConcertinoError

LISTED = 12
"""How many of those that wait the message names."""


class Stalled(ConcertinoError, RuntimeError):
    """Nothing is ready, no timer is set and no thread is at work, but the coroutine has not ended.

    `waiting` names what waits, in order of creation: tasks, then threads, each with the place it waits at.
    """

    def __init__(self, *, at: float, waiting: Sequence[str]) -> None:
        self.at, self.waiting = at, tuple(waiting)
        named = "; ".join(self.waiting[:LISTED]) + ("; …" if len(self.waiting) > LISTED else "")
        super().__init__(f"nothing can happen any more at {at:.6g} s, and these wait: {named or 'nobody'}")


def tasks_waiting(tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
    """Name each task and the innermost place where it waits."""
    return [f"task {task.get_name()} at {_innermost(task.get_coro())}" for task in tasks]


def place_of(frame: FrameType | None, *, depth: int = 1) -> str:
    """Return function, file and line of a frame; of its callers too, up to `depth`, innermost first."""
    places: list[str] = []
    while frame is not None and len(places) < depth:
        places.append(f"{frame.f_code.co_qualname} ({PurePath(frame.f_code.co_filename).name}:{frame.f_lineno})")
        frame = frame.f_back
    return " < ".join(places) or "its end"


def _innermost(coroutine: Any) -> str:
    frames: list[str] = []
    while coroutine is not None:
        frame = next(
            (found for name in ("cr_frame", "gi_frame", "ag_frame") if (found := getattr(coroutine, name, None))), None
        )
        if frame is not None:
            frames.append(place_of(frame))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return " < ".join(reversed(frames[-3:])) or "its end"
