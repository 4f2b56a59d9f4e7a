"""`GovernedModel`: a chat model whose every request is reserved, capped on the wire, settled and on the record.

It is used like any LangChain chat model: tools, structured output, agents, streams, batches. A request waits for budget,
is shrunk to what is left, and is refused when not even that helps; what leaves can use no more than was reserved.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_to_dict
from langchain_core.messages.ai import add_usage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableBinding
from pydantic import PrivateAttr

from concertino.budgets import Amounts
from concertino.contracts.errors import SetupError, ToolFailed
from concertino.contracts.json import digest
from concertino.tools import threads
from concertino.tools.attempt import Account, Order
from concertino.tools.guard import Guard
from concertino.tools.models.prices import Price
from concertino.tools.models.request import CAPS, Meter, Request
from concertino.tools.models.sources import ModelSource
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.registry import Cost, Tool
from concertino.tools.retry import MAX_ATTEMPTS

GOVERNED = "concertino-governed"
"""`_llm_type` of governed models, by which the guard of foreign models knows that it has nothing to do."""
TOOL = "model"
"""Name of the ledger's account, and of the tool in events."""


def _never() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What ties a model to one attempt at one subtask, or to one of our own nodes."""

    source: ModelSource
    guard: Guard
    account: Account
    key: str
    """Unique in the run; the n-th request reserves under `key:model:n`."""
    counter: TokenCounter
    price: Price | None = None
    deadline: float | None = None
    """On the monotonic clock."""
    caller: str = ""
    """The same for all attempts at a subtask: one logical call gets no more than three requests over all of them."""
    revoked: Callable[[], Exception | None] = _never
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


def govern(
    source: ModelSource,
    *,
    guard: Guard,
    account: Account,
    key: str,
    counter: TokenCounter,
    price: Price | None = None,
    deadline: float | None = None,
    caller: str = "",
    revoked: Callable[[], Exception | None] = _never,
) -> GovernedModel:
    """Return a source's model for one user of it; see `Binding`. The source must have been built."""
    binding = Binding(
        source=source, guard=guard, account=account, key=key, counter=counter, price=price, deadline=deadline,
        caller=caller, revoked=revoked,
    )  # fmt: skip
    inner = source.built
    no_streams = type(inner)._stream is BaseChatModel._stream and type(inner)._astream is BaseChatModel._astream
    model = GovernedModel(
        disable_streaming=True if no_streams else inner.disable_streaming, rate_limiter=inner.rate_limiter
    )
    model._binding = binding
    return model


@dataclass(frozen=True, slots=True)
class _Streamed:
    """What a stream came to; without a usage it is charged in full."""

    usage: Any = None


class StreamBroken(RuntimeError):
    """A stream broke off after its first pieces were passed on: it cannot be begun again."""


class GovernedModel(BaseChatModel):
    """See the module. Raises `BudgetExceeded`, `BreakerOpen`, `DeadlineExceeded`, `ToolFailed`, `InputError`."""

    _binding: Binding = PrivateAttr()

    @property
    def _llm_type(self) -> str:
        return GOVERNED

    @property
    def model_name(self) -> str:
        """The inner model's name, as LangChain's classes show it."""
        return self._binding.source.model

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self._binding.source.name}

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools in the inner model's own form."""
        bound = self._binding.source.built.bind_tools(tools, **kwargs)
        if isinstance(bound, RunnableBinding):
            return self.bind(**bound.kwargs)
        raise SetupError(field="model", value=self._binding.source.name, rule="its tools cannot be bound to a request")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        sent = _Sent(self._binding, messages, kwargs)

        async def call() -> ChatResult:
            model = self._binding.source.on_this_loop()
            return await _capped(model, sent)._agenerate(messages, stop=stop, **sent.settings(model))

        made: ChatResult = await self._binding.guard.call(sent.order(afn=call, used=_usage_of), (), {})
        return made

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        _refuse_on_loop()
        sent = _Sent(self._binding, messages, kwargs)

        def call() -> ChatResult:
            model = self._binding.source.in_thread()
            return _capped(model, sent)._generate(messages, stop=stop, **sent.settings(model))

        made: ChatResult = self._binding.guard.call_blocking(sent.order(fn=call, used=_usage_of), (), {})
        return made

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        sent, pieces = _Sent(self._binding, messages, kwargs), asyncio.Queue[ChatGenerationChunk | None]()

        async def call() -> _Streamed:
            model = self._binding.source.on_this_loop()
            stream = _Stream(sent, pieces.put_nowait)
            try:
                async for chunk in _capped(model, sent)._astream(messages, stop=stop, **sent.settings(model)):
                    if stream.takes(chunk):
                        break
            except Exception as error:
                raise stream.broken(error) from error
            return stream.ended()

        order = sent.order(afn=call, used=_usage_of)
        calling = asyncio.ensure_future(self._binding.guard.call(order, (), {}))
        calling.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (chunk := await pieces.get()) is not None:
                if run_manager is not None:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            await calling
        finally:
            if not calling.done():
                calling.cancel()
                await asyncio.wait({calling})

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        _refuse_on_loop()
        sent, pieces = _Sent(self._binding, messages, kwargs), queue.SimpleQueue[ChatGenerationChunk | None]()
        unwanted = threading.Event()

        def call() -> _Streamed:
            model = self._binding.source.in_thread()
            stream = _Stream(sent, pieces.put)
            try:
                for chunk in _capped(model, sent)._stream(messages, stop=stop, **sent.settings(model)):
                    if stream.takes(chunk) or unwanted.is_set():
                        break
            except Exception as error:
                raise stream.broken(error) from error
            return stream.ended()

        order = sent.order(fn=call, used=_usage_of)
        calling = threads.submit(lambda: self._binding.guard.call_blocking(order, (), {}))
        calling.add_done_callback(lambda _: pieces.put(None))
        try:
            while (chunk := pieces.get()) is not None:
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            calling.result()
        finally:
            unwanted.set()


