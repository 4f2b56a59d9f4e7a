"""`GovernedModel`: a chat model whose every request is reserved, capped on the wire, settled and on the record.

It is used like any LangChain chat model: tools, structured output, agents, streams, batches. A request waits for budget,
is shrunk to what is left, and is refused when not even that helps; what leaves can use no more than was reserved.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import cached_property
from inspect import signature
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from pydantic import BaseModel, PrivateAttr

from concertino.contracts.errors import ConcertinoError, SetupError
from concertino.contracts.ids import Ids, new_id
from concertino.tools import threads
from concertino.tools.attempt import Account
from concertino.tools.guard import Guard
from concertino.tools.models import wire
from concertino.tools.models.foreign_callbacks import untold
from concertino.tools.models.own import GOVERNED, TOOL, unretried
from concertino.tools.models.prices import Price
from concertino.tools.models.quiet import answer, quiet_messages
from concertino.tools.models.sent import Binding, Sent, never
from concertino.tools.models.sources import ModelSource
from concertino.tools.models.streams import Stream, Streamed
from concertino.tools.models.structured import moved
from concertino.tools.models.tokens import TokenCounter

__all__ = ["GOVERNED", "TOOL", "Binding", "GovernedModel", "govern"]

KEPT = ("rate_limiter", "output_version", "profile", "cache", "callbacks", "tags", "metadata", "name")
"""Settings of the caller's model that LangChain reads around a request, not in it."""


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
    revoked: Callable[[], Exception | None] = never,
    ids: Ids = new_id,
) -> GovernedModel:
    """Return a source's model for one user of it; see `Binding`. The source must have been built."""
    binding = Binding(
        source=source, guard=guard, account=account, key=key, counter=counter, price=price, deadline=deadline,
        caller=caller, revoked=revoked, ids=ids,
    )  # fmt: skip
    return GovernedModel.bound_to(binding)


