"""A governed stream on its way: counted as it comes, cut where the server passes its cap, begun again only unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import add_usage
from langchain_core.outputs import ChatGenerationChunk

from concertino.contracts.errors import ConcertinoError
from concertino.tools.models.request import Meter
from concertino.tools.models.sent import Sent


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a stream came to; without a usage it is charged in full."""

    usage: Any = None


class StreamBroken(RuntimeError):
    """A stream broke off after its first pieces were passed on: it cannot be begun again."""


class Stream:
    """A stream on its way to whoever reads it."""

    def __init__(self, sent: Sent, pass_on: Callable[[ChatGenerationChunk], None]) -> None:
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
        self._is_cut = self._meter.is_over("".join(_said(chunk.message)))
        if self._is_cut:
            end: Any = {"finish_reason": "length"}
            chunk = ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=end), generation_info=end)
        self._pass_on(chunk)
        return self._is_cut

    def ended(self) -> Streamed:
        """Return what it came to."""
        return Streamed(None if self._is_cut else self._usage)

    def broken(self, error: Exception) -> Exception:
        """Return the error of a stream that failed: another attempt can only begin one that nobody has seen."""
        if not self._has_begun or isinstance(error, ConcertinoError):
            return error
        return StreamBroken(f"{type(error).__name__}: {error}")


def _said(message: Any) -> Iterator[str]:
    """Yield the text of a piece: content, reasoning that is shown, and arguments of tool calls."""
    content = message.content
    if isinstance(content, str):
        yield content
    else:
        for block in content:
            if isinstance(block, str):
                yield block
            elif isinstance(block, Mapping):
                yield from (
                    said for name in ("text", "reasoning", "thinking") if isinstance(said := block.get(name), str)
                )
    for call in getattr(message, "tool_call_chunks", None) or ():
        yield from (said for name in ("name", "args") if isinstance(said := call.get(name), str))
