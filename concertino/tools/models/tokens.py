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
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from concertino.contracts.errors import InputError
from concertino.journal.awaiting import wait
from concertino.tools import threads

PER_MESSAGE, PER_REQUEST, PER_TOOL = 8, 16, 16
"""Tokens added for each message, request and tool; chosen by hand above the recipe."""
PATIENCE_S = 2.0
"""Seconds that fetching an encoding may take before bytes are counted instead; chosen by hand."""
EXACT_CHARS = 100_000
"""Longer texts are bounded by their bytes: encoding them takes tenths of a second. Chosen by hand."""
BYTES = "bytes"
by_bytes: ContextVar[bool] = ContextVar("concertino_tokens_by_bytes", default=False)
"""Set where runs have to be the same on every machine: whether an encoding can be had is not."""
COUNTED_BLOCKS = frozenset({"text", "input_text", "output_text", "refusal", "reasoning", "thinking", "tool_use",
                            "tool_call", "tool_result", "function_call", "non_standard"})  # fmt: skip
"""Content blocks that are text, whatever their key; the tokens of pictures, sounds and files follow no public rule."""
OWN_TOOLS = frozenset({"function", "function_declarations", "toolSpec", "cachePoint"})
"""Keys of a caller's own tools that have neither a type nor a schema beside them."""


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Bounds requests to one model."""

    name: str = BYTES
    """`tiktoken:<encoding>` or `bytes`, for the run's record."""
    count: Callable[[str], int] | None = None

    def text(self, text: str) -> int:
        """Return an upper bound of a text's tokens."""
        if self.count is not None and len(text) <= EXACT_CHARS:
            return self.count(text)
        return len(text.encode("utf-8", "surrogatepass"))

    def bound(self, messages: Iterable[Any], tools: Sequence[Any] | None = None, **settings: Any) -> int:
        """Return an upper bound of the input tokens of LangChain messages, tool schemas and response formats.

        Raises:
            InputError: a picture, sound or file, or a tool of the provider's own: nobody can bound their tokens.
        """
        refuse_provider_tools(tools or ())
        tokens = PER_REQUEST
        for message in messages:
            tokens += PER_MESSAGE + self._content(message.content)
            fields = vars(message)  # as pydantic is slow to say that there is no such field
            for extra in (fields.get("name"), fields.get("tool_call_id")):
                tokens += self.text(extra) + 1 if extra else 0
            calls = fields.get("tool_calls")
            tokens += _size(calls) if calls else 0
            more = fields.get("additional_kwargs")
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


def refuse_provider_tools(tools: Iterable[Any]) -> None:
    """Refuse tools that run at the provider: what they read is on the bill, and not in the request.

    Raises:
        InputError: one is not of the form in which OpenAI, Anthropic, Google or Bedrock are told of a caller's own tool.
    """
    for tool in tools:
        if not isinstance(tool, Mapping) or tool.get("type") in ("function", "custom"):
            continue
        if "input_schema" in tool or "parameters" in tool or set(tool) <= OWN_TOOLS:
            continue
        if "name" in tool and "type" not in tool:  # what runs at a provider is told by its type, or by its own key
            continue
        raise InputError(
            field="model.tools", value=tool.get("type", tool), rule="runs at the provider; its tokens cannot be bounded"
        )


def _size(value: Any) -> int:
    """Return the bytes of anything written as JSON."""
    return len(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass"))


class Encodings:
    """Counting functions by encoding, each fetched once, in a thread that nobody has to wait for."""

    def __init__(self, fetch: Callable[[str], Callable[[str], int] | None]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._fetched: dict[str, futures.Future[Callable[[str], int] | None]] = {}

    def get(self, name: str) -> Callable[[str], int] | None:
        """Return an encoding that is here; `None` where it could not be had, or is still on its way."""
        call = self._fetched.get(name)
        return call.result() if call is not None and call.done() else None

    def fetch(self, name: str) -> futures.Future[Callable[[str], int] | None] | None:
        """Begin to fetch an encoding; `None` when that was begun before, however it went or still goes."""
        with self._lock:
            if name in self._fetched:
                return None
            self._fetched[name] = threads.submit(self._fetch, name)
            return self._fetched[name]


async def load_counter(provider: str, model: str) -> TokenCounter:
    """Return a model's counter. Whoever asks first waits for its encoding, for at most `PATIENCE_S`.

    What could not be had in time is counted by bytes; what comes later, as from a slow network, serves later runs.
    """
    name = _encoding_of(provider, model)
    call = encodings.fetch(name) if name is not None else None
    if call is not None:
        with suppress(TimeoutError):
            await asyncio.wait_for(wait(call), PATIENCE_S)
    return counter_now(provider, model)


def counter_now(provider: str, model: str) -> TokenCounter:
    """Return a model's counter with what has been fetched so far; never waits."""
    name = _encoding_of(provider, model)
    count = encodings.get(name) if name is not None else None
    return TokenCounter(f"tiktoken:{name}", count) if count is not None else TokenCounter()


def _encoding_of(provider: str, model: str) -> str | None:
    return None if by_bytes.get() else _known_encoding(provider, model)


@lru_cache(maxsize=256)
def _known_encoding(provider: str, model: str) -> str | None:
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


encodings = Encodings(_fetch)
