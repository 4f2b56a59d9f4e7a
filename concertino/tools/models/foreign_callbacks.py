"""What LangChain tells of models' calls, and how the guard is put among those who are told.

LangChain has two managers of callbacks. The blocking one calls handlers in the caller's thread, and drops what a coroutine
handler raises; the awaiting one awaits coroutine handlers and calls the others on the event loop, which must not be
blocked. So one handler waits for budget, in coroutines or in threads, and hears of every end. Another raises what the
first has met: when an inline handler raises, the awaiting manager leaves the coroutines of all after it unawaited, so
this one is the last of all or told beside the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import replace
from inspect import CO_COROUTINE, currentframe
from types import FrameType
from typing import Any, Protocol, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.outputs import LLMResult
from langchain_core.tracers.context import register_configure_hook

from concertino.contracts.scope import SCOPE
from concertino.tools.crew import CREW
from concertino.tools.models import foreign_threads, wire
from concertino.tools.models.foreign_request import Asked
from concertino.tools.models.own import GOVERNED


class Admission(Protocol):
    """Who decides on calls, by LangChain's run id."""

    async def start(self, run_id: UUID, asked: Asked) -> None:
        """Admit a call from a coroutine; what it raises, cancellation too, is kept for `check`."""
        ...

    def start_blocking(self, run_id: UUID, asked: Asked) -> None:
        """Admit a call from a plain thread, or raise why it is refused."""
        ...

    def check(self, run_id: UUID) -> None:
        """Raise what `start` has kept, once."""
        ...

    def ended(self, run_id: UUID, usage: Mapping[str, Any] | None) -> None:
        """Settle a call that was answered."""
        ...

    def failed(self, run_id: UUID, error: BaseException) -> None:
        """Settle a call that failed."""
        ...


class _OfModels(BaseCallbackHandler):
    """Wants to hear of models alone: every other event would cost a call, of the third handler one in a thread."""

    raise_error = True

    def __init__(self, admission: Admission) -> None:
        self.admission = admission

    @property
    def ignore_agent(self) -> bool:
        return True

    ignore_chain = ignore_custom_event = ignore_retriever = ignore_retry = ignore_agent  # pyright: ignore[reportIncompatibleMethodOverride]  # alike properties


