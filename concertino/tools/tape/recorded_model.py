"""A model whose requests are taken down on their way: the caller's own, with four of its methods overheard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from types import new_class
from typing import Any, ClassVar, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable

from concertino.contracts.json import JsonObject, digest
from concertino.tools.models.foreign_doubles import IS_DOUBLE
from concertino.tools.models.outlet import Outlet
from concertino.tools.models.request import cap_of
from concertino.tools.models.sources import ModelSource
from concertino.tools.tape.messages import NEUTRAL, neutral_tool, piece_of, request_of, result_of, usage_of
from concertino.tools.tape.recorder import PRINT_CHARS, Recorder, Taking
from concertino.tools.tape.traits import Traits

EVENTS = ("_stream_chat_model_events", "_astream_chat_model_events")
"""By these a class may stream in a form of its own, where it is asked for; without them LangChain makes it of pieces."""


class Told(NamedTuple):
    """What a tape is told of a model."""

    name: str
    traits: JsonObject


Telling = Callable[[Any, list[str] | None, Mapping[str, Any]], Told]
"""Tells of a model by what one call of it is given."""


class RecordedSource(ModelSource):
    """A source whose models are overheard."""

    def __init__(self, inner: ModelSource, recorder: Recorder) -> None:
        """Overhear what `inner` makes."""
        super().__init__(name=inner.name, provider=inner.provider, model=inner.model, make=inner.build)
        self._inner, self._recorder = inner, recorder
        self._kinds: dict[type[BaseChatModel], type[BaseChatModel]] = {}
        self._shown: BaseChatModel | None = None

    @property
    def endpoint(self) -> str:
        return self._inner.endpoint

    @property
    def built(self) -> BaseChatModel:
        """The model as it was given, overheard; for its settings, and to bind tools to."""
        shown = self._shown
        if shown is None:
            self._shown = shown = self._overheard(self._inner.built)
        return shown

    def build(self) -> BaseChatModel:
        """Build the model, once; see `ModelSource.build`."""
        self._inner.build()
        if self.name not in self._recorder.models:
            self._recorder.models[self.name] = Traits.of(self._inner).as_json()
        return self.built

    async def on_this_loop(self) -> Outlet:
        return Outlet(self._overheard((await self._inner.on_this_loop()).model))

    def in_thread(self) -> Outlet:
        return Outlet(self._overheard(self._inner.in_thread().model))

    def _overheard(self, model: BaseChatModel) -> Any:
        kind = type(model)
        if kind not in self._kinds:
            self._kinds[kind] = overhearing(kind, self._told, self._recorder)
        return as_one_of(model, self._kinds[kind])

    def _told(self, *call: object) -> Told:
        return Told(self.name, self._recorder.models.get(self.name, {}))


def as_one_of(model: BaseChatModel, kind: type[BaseChatModel]) -> Any:
    """Return a copy of a model as one of another class of the same fields."""
    copy = model.model_copy()
    object.__setattr__(copy, "__class__", kind)
    return copy


def overhearing(kind: Any, telling: Telling, recorder: Recorder, *, title: str | None = None) -> type[BaseChatModel]:
    """Return a subclass whose outermost calls are taken down; what it does inside is done by a plain copy.

    `title` is its name, where LangChain tells others of it.
    """

    def begin(model: Any, messages: list[BaseMessage], stop: list[str] | None, given: Mapping[str, Any]) -> Taking:
        name, traits = telling(model, stop, given)
        return recorder.begin(
            "model", name, (request := request_of(messages, stop, given)), cap=cap_of(model, given),
            prints=prints_of(request, traits),
        )  # fmt: skip

    async def agenerate(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        taking = begin(self, messages, stop, kwargs)
        try:
            made: ChatResult = await as_one_of(self, kind)._agenerate(
                messages, stop=stop, run_manager=run_manager, **_sent(kwargs)
            )
        except BaseException as error:
            taking.failed(error)
            raise
        _took(taking, made)
        return made

    def generate(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        taking = begin(self, messages, stop, kwargs)
        try:
            made: ChatResult = as_one_of(self, kind)._generate(
                messages, stop=stop, run_manager=run_manager, **_sent(kwargs)
            )
        except BaseException as error:
            taking.failed(error)
            raise
        _took(taking, made)
        return made

    async def astream(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        taking = begin(self, messages, stop, kwargs)
        try:
            made: Any = as_one_of(self, kind)._astream(messages, stop=stop, run_manager=run_manager, **_sent(kwargs))
            async with aclosing(made) as chunks:
                async for chunk in chunks:
                    taking.piece(piece_of(chunk, call=taking.call))
                    yield chunk
        except GeneratorExit:
            taking.answered(None)
            raise
        except (asyncio.CancelledError, Exception) as error:
            taking.failed(error)
            raise
        taking.answered(None)

    def stream(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        taking = begin(self, messages, stop, kwargs)
        try:
            for chunk in as_one_of(self, kind)._stream(messages, stop=stop, run_manager=run_manager, **_sent(kwargs)):
                taking.piece(piece_of(chunk, call=taking.call))
                yield chunk
        except GeneratorExit:
            taking.answered(None)
            raise
        except Exception as error:
            taking.failed(error)
            raise
        taking.answered(None)

    def bind_tools(self: Any, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        bound: Any = kind.bind_tools(self, tools, **kwargs)
        return bound.bind(**{NEUTRAL: [neutral_tool(one) for one in tools]})  # type: ignore[no-any-return]

    methods: dict[str, Any] = {
        "_agenerate": agenerate, "_generate": generate, "__module__": kind.__module__, **marked(kind),
    }  # fmt: skip
    base: Any = BaseChatModel
    if kind._astream is not base._astream or kind._stream is not base._stream:
        methods |= {"_astream": astream}
    if kind._stream is not base._stream:
        methods |= {"_stream": stream}
    if kind.bind_tools is not base.bind_tools:
        methods |= {"bind_tools": bind_tools}
    # Through `new_class`, which finds the metaclass that the model's own class has.
    return new_class(title or f"Overheard{kind.__name__}", (kind,), exec_body=lambda held: held.update(methods))


def marked(kind: type) -> dict[str, Any]:
    """Return what a class of doubles holds beside its methods: its mark, and none of the ways around these."""
    held: dict[str, Any] = {IS_DOUBLE: True, "__annotations__": {IS_DOUBLE: ClassVar[bool]}}
    return held | {name: None for name in EVENTS if hasattr(kind, name)}


def _sent(settings: dict[str, Any]) -> dict[str, Any]:
    settings.pop(NEUTRAL, None)
    return settings


def _took(taking: Taking, made: ChatResult) -> None:
    usage = usage_of(made.generations[0].message) if made.generations else None
    taking.answered(result_of(made, call=taking.call), usage)


def prints_of(request: JsonObject, traits: JsonObject) -> dict[str, str]:
    """Return the fingerprints of a request: of its prompt, of tools and form, of the model."""
    told: Any = request["messages"]
    prompt = [one["content"] for one in told if one["role"] == "system"]
    made = {"prompt": digest(prompt)[:PRINT_CHARS], "model": digest(traits)[:PRINT_CHARS]}
    shape = {name: request[name] for name in ("tools", "format") if name in request}
    if shape:
        made["schema"] = digest(shape)[:PRINT_CHARS]
    return made
