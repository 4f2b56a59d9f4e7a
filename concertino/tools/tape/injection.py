"""Faults put into a replayed world: what a recorded call answers instead of what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from concertino.contracts.json import JsonObject
from concertino.tools.tape.failures import HANGS
from concertino.tools.tape.lines import Line

InjectionKind = Literal["429", "500", "timeout", "cut", "bad_json", "refuse", "hang"]
REFUSAL = "I cannot help with that."
CUT_SHARE = 0.5
"""How much of an answer comes before it is cut, on average; chosen by hand."""


@dataclass(frozen=True, slots=True)
class Injection:
    """What happens to one call."""

    what: InjectionKind
    seed: int = 0
    retry_after: float | None = None
    """Seconds, of a 429 or 500."""


class Called(NamedTuple):
    """A call that somebody makes, as those who choose faults see it."""

    kind: str
    name: str
    scope: str
    n: int
    """Which call of its scope, every attempt counted."""
    place_n: int
    """Which call of this kind in its scope."""


Inject = Callable[[Called], Injection | None]

_FAILURES: dict[str, JsonObject] = {
    "429": {"kind": "status", "type": "RateLimitError", "message": "injected: 429 too many requests", "status": 429},
    "500": {"kind": "status", "type": "InternalServerError", "message": "injected: 500 server error", "status": 500},
    "timeout": {"kind": "timeout", "type": "TimedOut", "message": "injected: no answer in time"},
    "hang": {"kind": HANGS},
}
_CUT: JsonObject = {"kind": "dropped", "type": "APIConnectionError", "message": "injected: the connection broke"}


def answers(injection: Injection) -> bool:
    """Say whether the call is answered all the same, if badly: then its recorded answer counts as given."""
    return injection.what in ("bad_json", "refuse", "cut")


def damaged(line: Line, injection: Injection, *, is_stream: bool) -> Line:
    """Return a recorded call as it goes with a fault."""
    failure = _FAILURES.get(injection.what)
    if failure is not None:
        told = failure if injection.retry_after is None else {**failure, "retry_after": injection.retry_after}
        return replace(line, response=None, error=told, chunks=None, usage=None)
    chance = Random(f"{injection.seed}.{line.scope}.{line.n}")  # noqa: S311 - to be repeatable is the point
    if injection.what == "cut":
        return _cut(line, chance, is_stream=is_stream)
    if injection.what == "refuse":
        return _refused(line)
    return _spoilt(line, chance)


def _cut(line: Line, chance: Random, *, is_stream: bool) -> Line:
    share = CUT_SHARE * (0.5 + chance.random())
    if is_stream and line.chunks is not None:
        kept = line.chunks[: max(1, int(len(line.chunks) * share))]
        return replace(line, response=None, error=_CUT, chunks=kept, usage=None, took=kept[-1][0])
    if line.kind != "model" or is_stream or line.response is None:
        return replace(line, response=None, error=_CUT, chunks=None, usage=None, took=line.took * share)
    return ended_early(line, share)


def ended_early(line: Line, share: float) -> Line:
    """Return an answer of which only this share came, as a model's is that ran into its output cap."""
    response: dict[str, Any] = dict(line.response or {})
    content, meta, info = response.get("content"), response.get("meta"), response.get("info")
    if isinstance(content, str):
        response["content"] = content[: int(len(content) * share)]
    calls = response.pop("tool_calls", [])
    if calls:
        response["invalid_tool_calls"] = [
            {"name": one["name"], "args": "{", "id": one["id"], "error": "cut off"} for one in calls
        ]
    response["meta"] = {**(meta or {}), "finish_reason": "length"}
    if info is not None:
        response["info"] = {**info, "finish_reason": "length"}
    usage: dict[str, Any] | None = dict(line.usage) if line.usage else None
    if usage and isinstance(usage.get("output_tokens"), int):
        kept = max(1, int(usage["output_tokens"] * share))
        usage["total_tokens"] = usage.get("input_tokens", 0) + kept
        usage["output_tokens"] = kept
    return replace(line, response=response, usage=usage, chunks=None)


def _refused(line: Line) -> Line:
    if line.kind != "model":
        failure: JsonObject = {"kind": "status", "type": "Forbidden", "message": "injected: refused", "status": 403}
        return replace(line, response=None, error=failure, chunks=None, usage=None)
    response: JsonObject = {"content": "", "more": {"refusal": REFUSAL}, "meta": {"finish_reason": "stop"}}
    chunks = None if line.chunks is None else ((line.took, {"more": {"refusal": REFUSAL}}),)
    return replace(line, response=response, error=None, chunks=chunks)


def _spoilt(line: Line, chance: Random) -> Line:
    """Return an answer whose JSON cannot be read any more: the end of it is missing, somewhere."""
    if line.response is None:
        return line if line.chunks is None else replace(line, chunks=_spoilt_pieces(line.chunks))
    if line.kind != "model":
        return replace(line, response={"value": _half(line.response.get("value"), chance)})
    response: dict[str, Any] = dict(line.response)
    content = response.get("content")
    if isinstance(content, str) and content:
        response["content"] = _half_text(content, chance)
    calls = response.pop("tool_calls", [])
    if calls:
        response["invalid_tool_calls"] = [
            {"name": one["name"], "args": '{"', "id": one["id"], "error": "arguments are not JSON"} for one in calls
        ]
    chunks = None if line.chunks is None else _spoilt_pieces(line.chunks)
    return replace(line, response=response, chunks=chunks)


def _spoilt_pieces(chunks: tuple[tuple[float, object], ...]) -> tuple[tuple[float, object], ...]:
    """Leave out every second piece of text."""
    texts = [at for at, (_, piece) in enumerate(chunks) if isinstance(piece, str)]
    dropped = set(texts[1::2] or texts)
    return tuple(one for at, one in enumerate(chunks) if at not in dropped)


def _half(value: JsonValue, chance: Random) -> JsonValue:
    if isinstance(value, str):
        return _half_text(value, chance)
    if isinstance(value, dict) and value:
        inner = {name: value[name] for name in list(value)[: len(value) // 2]}
        return _half(value["fields"], chance) if "$type" in value and "fields" in value else inner
    return None


def _half_text(text: str, chance: Random) -> str:
    return text[: max(1, int(len(text) * CUT_SHARE * (0.5 + chance.random()))) - 1]
