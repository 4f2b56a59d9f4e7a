"""Reaching an event loop from other threads at one wake-up for all that comes together."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


async def wait(future: Future[T]) -> T:
    """Return the future's result. Like `asyncio.wrap_future`, but cancelling the waiter never cancels the future.

    Futures that resolve together wake their loop once; `wrap_future` wakes it for each (100 concurrent appends:
    31 µs each against 55 µs).
    """
    if future.done():
        return future.result()
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    bell = _bell(loop)
    future.add_done_callback(lambda _: bell.announce(_resolve, waiter))
    await waiter
    return future.result()


def post(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Run `act` on `loop` soon, from any thread, after what was posted before; nothing where the loop is closed.

    Like `call_soon_threadsafe`, which wakes the loop for each. `act` must not raise.
    """
    _bell(loop).announce(_call, act)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _call(act: Callable[[], None]) -> None:
    act()


class _Bell:
    """Wakes one loop for any number of arrivals."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call = loop.call_soon_threadsafe
        self._closed = loop.is_closed
        self._arrived: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._rung = False

    def announce(self, answer: Callable[[Any], None], about: Any) -> None:
        """Note an arrival, which `answer(about)` meets on the loop; in any thread."""
        self._arrived.append((answer, about))
        # `_answer` lowers the flag before it looks: an arrival is either seen by it or rings again.
        if not self._rung:
            self._rung = True
            try:
                self._call(self._answer)
            except RuntimeError:
                if not self._closed():
                    raise

    def _answer(self) -> None:
        self._rung = False
        while self._arrived:
            answer, about = self._arrived.popleft()
            answer(about)


_bells: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
_gate = threading.Lock()


def _bell(loop: asyncio.AbstractEventLoop) -> _Bell:
    found = _bells.get(loop)
    if found is None:
        with _gate:
            found = _bells.setdefault(loop, _Bell(loop))
    bell: _Bell = found
    return bell
