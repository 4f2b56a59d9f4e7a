"""HTTP connections of an event loop: one client for each server, closed just before the loop is.

A client whose connections belong to a loop that has ended fails in the next one; one that nobody closes leaks sockets.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from concertino.tools import threads


class _Kept(NamedTuple):
    client: Any
    closing: AsyncIterator[None]
    """Closes the client when it ends, as an event loop's generators do before the loop is closed."""


_kept: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Kept]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


async def on_this_loop(server: str, make: Callable[[], Any]) -> Any:
    """Return the running loop's client for a server; `make` builds one, in a thread, as that takes some 20 ms."""
    loop = asyncio.get_running_loop()
    known = _kept.get(loop, {}).get(server)
    if known is None:
        made = await threads.run(make)
        with _lock:
            for ended in [one for one in _kept if one.is_closed()]:
                del _kept[ended]
            known = _kept.setdefault(loop, {}).setdefault(server, _Kept(made, _closed_at_the_end(made)))
        if known.client is made:
            await anext(known.closing)
        else:
            await made.aclose()
    return known.client


async def _closed_at_the_end(client: Any) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await client.aclose()
