"""The chat model that stands for a recorded one: bound, capped, streamed and asked for structure like it, and never built."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_openai_function, convert_to_openai_tool
from pydantic import BaseModel, PrivateAttr

from concertino.contracts.errors import TapeMiss
from concertino.contracts.json import dump
from concertino.tools.models.outlet import Outlet
from concertino.tools.models.request import CAPS
from concertino.tools.models.sources import ModelSource
from concertino.tools.tape.failures import HANGS, raised
from concertino.tools.tape.injection import ended_early
from concertino.tools.tape.lines import Line
from concertino.tools.tape.messages import chat_result, chunk_of, request_of
from concertino.tools.tape.player import Play, Player
from concertino.tools.tape.traits import Traits


class OpenAIRefusalError(Exception):
    """The model refused to answer in the form that was asked for; named as the client's own."""


class PlayedSource(ModelSource):
    """A source whose model is played. Building it imports nothing and needs no key."""

    def __init__(self, inner: ModelSource, player: Player, *, onward: ModelSource | None = None) -> None:
        """Stand for `inner`, which is never built.

        `onward` answers what is not on the tape, where the player goes on without it.
        """
        known = player.tape.head.models.get(inner.name)
        traits = Traits.read(known) if isinstance(known, dict) else Traits(provider=inner.provider, model=inner.model)
        super().__init__(
            name=inner.name,
            provider=traits.provider or inner.provider,
            model=traits.model or inner.model,
            make=lambda: PlayedModel.of(inner.name, traits, player, onward),
            endpoint=traits.endpoint or f"{inner.provider or inner.name}/{inner.model}",
        )
        self._outlet: Outlet | None = None

    @property
    def is_built(self) -> bool:
        """Building it costs nothing, so no thread has to."""
        return True

    def build(self) -> BaseChatModel:
        if self._built is None:
            self._built = self._make()
        return self._built

    @property
    def built(self) -> BaseChatModel:
        return self.build()

    def here(self) -> Outlet:
        return self.in_thread()

    async def on_this_loop(self) -> Outlet:
        return self.in_thread()

    def in_thread(self) -> Outlet:
        if self._outlet is None:
            self._outlet = Outlet(self.build())
            self._outlet.heeds = True  # it waits for nothing but the loop's time
        return self._outlet


class PlayedModel(BaseChatModel):
    """See the module."""

    model_name: str = ""
    streaming: bool = False
    max_tokens: int | None = None
    """Its own output cap; a governed call sets it to what was granted."""
    n: int | None = None
    service_tier: str | None = None
    _named: str = PrivateAttr(default="")
    _traits: Traits = PrivateAttr()
    _player: Player = PrivateAttr()
    _onward: ModelSource | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, name: str, traits: Traits, player: Player, onward: ModelSource | None) -> PlayedModel:
        """Return the model of a source of this name."""
        model = cls(
            model_name=traits.model, streaming=traits.streaming, max_tokens=traits.cap, n=traits.choices,
            service_tier=traits.service_tier, disable_streaming=not traits.streams,
        )  # fmt: skip
        model._named, model._traits, model._player, model._onward = name, traits, player, onward
        return model

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> PlayedModel:
        """Return a copy with other settings; shallow always, and so much faster than Pydantic's own."""
        made = PlayedModel.__new__(PlayedModel)
        object.__setattr__(made, "__dict__", {**self.__dict__, **(update or {})})
        object.__setattr__(made, "__pydantic_fields_set__", self.__pydantic_fields_set__)
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", self.__pydantic_private__)
        return made

    @property
    def _llm_type(self) -> str:
        return "concertino-played"

    def _play(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, given: Mapping[str, Any], *, is_stream: bool
    ) -> Play:
        play = self._player.play("model", self._named, request_of(messages, stop, given), is_stream=is_stream)
        cap = self.max_tokens if self.max_tokens is not None else given.get("max_tokens")
        _keep_cap(play, cap)
        return play

    async def _next(self) -> BaseChatModel:
        """Return what answers instead of the tape; only where a miss is being handled, which is raised again without it."""
        if self._onward is None:
            raise
        self._onward.build()
        return self._capped((await self._onward.on_this_loop()).model)

    def _next_blocking(self) -> BaseChatModel:
        if self._onward is None:
            raise
        self._onward.build()
        return self._capped(self._onward.in_thread().model)

    def _capped(self, model: BaseChatModel) -> BaseChatModel:
        caps = {name: self.max_tokens for name in CAPS if name in type(model).model_fields}
        return model.model_copy(update=caps)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        try:
            play = self._play(messages, stop, kwargs, is_stream=False)
        except TapeMiss:
            return await (await self._next())._agenerate(messages, stop=stop, **kwargs)
        await play.wait()
        return _answered(play, kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        try:
            play = self._play(messages, stop, kwargs, is_stream=False)
        except TapeMiss:
            return self._next_blocking()._generate(messages, stop=stop, **kwargs)
        play.wait_blocking()
        return _answered(play, kwargs)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        try:
            play = self._play(messages, stop, kwargs, is_stream=True)
        except TapeMiss:
            async for chunk in (await self._next())._astream(messages, stop=stop, **kwargs):
                yield chunk
            return
        for at, chunk in _pieces(play):
            await play.until(at)
            yield chunk
        error = play.line.error
        if error is not None and error["kind"] == HANGS:
            await play.wait()
        await play.until(play.line.took)
        if error is not None:
            raise raised(error)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        try:
            play = self._play(messages, stop, kwargs, is_stream=True)
        except TapeMiss:
            yield from self._next_blocking()._stream(messages, stop=stop, **kwargs)
            return
        for at, chunk in _pieces(play):
            play.until_blocking(at)
            yield chunk
        if play.line.error is not None and play.line.error["kind"] == HANGS:
            play.wait_blocking()
        play.until_blocking(play.line.took)
        if play.line.error is not None:
            raise raised(play.line.error)

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Runnable[Any, Any]:
        """Bind tools, in the form that most providers' classes give them."""
        made = [
            one if _is_providers(one) else convert_to_openai_tool(one, strict=kwargs.get("strict")) for one in tools
        ]
        names = [one["function"]["name"] for one in made if "function" in one]
        if tool_choice in names:
            tool_choice = {"type": "function", "function": {"name": tool_choice}}
        elif tool_choice is True or tool_choice == "any":
            tool_choice = "required"
        form = kwargs.pop("response_format", None)
        if form is not None:
            kwargs["response_format"] = _format(form, kwargs.get("strict"))
        kwargs.pop("strict", None)
        if tool_choice:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=made, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: str | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[Any, Any]:
        """Ask for structured output as the recorded model's class does; see LangChain's `BaseChatModel`."""
        how = method or ("json_schema" if self._traits.structured == "json_schema" else "function_calling")
        is_class = isinstance(schema, type) and issubclass(schema, BaseModel)
        form: Any = schema
        llm: Runnable[Any, Any]
        parser: Runnable[Any, Any]
        if how == "json_mode":
            llm = self.bind(response_format={"type": "json_object"}, **kwargs)
            parser = PydanticOutputParser(pydantic_object=form) if is_class else JsonOutputParser()
        elif how == "json_schema":
            tools = kwargs.pop("tools", None)
            bound = {"tools": [convert_to_openai_tool(one, strict=strict) for one in tools]} if tools else {}
            llm = self.bind(response_format=_format(schema, strict), **bound, **kwargs)
            parser = RunnableLambda(partial(_parsed, schema=form)) if is_class else JsonOutputParser()
        else:
            name = convert_to_openai_tool(form)["function"]["name"]
            llm = self.bind_tools([form], tool_choice=name, **kwargs)
            parser = (
                PydanticToolsParser(tools=[form], first_tool_only=True)
                if is_class
                else JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
            )
        if not include_raw:
            return llm | parser
        told = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        nothing = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=llm) | told.with_fallbacks([nothing], exception_key="parsing_error")


