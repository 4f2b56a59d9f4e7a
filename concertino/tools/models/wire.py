"""Where requests of foreign models leave: every HTTP request of a call that is held, SDK's own retries included.

LangChain tells of a call once, while its SDK may send it several times. Nothing public tells of that, so `send` of
httpx's clients (and httpx2's, which openai 3 uses) is wrapped, once, when the first call is held. Outside a held call it
does nothing but look at a ContextVar. What goes another way, e.g. botocore or gRPC, is not seen here.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

MODULES = ("httpx", "httpx2")


class Sender(Protocol):
    """A call that is held, as its requests see it."""

    @property
    def is_over(self) -> bool: ...
    async def leave(self) -> float | None:
        """Let one request leave and return the seconds left for it; an error says that it may not."""
        ...

    def leave_blocking(self) -> float | None: ...
    def returned(self, status: int) -> None:
        """Take in an answer's HTTP status."""
        ...

    def broke(self, error: BaseException) -> None:
        """Take in that no answer came."""
        ...


class Sending:
    """Calls of one guard that LangChain tells of together, and that leave in any order; mostly one."""

    def __init__(self, owner: object, expected: int) -> None:
        self.owner, self.expected = owner, expected
        self.calls: list[Sender] = []
        self._left: list[Sender] = []

    @property
    def is_over(self) -> bool:
        """Whether all of them have ended."""
        return all(call.is_over for call in self.calls)

    def next(self) -> Sender | None:
        """Return the call whose request this is: one that has not sent any yet, else the one that tries again."""
        for call in self.calls:
            if call not in self._left and not call.is_over:
                self._left.append(call)
                return call
        return next((call for call in self._left if not call.is_over), None)


_sending: ContextVar[tuple[Sending, ...]] = ContextVar("concertino_sending", default=())
"""Of each guard the latest calls in this context; a planner inside another's specialist brings a second guard."""
_lock = threading.Lock()
_wrapped: set[str] = set()


def hold(call: Sender, *, owner: object, batch: int) -> None:
    """Hold the requests that leave in this context to `call`, one of `batch` that are told of together."""
    _wrap()
    known = [one for one in _sending.get() if not one.is_over]
    latest = next((one for one in known if one.owner is owner), None)
    if latest is None or batch == 1 or latest.expected != batch or len(latest.calls) >= batch:
        latest = Sending(owner, batch)
        _sending.set((*(one for one in known if one.owner is not owner), latest))
    latest.calls.append(call)


def held(owner: object) -> Sender | None:
    """Return the latest call of `owner` in this context that has not ended."""
    of_owner = (one for one in _sending.get() if one.owner is owner)
    return next((call for one in of_owner for call in reversed(one.calls) if not call.is_over), None)


def let_go() -> None:
    """Hold nothing in this context: what leaves next is not a foreign model's."""
    if _sending.get():
        _sending.set(())


@contextmanager
def apart() -> Iterator[None]:
    """Begin the block with nothing held, and leave nothing behind: a pool's thread is another's next."""
    token = _sending.set(())
    try:
        yield
    finally:
        _sending.reset(token)


def _wrap() -> None:
    if len(_wrapped) == len(MODULES):
        return
    with _lock:
        for name in MODULES:
            module = sys.modules.get(name)
            if module is not None and name not in _wrapped:
                module.Client.send = _blocking(module.Client.send)
                module.AsyncClient.send = _awaiting(module.AsyncClient.send)
                _wrapped.add(name)


def _senders(request: Any) -> list[Sender]:
    """Return the calls that a request belongs to; tokens are fetched with forms, and tools use other verbs."""
    known = _sending.get()
    if not known or request.method != "POST" or "json" not in request.headers.get("content-type", ""):
        return []
    return [call for one in known if not one.is_over and (call := one.next()) is not None]


def _bound(request: Any, seconds: float | None) -> None:
    timeouts = request.extensions.get("timeout")
    if seconds is not None and isinstance(timeouts, dict):
        for name, value in timeouts.items():
            timeouts[name] = seconds if value is None else min(value, seconds)


def _blocking(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def guarded(client: Any, request: Any, **options: Any) -> Any:
        calls = _senders(request)
        for call in calls:
            _bound(request, call.leave_blocking())
        with _telling(calls) as returned:
            response = send(client, request, **options)
            returned(response.status_code)
        return response

    return guarded


def _awaiting(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    async def guarded(client: Any, request: Any, **options: Any) -> Any:
        calls = _senders(request)
        for call in calls:
            _bound(request, await call.leave())
        with _telling(calls) as returned:
            response = await send(client, request, **options)
            returned(response.status_code)
        return response

    return guarded


@contextmanager
def _telling(calls: list[Sender]) -> Iterator[Callable[[int], None]]:
    def returned(status: int) -> None:
        for call in calls:
            call.returned(status)

    try:
        yield returned
    except BaseException as error:
        for call in calls:
            call.broke(error)
        raise