class _Sent:
    """One logical call: its bounds, and the cap that its attempts are granted."""

    def __init__(self, binding: Binding, messages: Sequence[BaseMessage], given: dict[str, Any]) -> None:
        self._binding, self._given = binding, given
        self.request = Request.of(binding.source.built, messages, given, counter=binding.counter, price=binding.price)
        self.cap = self.request.wanted
        said = [message_to_dict(message)["data"].get("content") for message in messages]
        about = [said, [getattr(message, "tool_calls", None) for message in messages], sorted(map(str, given))]
        self._call = f"{binding.caller or binding.key}:{TOOL}:{digest([binding.source.name, repr(about)])[:32]}"

    @property
    def counter(self) -> TokenCounter:
        return self._binding.counter

    def order(self, *, used: Callable[[Any], Any], fn: Any = None, afn: Any = None) -> Order:
        """Return the order for the guard.

        Raises:
            ToolFailed: this very call has failed as often as it may, whoever makes it again.
        """
        binding = self._binding
        made = binding.guard.made_in_vain(self._call)
        if made >= MAX_ATTEMPTS:
            raise ToolFailed(tool=TOOL, attempts=0, reason=f"the same request has failed {made} times already")
        tool = Tool(
            name=TOOL, fn=fn, afn=afn, endpoint=binding.source.endpoint, cost=self.request.cost(), timeout_s=None,
            used=lambda result: self.request.used(used(result)) or _held(self.request, self.cap),
        )  # fmt: skip
        return Order(
            tool=tool, account=binding.account, key=f"{binding.key}:{TOOL}:{next(binding.numbers)}", call=self._call,
            deadline=binding.deadline, least=self.request.least(), granted=self._granted, revoked=binding.revoked,
        )  # fmt: skip

    def settings(self, model: BaseChatModel) -> dict[str, Any]:
        """Return the request's settings with the cap, and with its HTTP timeout where the client takes one."""
        made = {name: value for name, value in self._given.items() if name not in CAPS}
        if not _has_cap(model):
            made["max_tokens"] = self.cap
        deadline = self._binding.deadline
        if deadline is not None and hasattr(model, "root_async_client"):
            made["timeout"] = max(0.001, deadline - self._binding.guard.desk.clock.monotonic())
        return made

    def _granted(self, amounts: Amounts) -> None:
        self.cap = self.request.cap(amounts)


def _held(request: Request, cap: int) -> Cost:
    """Return the most that a request with this cap can have used: nothing was reported."""
    output = cap * request.choices
    nano = request.price.bound(request.inputs, output) if request.price is not None else 0
    return Cost(tokens=request.inputs + output, usd=nano / 1e9)


def _has_cap(model: BaseChatModel) -> bool:
    """Say whether the cap is set on the model itself: OpenAI's clients take it with the request instead."""
    return not hasattr(model, "root_client") and any(name in type(model).model_fields for name in CAPS)


def _capped(model: BaseChatModel, sent: _Sent) -> BaseChatModel:
    if not _has_cap(model):
        return model
    return model.model_copy(update={name: sent.cap for name in CAPS if name in type(model).model_fields})


class _Stream:
    """A stream on its way to whoever reads it."""

    def __init__(self, sent: _Sent, pass_on: Callable[[ChatGenerationChunk], None]) -> None:
        self._pass_on = pass_on
        self._meter = Meter(sent.counter, sent.cap)
        self._usage: Any = None
        self._has_begun = self._is_cut = False

    def takes(self, chunk: ChatGenerationChunk) -> bool:
        """Pass a piece on; say whether the stream has to be cut after it."""
        self._has_begun = True
        usage = getattr(chunk.message, "usage_metadata", None)
        if usage:
            self._usage = usage if self._usage is None else add_usage(self._usage, usage)
        self._is_cut = self._meter.is_over(chunk.text)
        if self._is_cut:
            end: Any = {"finish_reason": "length"}
            chunk = ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=end), generation_info=end)
        self._pass_on(chunk)
        return self._is_cut

    def ended(self) -> _Streamed:
        """Return what it came to."""
        return _Streamed(None if self._is_cut else self._usage)

    def broken(self, error: Exception) -> Exception:
        """Return the error of a stream that failed: another attempt can only begin one that nobody has seen."""
        return StreamBroken(f"{type(error).__name__}: {error}") if self._has_begun else error


def _usage_of(result: ChatResult | _Streamed) -> Any:
    if isinstance(result, _Streamed):
        return result.usage
    return next((u for one in result.generations if (u := getattr(one.message, "usage_metadata", None))), None)


def _refuse_on_loop() -> None:
    """Refuse to block an event loop with waiting for budget.

    Raises:
        SetupError: this thread runs one.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise SetupError(field="model.invoke", value="called on an event loop", rule="use `await model.ainvoke(...)` here")
