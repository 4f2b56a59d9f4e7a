"""One coroutine from beginning to end in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from concertino.evals.virtual.loop import VirtualLoop
from concertino.evals.virtual.stalled import Stalled
from concertino.evals.virtual.waits import waiting_virtually
from concertino.tools.threads import hosted

T = TypeVar("T")


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]], *, start: float = 0.0) -> T:
    """Run `main()` on a fresh loop whose time begins at `start` and return what it returns.

    As `asyncio.run` does, it cancels at the end what is left of tasks and closes the loop; threads that still wait are
    ended where they stand. `VirtualClock(asyncio.get_running_loop())` is the clock inside.

    Raises:
        Stalled: nothing can happen any more.
        RuntimeError: an event loop runs in this thread already.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("a virtual run cannot be started on a running event loop")
    loop = VirtualLoop(start=start)
    with waiting_virtually(), hosted(loop):
        try:
            return loop.run_until_complete(main())
        finally:
            try:
                _wind_up(loop)
            finally:
                loop.close()


def _wind_up(loop: VirtualLoop) -> None:
    left = loop.tasks()
    for task in left:
        task.cancel()
    try:
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    except Stalled:
        # What does not end when it is cancelled is left as it is: nothing else will ever happen on this loop.
        for task in loop.tasks():
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
