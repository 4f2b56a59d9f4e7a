"""Waiting for the journal's futures from an event loop, at one wake-up per commit."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
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
    future.add_done_callback(lambda _: bell.announce(waiter))
    await waiter
    return future.result()


class _Bell:
    """Wakes one loop for any number of arrivals."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call = loop.call_soon_threadsafe
        self._closed = loop.is_closed
        self._arrived: deque[asyncio.Future[None]] = deque()
        self._rung = False

    def announce(self, waiter: asyncio.Future[None]) -> None:
        """Note an arrival; runs in the thread that resolved the future."""
        self._arrived.append(waiter)
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
            waiter = self._arrived.popleft()
            if not waiter.done():
                waiter.set_result(None)


_bells: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
_gate = threading.Lock()


def _bell(loop: asyncio.AbstractEventLoop) -> _Bell:
    found = _bells.get(loop)
    if found is None:
        with _gate:
            found = _bells.setdefault(loop, _Bell(loop))
    bell: _Bell = found
    return bell
