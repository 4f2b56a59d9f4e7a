"""Models that a specialist brings, on a tape: their calls taken down where they are made, and answered from there.

Lines are those of a planner's own models: same request, answer, usage and times, named `provider:model` as the guard of
foreign models names them. Caches are left out both times: what a warm one answers is on no tape.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import new_class
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import BaseModel

from concertino.contracts.errors import ConcertinoError, InputError
from concertino.tools.models.caps import cap_of
from concertino.tools.models.foreign_request import Asked
from concertino.tools.models.outlet import Outlet
from concertino.tools.models.own import unretried
from concertino.tools.models.sources import ModelSource, server_of
from concertino.tools.tape.played_model import PlayedModel
from concertino.tools.tape.player import Player
from concertino.tools.tape.recorded_model import Told, as_one_of, marked, overhearing
from concertino.tools.tape.recorder import Recorder
from concertino.tools.tape.seeds import scope_now
from concertino.tools.tape.traits import Traits

Double = Callable[[Any], Any]
INSTEAD = "take brief.model"


def recording(recorder: Recorder, seen: set[str]) -> Double:
    """Return what makes doubles that are overheard while they ask the world.

    Args:
        recorder: Takes their calls down.
        seen: The models' names are added to it.
    """

    def telling(model: Any, stop: list[str] | None, given: Mapping[str, Any]) -> Told:
        asked = _asked(model, stop, given)
        name, endpoint = _named(asked), f"{server_of(model)}/{asked.model}"
        traits = Traits.seen(model, provider=asked.provider, name=asked.model, endpoint=endpoint).as_json()
        seen.add(name)
        recorder.foreign.append(traits)
        return Told(name, traits)

    @functools.cache
    def overheard(kind: type[BaseChatModel]) -> type[BaseChatModel]:
        return overhearing(kind, telling, recorder, title=kind.__name__)

    def double(model: Any) -> Any:
        _refuse_texts(model, recorder.refuse)
        kind: Any = type(model)
        return as_one_of(model.model_copy(update={"cache": False}), overheard(kind))

    return double


def refusing(recorder: Recorder) -> Double:
    """Return what refuses every model: where scripts answer, there is none for those that a specialist brings."""

    def double(model: Any) -> Any:
        name = _named(_asked(model, None, {})) if isinstance(model, BaseChatModel) else type(model).__name__
        rule = f"no stand-in answers for a model of a specialist's own: record it live, or {INSTEAD}"
        raise _refused(name, rule, recorder.refuse)

    return double


def playing(player: Player, seen: set[str], *, onward: Double | None = None) -> Double:
    """Return what makes doubles that answer from a tape.

    Args:
        player: Has the tape.
        seen: The models' names are added to it.
        onward: Makes doubles that answer what is not on the tape, where the player goes on without it.
    """

    def face(model: Any, stop: list[str] | None, given: Mapping[str, Any]) -> PlayedModel:
        asked = _asked(model, stop, given)
        name = _named(asked)
        seen.add(name)
        traits = Traits(provider=asked.provider, model=asked.model, cap=cap_of(asked.settings))
        return PlayedModel.of(name, traits, player, None if onward is None else _Onward(name, onward(model)))

    def double(model: Any) -> Any:
        _refuse_texts(model)
        kind: Any = type(model)
        copy = as_one_of(model.model_copy(update={"cache": False, "rate_limiter": None}), _played(kind))
        held = getattr(copy, "__pydantic_private__", None) or {}
        object.__setattr__(copy, "__pydantic_private__", {**held, FACE: functools.partial(face, model)})
        return copy

    return double


FACE = "_concertino_face"
"""Private attribute of a played double: makes what answers one call."""


class _Onward(ModelSource):
    """A double as what answers where a tape has nothing."""

    def __init__(self, name: str, model: BaseChatModel) -> None:
        super().__init__(name=name, provider="", model=name, make=lambda: model)
        self._built = model

    def build(self) -> BaseChatModel:
        return self.built

    async def on_this_loop(self) -> Outlet:
        return self.in_thread()

    def in_thread(self) -> Outlet:
        return Outlet(self.built)


@functools.lru_cache(maxsize=64)
def _played(kind: Any) -> type[BaseChatModel]:
    """Return a subclass that asks nobody; by its own name, which LangChain tells of."""

    async def agenerate(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with _unretried():
            face: Any = getattr(self, FACE)(stop, kwargs)
            made: ChatResult = await face._agenerate(messages, stop=stop, **kwargs)
            return made

    def generate(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with _unretried():
            face: Any = getattr(self, FACE)(stop, kwargs)
            made: ChatResult = face._generate(messages, stop=stop, **kwargs)
            return made

    async def astream(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        with _unretried():
            face: Any = getattr(self, FACE)(stop, kwargs)
            text = ""
            async for chunk in face._astream(messages, stop=stop, **kwargs):
                text += chunk.text
                yield chunk
            for chunk in _read(text, kwargs):
                yield chunk

    def stream(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        with _unretried():
            face: Any = getattr(self, FACE)(stop, kwargs)
            text = ""
            for chunk in face._stream(messages, stop=stop, **kwargs):
                text += chunk.text
                yield chunk
            yield from _read(text, kwargs)

    base: Any = BaseChatModel
    methods: dict[str, Any] = {"_agenerate": agenerate, "_generate": generate}
    if kind._astream is not base._astream or kind._stream is not base._stream:
        methods |= {"_astream": astream}
    if kind._stream is not base._stream:
        methods |= {"_stream": stream}
    held = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, **marked(kind)}
    held["__annotations__"] = {**held["__annotations__"], FACE: Any}
    return new_class(kind.__name__, (kind,), exec_body=lambda made: made.update(held | methods))


def _read(text: str, given: Mapping[str, Any]) -> Iterator[ChatGenerationChunk]:
    """Yield what a streamed answer says in the form that it was asked for, as OpenAI's client does at its end."""
    form = given.get("response_format")
    if text and isinstance(form, type) and issubclass(form, BaseModel):
        parsed = form.model_validate_json(text)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs={"parsed": parsed}))


@contextmanager
def _unretried() -> Iterator[None]:
    """Raise errors of ours so that LangChain's retries pass them on."""
    try:
        yield
    except ConcertinoError as error:
        raise unretried(error) from error


def _asked(model: Any, stop: list[str] | None, given: Mapping[str, Any]) -> Asked:
    """Return what the guard of foreign models is told of a call, messages aside."""
    settings, about = model._get_invocation_params(stop=stop, **given), model._get_ls_params(stop=stop, **given)
    return Asked(serialized={}, messages=(), settings=settings, metadata=about)


def _named(asked: Asked) -> str:
    return f"{asked.provider or asked.kind}:{asked.model}"


def _refuse_texts(model: Any, note: Callable[[InputError], None] | None = None) -> None:
    """Refuse what is no chat model.

    Raises:
        InputError: it is a model of texts.
    """
    if not isinstance(model, BaseChatModel):
        rule = f"a model of texts is neither recorded nor replayed: take a chat model, or {INSTEAD}"
        raise _refused(type(model).__name__, rule, note)


def _refused(name: str, rule: str, note: Callable[[InputError], None] | None) -> Exception:
    error = InputError(field=f"specialists.{scope_now().partition('/')[0]}", value=name, rule=rule)
    if note is not None:
        note(error)
    return unretried(error)
