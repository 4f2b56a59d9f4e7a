"""One event loop in a daemon thread, for async tools that a plain function calls.

It lives as long as the process, so clients that belong to a loop keep working from call to call.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def loop() -> asyncio.AbstractEventLoop:
    """Return the loop, started when first asked for."""
    global _loop  # one a process, by purpose
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="concertino-loop", daemon=True).start()
        return _loop


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine on the loop, in a copy of the caller's context; cancelling the future cancels it."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop())


def _forget() -> None:
    """Start anew after a fork: the parent's thread does not exist here."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
