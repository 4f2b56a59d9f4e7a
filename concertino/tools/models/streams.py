"""A governed stream on its way: cut where it has passed its cap beyond doubt, begun again only unseen.

A stream's pieces are no tokens: one may hold several, or a part of one. What guarantees the cap is the cap on the wire; a
stream is cut only where no server that keeps it can have sent what came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGenerationChunk

from concertino.contracts.errors import ConcertinoError
from concertino.tools.models.sent import Sent
from concertino.tools.models.tokens import TokenCounter

LONGEST_TOKEN_BYTES = 128
"""Bytes that one token has at most. Source: the vocabulary of o200k_base, whose longest tokens are runs of so many bytes;
taken for all that are not known."""
SLACK_TOKENS, SLACK_SHARE = 8, 16
"""Tokens, and the part of a cap, by which a count may pass it: a model may have written other tokens than its encoding
makes of the same text, and the text of the last may be cut in a character. Chosen by hand."""
COUNTED_CHARS = 4_000
"""Characters that are counted together; counting them takes a millisecond. Chosen by hand."""


class Meter:
    """Knows how many tokens a stream has had at least, and at most. Of all answers together, where there are several."""

    def __init__(self, counter: TokenCounter, cap: int) -> None:
        self._count, self._cap = counter.count, cap
        self._most_counted = cap + cap // SLACK_SHARE + SLACK_TOKENS
        self._bytes = self._told = 0
        self._sure = self._latest = 0
        """Tokens of the texts that were counted for good, and of the open one when it was counted last."""
        self._open = ""
        self._uncounted = 0
        """Bytes of the open text since then: no text has more tokens than bytes."""

    def report(self, output_tokens: int) -> None:
        """Take in what the server says that it has come to."""
        self._told = max(self._told, output_tokens)

    def is_over(self, text: str) -> bool:
        """Take in a piece; say whether the stream has passed its cap, which a server that keeps it never does.

        By what it reported before, by a count in the model's own encoding, else by the longest tokens that there are.
        """
        if not text:
            return False
        size = len(text.encode("utf-8", "surrogatepass"))
        self._bytes += size
        if self._told > self._cap:
            return True
        if self._count is None:
            return self._bytes > self._cap * LONGEST_TOKEN_BYTES
        return self._counts(text, size)

    @property
    def most(self) -> int:
        """The tokens that its text has had at most, as far as anybody knows."""
        counted = self._bytes if self._count is None else self._sure + self._latest + self._uncounted
        return max(self._told, counted)

    def _counts(self, text: str, size: int) -> bool:
        assert self._count is not None
        self._open += text
        self._uncounted += size
        if self._sure + self._latest + self._uncounted <= self._most_counted and len(self._open) < COUNTED_CHARS:
            return False
        self._latest, self._uncounted = self._count(self._open), 0
        if len(self._open) >= COUNTED_CHARS:
            self._sure, self._latest, self._open = self._sure + self._latest, 0, ""
        return self._sure + self._latest > self._most_counted


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a stream came to; without a usage it is charged in full."""

    usage: Any = None


class StreamBroken(RuntimeError):
    """A stream broke off after its first pieces were passed on: it cannot be begun again."""


class Stream:
    """A stream on its way to whoever reads it."""

    def __init__(self, sent: Sent, pass_on: Callable[[ChatGenerationChunk], None]) -> None:
        self._sent, self._pass_on = sent, pass_on
        self._choices = sent.request.choices
        self._meter = Meter(sent.counter, sent.cap * self._choices)
        self._usage: UsageMetadata | None = None
        self._has_begun = self._is_cut = False

    def takes(self, chunk: ChatGenerationChunk) -> bool:
        """Pass a piece on; say whether the stream has to be cut after it."""
        self._has_begun = True
        self._is_cut = self._meter.is_over("".join(_said(chunk.message)))
        usage = getattr(chunk.message, "usage_metadata", None)
        if usage:
            self._usage = _together(self._usage, usage)
            self._meter.report(usage.get("output_tokens", 0))
        if self._is_cut:
            end: Any = {"finish_reason": "length"}
            chunk = ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=end), generation_info=end)
        self._pass_on(chunk)
        return self._is_cut

    def ended(self) -> Streamed:
        """Return what it came to. One that was cut is charged as if all that it can have had had been asked for."""
        if not self._is_cut:
            return Streamed(self._usage)
        self._sent.cap = max(self._sent.cap, -(-self._meter.most // self._choices))
        return Streamed(None)

    def broken(self, error: Exception) -> Exception:
        """Return the error of a stream that failed: another attempt can only begin one that nobody has seen."""
        if not self._has_begun or isinstance(error, ConcertinoError):
            return error
        return StreamBroken(f"{type(error).__name__}: {error}")


def _together(before: UsageMetadata | None, usage: UsageMetadata) -> UsageMetadata:
    """Return the usage of what came so far: input that is told again means that a report takes in those before it."""
    if before is None:
        return usage
    if before.get("input_tokens") and usage.get("input_tokens"):
        return max(before, usage, key=lambda one: one.get("output_tokens", 0))
    return add_usage(before, usage)


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
