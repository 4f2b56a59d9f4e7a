"""Upper bounds of a request's input tokens: by tiktoken where its encoding can be had, else by bytes.

Byte-level encodings make no token of less than one byte, so the UTF-8 length bounds every text. What a chat format adds
for each message and reply is bounded by more than twice OpenAI's published recipe (3 a message, 1 a name, 3 a reply).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass
from typing import Any

from concertino.contracts.errors import InputError
from concertino.tools import threads

PER_MESSAGE, PER_REQUEST, PER_TOOL = 8, 16, 16
"""Tokens added for each message, request and tool; chosen by hand above the recipe."""
PATIENCE_S = 2.0
"""Seconds that fetching an encoding may take before bytes are counted instead; chosen by hand."""
EXACT_CHARS = 100_000
"""Longer texts are bounded by their bytes: encoding them takes tenths of a second. Chosen by hand."""
BYTES = "bytes"
COUNTED_BLOCKS = frozenset({"text", "input_text", "output_text", "refusal", "reasoning", "thinking", "tool_use",
                            "tool_call", "tool_result", "function_call", "non_standard"})  # fmt: skip
"""Content blocks that are text, whatever their key; the tokens of pictures, sounds and files follow no public rule."""

_encodings: dict[str, Callable[[str], int] | None] = {}
"""Counting functions by encoding; `None` where one could not be had."""
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Bounds requests to one model."""

    name: str = BYTES
    """`tiktoken:<encoding>` or `bytes`, for the run's record."""
    count: Callable[[str], int] | None = None

    @property
    def is_exact(self) -> bool:
        """Whether texts are counted in the model's own encoding."""
        return self.count is not None

    def text(self, text: str) -> int:
        """Return an upper bound of a text's tokens."""
        if self.count is not None and len(text) <= EXACT_CHARS:
            return self.count(text)
        return len(text.encode("utf-8", "surrogatepass"))

    def bound(self, messages: Iterable[Any], tools: Sequence[Any] | None = None, **settings: Any) -> int:
        """Return an upper bound of the input tokens of LangChain messages, tool schemas and response formats.

        Raises:
            InputError: a message has a picture, sound or file, whose tokens nobody can bound.
        """
        tokens = PER_REQUEST
        for message in messages:
            tokens += PER_MESSAGE + self._content(message.content)
            for extra in (getattr(message, "name", None), getattr(message, "tool_call_id", None)):
                tokens += self.text(extra) + 1 if extra else 0
            calls = getattr(message, "tool_calls", None)
            tokens += _size(calls) if calls else 0
            more = getattr(message, "additional_kwargs", None)
            tokens += _size(more) if more else 0
        tokens += sum(PER_TOOL + _size(tool) for tool in tools or ())
        return tokens + sum(_size(value) for value in settings.values() if value is not None)

    def _content(self, content: Any) -> int:
        if isinstance(content, str):
            return self.text(content)
        tokens = 0
        for block in content:
            if isinstance(block, str):
                tokens += self.text(block)
            elif isinstance(block, Mapping) and block.get("type") in COUNTED_BLOCKS:
                tokens += _size(block)
            else:
                kind = block.get("type") if isinstance(block, Mapping) else type(block).__name__
                raise InputError(
                    field="messages.content", value=kind, rule="only text can be bounded before it is sent to a model"
                )
        return tokens


def _size(value: Any) -> int:
    """Return the bytes of anything written as JSON."""
    return len(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass"))


async def load_counter(provider: str, model: str) -> TokenCounter:
    """Return a model's counter; an encoding is fetched once, in a thread, for at most `PATIENCE_S`."""
    name = _encoding_of(provider, model)
    if name is not None and name not in _encodings:
        call = threads.submit(lambda: _fetch(name))
        waiting = asyncio.wrap_future(call)
        done, _ = await asyncio.wait({waiting}, timeout=PATIENCE_S)
        if not done:
            waiting.cancel()
            threads.abandon(call)
        _keep(name, waiting.result() if done else None)
    return counter_now(provider, model)


def load_counter_blocking(provider: str, model: str) -> TokenCounter:
    """Do as `load_counter`, in a plain thread."""
    name = _encoding_of(provider, model)
    if name is not None and name not in _encodings:
        call = threads.submit(lambda: _fetch(name))
        futures.wait((call,), PATIENCE_S)
        if not call.done():
            threads.abandon(call)
        _keep(name, call.result() if call.done() else None)
    return counter_now(provider, model)


def counter_now(provider: str, model: str) -> TokenCounter:
    """Return a model's counter with what has been fetched so far; never waits."""
    name = _encoding_of(provider, model)
    count = _encodings.get(name) if name is not None else None
    return TokenCounter(f"tiktoken:{name}", count) if count is not None else TokenCounter()


def _keep(name: str, count: Callable[[str], int] | None) -> None:
    with _lock:
        _encodings.setdefault(name, count)


def _encoding_of(provider: str, model: str) -> str | None:
    """Return the encoding of an OpenAI model; `None` for others, and without tiktoken."""
    if provider != "openai":
        return None
    try:
        from tiktoken.model import encoding_name_for_model

        return encoding_name_for_model(model)
    except (ImportError, KeyError):
        return None


def _fetch(name: str) -> Callable[[str], int] | None:
    """Return the counting function of an encoding; `None` where its file cannot be had, for whatever reason."""
    import tiktoken

    try:
        encoding = tiktoken.get_encoding(name)
    except Exception:  # noqa: BLE001 - network, cache folder, checksum: bytes are counted instead, and the record says so
        return None
    return lambda text: len(encoding.encode(text, disallowed_special=()))