class _Holding(_OfModels):
    """Admits, in coroutines without blocking the loop, and hears of every end. `_Refusing` raises what it has met."""

    run_inline = True

    @property
    def on_chat_model_start(self) -> Callable[..., Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # only called
        """What the manager that asks can call."""
        return self._start if _is_awaited() else self._start_blocking

    @property
    def on_llm_start(self) -> Callable[..., Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # only called
        """Likewise, of models of texts."""
        return self._start_text if _is_awaited() else self._start_text_blocking

    async def _start(
        self, serialized: dict[str, Any], messages: list[list[Any]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        asked = _asked(serialized, messages[0], kwargs)
        if asked is None:
            wire.let_go()
        else:
            await self.admission.start(run_id, asked)

    async def _start_text(self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: Any) -> None:
        await self.admission.start(run_id, _asked_of_text(serialized, prompts, kwargs))
        # Of a model of texts nobody is told beside the inline handlers, where there are any.
        self.admission.check(run_id)

    def _start_blocking(
        self, serialized: dict[str, Any], messages: list[list[Any]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        asked = _asked(serialized, messages[0], kwargs)
        if asked is None:
            wire.let_go()
        else:
            self.admission.start_blocking(run_id, asked)

    def _start_text_blocking(
        self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: Any
    ) -> None:
        self.admission.start_blocking(run_id, _asked_of_text(serialized, prompts, kwargs))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        self.admission.ended(run_id, _usage(response))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.admission.failed(run_id, error)


class _Refusing(_OfModels):
    """Told after all inline handlers: raises what `_Holding` has met, so nothing leaves."""

    @property
    def run_inline(self) -> bool:  # type: ignore[override]
        """Whether it need not be told beside the handlers of others, which takes a task of its own each time.

        That matters where calls start, as what an inline handler raises leaves the coroutines of those after it
        unawaited. Whoever is not known to ask about anything else is told that it must.
        """
        frame = _frame(2)
        if frame is None or frame.f_globals.get("__name__") != MANAGER:
            return False
        if frame.f_code.co_name in COMPREHENSIONS and frame.f_back is not None:
            frame = frame.f_back
        if frame.f_code.co_name != "on_chat_model_start":
            return frame.f_code.co_name == "ahandle_event"
        told = frame.f_locals
        handlers: list[BaseCallbackHandler] = getattr(told.get("self"), "handlers", [])
        return (
            len(told.get("messages") or ()) == 1
            and handlers[-1:] == [self]
            and all(one.run_inline and not isinstance(one, _Refusing) for one in handlers[:-1])
        )

    @property
    def ignore_chat_model(self) -> bool:
        """Whether a blocking manager asks."""
        return not _is_awaited()

    @property
    def ignore_llm(self) -> bool:
        return True

    async def on_chat_model_start(self, *told: Any, run_id: UUID, **kwargs: Any) -> None:
        self.admission.check(run_id)


MANAGER = "langchain_core.callbacks.manager"
COMPREHENSIONS = ("<listcomp>", "<genexpr>")


def _is_awaited() -> bool:
    """Say whether the handler that asks is called by the awaiting manager, which does so from a coroutine.

    Nothing else tells, on an event loop, which of the two it is. Nor does the order of handlers, which is a set's where
    LangGraph merges managers.
    """
    caller = _frame(3)
    return caller is not None and bool(caller.f_code.co_flags & CO_COROUTINE)


def _frame(up: int) -> FrameType | None:
    """Return the frame so many calls above this one."""
    frame = currentframe()
    for _ in range(up):
        frame = frame.f_back if frame is not None else None
    return frame


_bound: tuple[ContextVar[BaseCallbackHandler | None], ...] = tuple(
    ContextVar(f"concertino_foreign_{name}", default=None) for name in ("holding", "refusing")
)
_unasked: ContextVar[set[_Hook]] = ContextVar("concertino_foreign_unasked")


class _Hook:
    """Gives LangChain a handler wherever it configures callbacks; once not, where `untold` says so."""

    def __init__(self, var: ContextVar[BaseCallbackHandler | None]) -> None:
        self._var = var

    def get(self) -> BaseCallbackHandler | None:
        handler = self._var.get()
        if handler is not None and self in (unasked := _unasked.get(_NONE)):
            unasked.discard(self)
            return None
        return handler


_NONE: set[_Hook] = set()
_hooks = tuple(_Hook(var) for var in _bound)
for _hook in _hooks:
    register_configure_hook(cast("Any", _hook), inheritable=True)


@contextmanager
def untold() -> Iterator[None]:
    """Leave the guard out where callbacks are configured next, once: a model of ours is about to configure its own."""
    if _bound[0].get() is None:
        yield
        return
    token = _unasked.set(set(_hooks))
    try:
        yield
    finally:
        _unasked.reset(token)


Tokens = tuple[Token[BaseCallbackHandler | None], ...]


def is_of_ours(handler: object) -> bool:
    """Say whether a handler is one of these: of a governed model's calls they have nothing to hear."""
    return isinstance(handler, _OfModels)


def install(admission: Admission) -> Tokens:
    """Put an admission among those who are told, wherever callbacks are configured in this context."""
    # Scope and crew go along, so that what such a thread calls is known as its attempt's.
    foreign_threads.carry((*_bound, SCOPE, CREW))
    handlers = _Holding(admission), _Refusing(admission)
    return tuple(var.set(handler) for var, handler in zip(_bound, handlers, strict=True))


def admission_here() -> Admission | None:
    """Return the admission that is installed in this context."""
    handler: Any = _bound[0].get()
    return None if handler is None else cast("_OfModels", handler).admission


def remove(tokens: Tokens) -> None:
    """Take back what `install` did, in the same context."""
    for var, token in zip(_bound, tokens, strict=True):
        var.reset(token)


_RAISING = tuple((kind.__name__,) for kind in (_Holding, _Refusing))


def _is_news(record: logging.LogRecord) -> bool:
    """Say whether LangChain's log has something to tell: a refusal is raised, and no handler's mishap."""
    return not (isinstance(record.args, tuple) and record.args[:1] in _RAISING)


logging.getLogger("langchain_core.callbacks.manager").addFilter(_is_news)


def _asked(serialized: Mapping[str, Any] | None, messages: list[Any], told: Mapping[str, Any]) -> Asked | None:
    """Return what is asked of a foreign model; `None` of one of ours."""
    settings = told.get("invocation_params") or {}
    if settings.get("_type") == GOVERNED:
        return None
    return Asked(
        serialized=serialized or {}, messages=messages, settings=settings, metadata=told.get("metadata") or {},
        batch=told.get("batch_size") or 1,
    )  # fmt: skip


def _asked_of_text(serialized: Mapping[str, Any] | None, prompts: list[str], told: Mapping[str, Any]) -> Asked:
    asked = _asked(serialized, [HumanMessage(text) for text in prompts], told)
    assert asked is not None  # ours are chat models
    return replace(asked, is_text=True)


def _usage(response: LLMResult) -> Mapping[str, Any] | None:
    """Return the usage of an answer; every choice of one request tells that of the whole request."""
    for choices in response.generations:
        for one in choices:
            usage: Mapping[str, Any] | None = getattr(getattr(one, "message", None), "usage_metadata", None)
            if usage:
                return usage
    told = (response.llm_output or {}).get("token_usage") or {}
    if not isinstance(told, Mapping) or "prompt_tokens" not in told:
        return None
    return {"input_tokens": told["prompt_tokens"], "output_tokens": told.get("completion_tokens", 0)}
