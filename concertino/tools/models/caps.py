"""Output caps of models that are not ours: read from what a call was given, and looked for before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import unwrap
from types import CodeType, FunctionType, MethodType
from typing import Any

from concertino.contracts.errors import InputError, SetupError
from concertino.tools.models.own import GOVERNED
from concertino.tools.models.tokens import refuse_provider_tools

CAPS = frozenset({
    "max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens_to_sample", "max_new_tokens", "num_predict",
    "maxTokens", "maxOutputTokens", "max_gen_len", "n_predict",
})  # fmt: skip
"""What providers call the bound of an answer's tokens."""
CHOICES = frozenset({"n", "best_of", "candidate_count", "candidateCount", "num_return_sequences"})
"""What providers call the number of answers to one request; each is billed."""
NESTED = frozenset({
    "extra_body", "model_kwargs", "options", "generation_config", "generationConfig", "inferenceConfig",
})  # fmt: skip
"""Settings that hold further settings."""
ELSEWHERE = frozenset({"previous_response_id", "conversation", "prompt_id", "cached_content", "web_search_options"})
"""Settings that make the provider read what is not in the request, and bill it."""
FIX = "set max_tokens on the model, or allow models without an output cap"
MOST_OBJECTS = 20_000
"""Objects looked at in one specialist for the models in it; chosen by hand."""
OWN_PLACES = ("site-packages", "dist-packages")


def cap_of(settings: Mapping[str, Any]) -> int | None:
    """Return the largest output cap among a call's settings, nested ones included; `None` without one.

    The largest, because which of two a provider heeds is not ours to say. Below 1 is no cap: `-1` is Ollama's "endless".
    """
    return max(_whole(settings, CAPS), default=None)


def choices_of(settings: Mapping[str, Any]) -> int:
    """Return how many answers are billed, at least 1."""
    return max(_whole(settings, CHOICES), default=1)


def refuse_unbounded(settings: Mapping[str, Any]) -> None:
    """Refuse a call whose input is not all in the request.

    Raises:
        InputError: a setting or a tool of the provider's own, which reads more than it is sent.
    """
    for part in _parts(settings):
        for name in ELSEWHERE & part.keys():
            if part[name]:
                raise InputError(
                    field=f"model.{name}", value=part[name], rule="reads what is not in the request; cannot be bounded"
                )
        refuse_provider_tools(part.get("tools") or ())


def _whole(settings: Mapping[str, Any], names: frozenset[str]) -> Iterator[int]:
    for part in _parts(settings):
        for name in names & part.keys():
            value = part[name]
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                yield value


def _parts(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield settings
    for name in NESTED & settings.keys():
        inner = settings[name]
        if isinstance(inner, Mapping):
            yield from _parts(inner)


@dataclass(frozen=True, slots=True)
class Found:
    """A chat model inside a specialist, with what is bound to it."""

    model: Any
    settings: Mapping[str, Any]

    @property
    def is_governed(self) -> bool:
        """Whether it is one of ours."""
        return getattr(self.model, "_llm_type", None) == GOVERNED

    @property
    def cap(self) -> int | None:
        """Its output cap; `None` without one."""
        return cap_of(self.model._get_invocation_params(**self.settings))


def check_cap(model: Any, field: str, *, allow_uncapped: bool = False) -> None:
    """Refuse a chat model (or a `Found`) without an output cap of its own; ours are capped on the wire.

    Raises:
        SetupError: it sets none.
    """
    found = model if isinstance(model, Found) else Found(model, {})
    if allow_uncapped or found.is_governed or not hasattr(found.model, "_get_invocation_params"):
        return
    if found.cap is None:
        name = getattr(found.model, "model_name", None) or getattr(found.model, "model", None)
        said = f"{type(found.model).__name__}({name})" if isinstance(name, str) else type(found.model).__name__
        raise SetupError(field=field, value=said, rule=f"sets no output cap: {FIX}")


def find_models(body: object) -> tuple[Found, ...]:
    """Return the chat models that can be seen in an agent, chain, compiled graph, middleware or function.

    Looked into are attributes, collections, closures, defaults and the globals that a function names, save those of
    installed packages. A model that is made while the specialist works is not seen; the guard refuses it at its call.
    """
    found: list[Found] = []
    seen: set[int] = set()
    left: list[tuple[object, Mapping[str, Any]]] = [(body, {})]
    while left and len(seen) < MOST_OBJECTS:
        one, settings = left.pop()
        if id(one) in seen or isinstance(one, _PLAIN):
            continue
        seen.add(id(one))
        if hasattr(type(one), "_get_invocation_params"):
            found.append(Found(one, settings))
            continue
        bound = getattr(one, "kwargs", None) if hasattr(type(one), "with_config") and hasattr(one, "bound") else None
        inner = {**settings, **bound} if isinstance(bound, Mapping) else settings
        left += ((part, inner) for part in _inside(one))
    return tuple(found)


_PLAIN = (str, bytes, int, float, complex, bool, type(None), type, CodeType)


def _inside(one: object) -> Iterator[object]:
    if isinstance(one, Mapping):
        yield from one.values()
    elif isinstance(one, list | tuple | set | frozenset):
        yield from one
    elif isinstance(one, partial):
        yield from (one.func, *one.args, *one.keywords.values())
    elif isinstance(one, MethodType):
        yield from (one.__self__, one.__func__)
    elif isinstance(one, FunctionType):
        yield from _reached(one)
    elif _is_package(one):
        return
    else:
        yield from _attributes(one)


def _reached(function: FunctionType) -> Iterator[object]:
    """Yield what a function can reach by name."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue  # not filled yet
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    wrapped = unwrap(function)
    if wrapped is not function:
        yield wrapped
    if not any(place in function.__code__.co_filename for place in OWN_PLACES):
        yield from (function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_package(one: object) -> bool:
    return isinstance(one, type(FunctionType)) or type(one).__name__ == "module"


def _attributes(one: object) -> Iterator[object]:
    held = getattr(one, "__dict__", None)
    if isinstance(held, dict):
        yield from held.values()
    for kind in type(one).__mro__:
        slots: Callable[[], object] | object = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots if isinstance(slots, tuple | list) else ():
            if isinstance(name, str) and name not in ("__dict__", "__weakref__"):
                value = getattr(one, name, None)
                if value is not None:
                    yield value
