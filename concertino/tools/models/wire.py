"""Where requests of foreign models leave: every HTTP request of a call that is held, SDK's own retries included.

LangChain tells of a call once, while its SDK may send it several times. Nothing public tells of that, so `send` of
httpx's clients (and httpx2's, which openai 3 uses) is wrapped, once, when the first call is held. Outside a held call it
does nothing but look at a ContextVar. What goes another way, e.g. botocore or gRPC, is not seen here.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
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
    """Calls of one request to LangChain, which leave in any order; mostly one."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self._calls: list[Sender] = []
        self._left: list[Sender] = []

    @property
    def is_full(self) -> bool:
        """Whether every call has joined."""
        return len(self._calls) >= self.expected

    @property
    def is_over(self) -> bool:
        """Whether all of them have ended."""
        return all(call.is_over for call in self._calls)

    def join(self, call: Sender) -> None:
        """Add a call."""
        self._calls.append(call)

    def next(self) -> Sender | None:
        """Return the call whose request this is: one that has not sent any yet, else the one that tries again."""
        for call in self._calls:
            if call not in self._left and not call.is_over:
                self._left.append(call)
                return call
        return next((call for call in self._left if not call.is_over), None)


_sending: ContextVar[Sending | None] = ContextVar("concertino_sending", default=None)
_lock = threading.Lock()
_wrapped: set[str] = set()


def hold(call: Sender, *, batch: int) -> None:
    """Hold the requests that leave in this context to `call`, one of `batch` that are told of together."""
    _wrap()
    before = _sending.get()
    if before is None or batch == 1 or before.expected != batch or before.is_full:
        before = Sending(batch)
        _sending.set(before)
    before.join(call)


def let_go() -> None:
    """Hold nothing in this context: what leaves next is not a foreign model's."""
    if _sending.get() is not None:
        _sending.set(None)


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


def _sender(request: Any) -> Sender | None:
    """Return the call that a request belongs to; tokens are fetched with forms and tools use other verbs."""
    sending = _sending.get()
    if sending is None or request.method != "POST" or sending.is_over:
        return None
    return sending.next() if "json" in request.headers.get("content-type", "") else None


def _bound(request: Any, seconds: float | None) -> None:
    timeouts = request.extensions.get("timeout")
    if seconds is not None and isinstance(timeouts, dict):
        for name, value in timeouts.items():
            timeouts[name] = seconds if value is None else min(value, seconds)


def _blocking(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def held(client: Any, request: Any, **options: Any) -> Any:
        call = _sender(request)
        if call is None:
            return send(client, request, **options)
        _bound(request, call.leave_blocking())
        try:
            response = send(client, request, **options)
        except BaseException as error:
            call.broke(error)
            raise
        call.returned(response.status_code)
        return response

    return held


def _awaiting(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    async def held(client: Any, request: Any, **options: Any) -> Any:
        call = _sender(request)
        if call is None:
            return await send(client, request, **options)
        _bound(request, await call.leave())
        try:
            response = await send(client, request, **options)
        except BaseException as error:
            call.broke(error)
            raise
        call.returned(response.status_code)
        return response

    return held