def _is_providers(tool: Any) -> bool:
    return isinstance(tool, Mapping) and "type" in tool and tool["type"] != "function"


def _format(schema: Any, strict: bool | None) -> Any:
    if (isinstance(schema, type) and issubclass(schema, BaseModel)) or (
        isinstance(schema, Mapping) and "type" in schema and "json_schema" in schema
    ):
        return schema
    made = convert_to_openai_function(schema, strict=strict)
    return {"type": "json_schema", "json_schema": {**made, "schema": made["parameters"]}}


def _parsed(message: Any, *, schema: type[BaseModel]) -> Any:
    """Return what the message holds, as OpenAI's own parser does."""
    if (parsed := message.additional_kwargs.get("parsed")) is not None:
        return parsed
    if refusal := message.additional_kwargs.get("refusal"):
        raise OpenAIRefusalError(refusal)
    if message.tool_calls:
        return None
    return schema.model_validate_json(message.text)


def _keep_cap(play: Play, cap: object) -> None:
    """Cut an answer that is longer than its cap allows, as a server does."""
    used = (play.line.usage or {}).get("output_tokens")
    if isinstance(cap, int) and isinstance(used, int) and used > cap and play.line.response is not None:
        play.line = ended_early(play.line, cap / used)
        play.log["response"], play.log["usage"] = play.line.response, play.line.usage


def _answered(play: Play, given: Mapping[str, Any]) -> ChatResult:
    line = play.line
    result = chat_result(*_whole(line))
    form = given.get("response_format")
    if isinstance(form, type) and issubclass(form, BaseModel):
        message: Any = result.generations[0].message
        if not message.additional_kwargs.get("refusal") and isinstance(message.content, str) and message.content:
            # OpenAI's client reads the form while it answers, and so its refusal is the call's.
            message.additional_kwargs = {
                **message.additional_kwargs,
                "parsed": form.model_validate_json(message.content),
            }
    return result


def _whole(line: Line) -> tuple[Any, Any]:
    """Return response and usage; of a recorded stream what its pieces come to."""
    if line.response is not None or line.chunks is None:
        return line.response or {}, line.usage
    whole: Any = None
    for _, piece in line.chunks:
        chunk = chunk_of(piece)
        whole = chunk if whole is None else whole + chunk
    message: Any = whole.message
    response = {"content": message.content, "tool_calls": message.tool_calls, "more": message.additional_kwargs}
    return {**response, "meta": message.response_metadata, "info": whole.generation_info}, message.usage_metadata


def _pieces(play: Play) -> list[tuple[float, ChatGenerationChunk]]:
    """Return the pieces of a recorded stream; an answer that was not streamed comes as one piece at its end."""
    line = play.line
    if line.chunks is not None:
        return [(at, chunk_of(piece)) for at, piece in line.chunks]
    if line.error is not None:
        return []
    result = chat_result(*_whole(line)).generations[0]
    message: Any = result.message
    piece: dict[str, Any] = {
        "content": message.content, "more": message.additional_kwargs, "usage": message.usage_metadata,
        "calls": [
            {"name": one["name"], "args": dump(one["args"]), "id": one["id"], "index": at}
            for at, one in enumerate(message.tool_calls)
        ],
        "meta": message.response_metadata, "info": result.generation_info, "last": True,
    }  # fmt: skip
    return [(line.took, chunk_of({name: value for name, value in piece.items() if value}))]