class GovernedModel(BaseChatModel):
    """See the module. Raises `BudgetExceeded`, `BreakerOpen`, `DeadlineExceeded`, `ToolFailed`, `InputError`."""

    streaming: bool = False
    """Whether it streams where it is not asked to; read by LangChain where it was set."""
    _binding: Binding = PrivateAttr()

    @classmethod
    def bound_to(cls, binding: Binding) -> GovernedModel:
        """Return the model of one user; `govern` is its public name."""
        source = binding.source
        if source.face is None:
            source.face = cls._of(source.built)
        model: GovernedModel = source.face.model_copy()
        model._binding = binding
        return model

    @classmethod
    def _of(cls, inner: BaseChatModel) -> GovernedModel:
        kept = {name: value for name in KEPT if (value := getattr(inner, name)) is not None}
        if getattr(inner, "streaming", False) is True:
            kept["streaming"] = True
        kind = type(inner)
        streams = kind._stream is not BaseChatModel._stream or kind._astream is not BaseChatModel._astream
        return cls(disable_streaming=inner.disable_streaming if streams else True, **kept)

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

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Return structured output in the inner model's own form, else by a tool call."""
        built = self._binding.source.built
        if type(built).with_structured_output is not BaseChatModel.with_structured_output:
            made = moved(built.with_structured_output(schema, include_raw=include_raw, **kwargs), built, self)
            if made is not None:
                return made
        return super().with_structured_output(schema, include_raw=include_raw, **kwargs)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        if stop is None and not kwargs:
            return self._own_ls_params.copy()
        return self._binding.source.built._get_ls_params(stop=stop, **kwargs)

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        if stop is None and not kwargs:
            return self._own_params.copy()
        params = self._binding.source.built._get_invocation_params(stop=stop, **kwargs)
        return {**params, "_type": GOVERNED}

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Ask the model; see `BaseChatModel.ainvoke`."""
        messages = quiet_messages(self, input, config, kwargs)
        if messages is None:
            return await super().ainvoke(input, config, stop=stop, **kwargs)
        return await answer(self, messages, stop=stop, settings=kwargs, ids=self._binding.ids)

    # LangChain asks for both with every call, to which working them out adds more than anything else here.

    @cached_property
    def _own_ls_params(self) -> LangSmithParams:
        return self._binding.source.built._get_ls_params()

    @cached_property
    def _own_params(self) -> dict[str, Any]:
        return {**self._binding.source.built._get_invocation_params(), "_type": GOVERNED}

    async def agenerate(self, messages: list[list[BaseMessage]], *args: Any, **kwargs: Any) -> LLMResult:
        """Do as LangChain does, without telling the guard of foreign models."""
        with untold():
            return await super().agenerate(messages, *args, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        binding = self._binding
        outlet = binding.source.here() or await binding.source.on_this_loop()
        sent = Sent(binding, outlet, messages, kwargs)

        async def call() -> ChatResult:
            wire.let_go()
            try:
                made: ChatResult = await sent.capped()._agenerate(messages, stop=stop, **sent.settings())
                return made
            except Exception as error:
                sent.failed(error)
                raise

        try:
            made: ChatResult = await binding.guard.call(sent.order(afn=call, used=_usage_of), (), {})
        except ConcertinoError as error:
            raise unretried(error) from error.__cause__
        sent.answered()
        return made

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        _refuse_on_loop()
        binding = self._binding
        sent = Sent(binding, binding.source.in_thread(), messages, kwargs)

        def call() -> ChatResult:
            wire.let_go()
            try:
                made: ChatResult = sent.capped()._generate(messages, stop=stop, **sent.settings())
                return made
            except Exception as error:
                sent.failed(error)
                raise

        try:
            made: ChatResult = binding.guard.call_blocking(sent.order(fn=call, used=_usage_of), (), {})
        except ConcertinoError as error:
            raise unretried(error) from error.__cause__
        sent.answered()
        return made

    for _read in (_agenerate, _generate):  # LangChain reads their signatures with every call
        vars(_read)["__signature__"] = signature(_read)
    del _read

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        binding = self._binding
        outlet = binding.source.here() or await binding.source.on_this_loop()
        sent, pieces = Sent(binding, outlet, messages, kwargs), asyncio.Queue[ChatGenerationChunk | None]()

        async def call() -> Streamed:
            wire.let_go()
            stream = Stream(sent, pieces.put_nowait)
            try:
                chunks = sent.capped()._astream(messages, stop=stop, **sent.settings())
                async with aclosing(cast("AsyncGenerator[ChatGenerationChunk]", chunks)):
                    async for chunk in chunks:
                        if stream.takes(chunk):
                            break
            except Exception as error:
                raise stream.broken(error) from error
            return stream.ended()

        async def calls() -> None:
            try:
                await binding.guard.call(sent.order(afn=call, used=_usage_of, is_stream=True), (), {})
            except ConcertinoError as error:
                raise unretried(error) from error.__cause__
            finally:
                pieces.put_nowait(None)

        calling = asyncio.create_task(calls())
        try:
            while (chunk := await pieces.get()) is not None:
                if run_manager is not None:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            await calling
            sent.answered()
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        _refuse_on_loop()
        binding = self._binding
        outlet, pieces = binding.source.in_thread(), queue.SimpleQueue[ChatGenerationChunk | None]()
        sent = Sent(binding, outlet, messages, kwargs)
        unwanted = threading.Event()

        def call() -> Streamed:
            wire.let_go()
            stream = Stream(sent, pieces.put)
            try:
                for chunk in sent.capped()._stream(messages, stop=stop, **sent.settings()):
                    if stream.takes(chunk) or unwanted.is_set():
                        break
            except Exception as error:
                raise stream.broken(error) from error
            return stream.ended()

        def calls() -> None:
            try:
                binding.guard.call_blocking(sent.order(fn=call, used=_usage_of), (), {})
            except ConcertinoError as error:
                raise unretried(error) from error.__cause__
            finally:
                pieces.put(None)

        calling = threads.submit(calls)
        try:
            while (chunk := pieces.get()) is not None:
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            calling.result()
            sent.answered()
        finally:
            # Whoever reads no more leaves the thread to end with the next piece, and the rest is charged in full.
            unwanted.set()


def _usage_of(result: ChatResult | Streamed) -> Any:
    if isinstance(result, Streamed):
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
