"""What goes over the wire of the loopback server: requests read, replies scripted, bodies and streams written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def cap(self) -> int | None:
        """The output cap on the wire."""
        for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
            if isinstance(self.body.get(name), int):
                return int(self.body[name])
        return None

    @property
    def messages(self) -> list[dict[str, Any]]:
        given = self.body.get("messages", self.body.get("input", []))
        return [{"role": "user", "content": given}] if isinstance(given, str) else given

    @property
    def text(self) -> str:
        """Everything said, as one text."""
        return json.dumps(self.messages, ensure_ascii=False)

    @property
    def is_stream(self) -> bool:
        return bool(self.body.get("stream"))


@dataclass(frozen=True)
class Say:
    """An answer. Billed as told, else at four characters a token; the cap on the wire cuts it unless it is ignored."""

    text: str = ""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    chunks: int = 4
    """Pieces of a stream."""
    ignores_cap: bool = False
    usage: bool = True
    """Whether the usage is told."""
    when: threading.Event | None = None
    """Waited for before anything is sent."""
    cached_tokens: int = 0


@dataclass(frozen=True)
class Fail:
    """An HTTP error."""

    status: int
    retry_after: str | None = None
    message: str = "upstream failed"


@dataclass(frozen=True)
class Cut:
    """A stream that breaks off after some chunks; a plain answer that breaks off in its body."""

    text: str = "one two three four"
    after_chunks: int = 2
    output_tokens: int | None = None


@dataclass(frozen=True)
class Hang:
    """No answer until the server closes. With `head`, the first chunks of a stream come."""

    text: str = ""
    billed: int = 0
    """Output tokens billed all the same."""


@dataclass(frozen=True)
class Slow:
    """Bytes that mean nothing, one at a time, until the client goes away: no read of it ever times out."""

    tick_s: float = 0.005
    billed: int = 0
    """Output tokens billed all the same."""


@dataclass(frozen=True)
class Pour:
    """A stream of one token a piece that heeds no cap, billed as it is sent, until the client goes away."""

    most: int = 100_000
    tick_s: float = 0.001
    piece: str = "word"


@dataclass(frozen=True)
class Refuse:
    """The model's refusal, in the protocol's own field."""

    text: str = "I cannot help with that."


@dataclass(frozen=True)
class Malformed:
    """A body that is no JSON, or not the protocol's."""

    raw: str = '{"choices": [{"mess'


Reply = Say | Fail | Cut | Hang | Slow | Pour | Refuse | Malformed


def _usage(tokens: tuple[int, int], cached: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "total_tokens": sum(tokens),
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _calls(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(dict(arguments))}}
        for n, (name, arguments) in enumerate(calls)
    ]


def chat(said: Say, tokens: tuple[int, int] | None, refusal: bool, length: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if refusal else said.text}
    if refusal:
        message["refusal"] = said.text
    if said.tool_calls:
        message["tool_calls"] = _calls(said.tool_calls)
    reason = "tool_calls" if said.tool_calls else "length" if length else "stop"
    made = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    }  # fmt: skip
    return made if tokens is None else {**made, "usage": _usage(tokens, said.cached_tokens)}


def _pieces(text: str, chunks: int) -> list[str]:
    size = max(1, -(-len(text) // max(1, chunks)))
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]


def chat_stream(
    text: str,
    chunks: int,
    calls: Sequence[tuple[str, Mapping[str, Any]]] | None,
    tokens: tuple[int, int] | None,
    length: bool = False,
) -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }  # fmt: skip

    for piece in _pieces(text, chunks):
        yield chunk({"role": "assistant", "content": piece})
    for n, call in enumerate(_calls(calls or ())):
        yield chunk({"tool_calls": [{"index": n, **call}]})
    yield chunk({}, "tool_calls" if calls else "length" if length else "stop")
    if tokens is not None:
        yield {**chunk({}), "choices": [], "usage": _usage(tokens)}


def response(said: Say, tokens: tuple[int, int] | None, refusal: bool, length: bool) -> dict[str, Any]:
    part = (
        {"type": "refusal", "refusal": said.text}
        if refusal
        else {"type": "output_text", "text": said.text, "annotations": []}
    )
    output: list[dict[str, Any]] = [
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    ]
    output += [
        {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": name, "status": "completed",
         "arguments": json.dumps(dict(arguments))}
        for n, (name, arguments) in enumerate(said.tool_calls)
    ]  # fmt: skip
    made: dict[str, Any] = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": output, "parallel_tool_calls": True,
        "tool_choice": "auto", "tools": [], "status": "incomplete" if length else "completed", "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if length else None, "instructions": None, "metadata": {},
    }  # fmt: skip
    if tokens is not None:
        made["usage"] = {
            "input_tokens": tokens[0], "output_tokens": tokens[1], "total_tokens": sum(tokens),
            "input_tokens_details": {"cached_tokens": said.cached_tokens}, "output_tokens_details": {"reasoning_tokens": 0},
        }  # fmt: skip
    return made


def response_stream(said: Say, tokens: tuple[int, int] | None, length: bool) -> Iterator[dict[str, Any]]:
    whole = response(said, tokens, False, length)
    numbers = iter(range(1_000))

    def event(kind: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "sequence_number": next(numbers), **more}

    yield event("response.created", response={**whole, "output": [], "status": "in_progress", "usage": None})
    for index, item in enumerate(whole["output"]):
        yield event("response.output_item.added", output_index=index, item={**item, "content": []})
        if item["type"] == "message":
            where = {"item_id": item["id"], "output_index": index, "content_index": 0}
            yield event("response.content_part.added", **where, part={**item["content"][0], "text": ""})
            for piece in _pieces(said.text, said.chunks):
                yield event("response.output_text.delta", **where, delta=piece, logprobs=[])
            yield event("response.output_text.done", **where, text=said.text, logprobs=[])
            yield event("response.content_part.done", **where, part=item["content"][0])
        else:
            where = {"item_id": item["id"], "output_index": index}
            yield event("response.function_call_arguments.delta", **where, delta=item["arguments"])
            yield event("response.function_call_arguments.done", **where, arguments=item["arguments"])
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.incomplete" if length else "response.completed", response=whole)
