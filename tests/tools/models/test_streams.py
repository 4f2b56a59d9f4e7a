"""A stream is cut where it has passed its cap beyond doubt, and nowhere else."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from concertino.contracts.budget import Budget
from concertino.tools.models.streams import COUNTED_CHARS, LONGEST_TOKEN_BYTES, Meter
from concertino.tools.models.tokens import TokenCounter
from tests.loopback.openai_server import OpenAIServer, Say
from tests.tools.models.foreign_world import Capped
from tests.tools.models.governing import Governing, client

FOURS = TokenCounter("tiktoken:fours", lambda text: -(-len(text) // 4))
"""An encoding whose tokens are four characters each."""
PIECES = st.lists(st.text(max_size=40), max_size=60)


@given(PIECES, st.integers(1, 50))
def test_text_that_may_keep_the_cap_is_never_cut(pieces: list[str], cap: int) -> None:
    """However it is cut into pieces, only more bytes than the longest tokens have prove anything."""
    meter, size = Meter(TokenCounter(), cap), 0
    for piece in pieces:
        size += len(piece.encode())
        assert meter.is_over(piece) == bool(piece and size > cap * LONGEST_TOKEN_BYTES)
    assert meter.most == size


@given(st.integers(1, 3_000), st.integers(1, 9), st.integers(0, 200))
def test_a_count_in_the_models_encoding_cuts_soon(cap: int, length: int, more: int) -> None:
    """No piece within the cap is cut, whatever pieces its tokens come in; soon after it all are, and what came is known."""
    meter = Meter(FOURS, cap)
    for at in range(0, 4 * cap, length):
        assert not meter.is_over("x" * min(length, 4 * cap - at))
    assert cap <= meter.most
    late = cap // 16 + 8 + 1 + more
    assert any(meter.is_over("xxxx") for _ in range(late))
    assert meter.most > cap


def test_long_answers_are_counted_in_parts() -> None:
    """Each part once, and the open one again only where it may have passed the cap since."""
    counted: list[int] = []

    def count(text: str) -> int:
        counted.append(len(text))
        return -(-len(text) // 4)

    meter = Meter(TokenCounter("tiktoken:fours", count), 30_000)
    assert not any(meter.is_over("word") for _ in range(30_000))
    assert len(counted) < 60
    assert max(counted) <= COUNTED_CHARS


def test_what_the_server_says_is_believed_when_more_follows() -> None:
    """A report at the end cuts nothing: there is nothing left to cut."""
    meter = Meter(TokenCounter(), 10)
    assert not meter.is_over("some text")
    meter.report(11)
    assert not meter.is_over("")
    assert meter.is_over("more")
    assert meter.most == len("some textmore")


@pytest.mark.parametrize("how", ["astream", "stream"])
async def test_single_characters_are_no_tokens(how: str) -> None:
    """A server that keeps its cap of 100 tokens, and sends them a character at a time, is read to its end."""
    with OpenAIServer(Say("abc" * 100, input_tokens=20, output_tokens=100, chunks=300)) as server:
        run = Governing(Budget(tokens=500))
        model = run.model(client(server, max_tokens=100))
        if how == "astream":
            text = "".join([chunk.text async for chunk in model.astream("hi")])
        else:
            text = await asyncio.to_thread(lambda: "".join(chunk.text for chunk in model.stream("hi")))
        assert text == "abc" * 100
        assert run.tokens == server.billed.tokens == 120


class Told(Capped):
    """A model that streams what it is given, with the usage that comes with it."""

    pieces: list[tuple[str, int, int]]
    n: int = 1

    def _stream(self, *asked: Any, **settings: Any) -> Iterator[ChatGenerationChunk]:
        for text, inputs, outputs in self.pieces:
            usage = UsageMetadata(input_tokens=inputs, output_tokens=outputs, total_tokens=inputs + outputs)
            told = usage if inputs or outputs else None
            yield ChatGenerationChunk(message=AIMessageChunk(content=text, usage_metadata=told))


def read(run: Governing, model: Told, **options: Any) -> str:
    return "".join(chunk.text for chunk in run.model(model, **options).stream("hi"))


SUMS = {
    "as it grows": [("a", 20, 10), ("b", 20, 20), ("c", 20, 30)],
    "in parts": [("a", 20, 0), ("b", 0, 10), ("c", 0, 20)],
    "at the end": [("a", 0, 0), ("b", 0, 0), ("c", 20, 30)],
}


@pytest.mark.parametrize("told", SUMS)
def test_reports_of_a_stream_come_to_its_usage(told: str) -> None:
    """Whether each takes in those before it, or only what came since."""
    run = Governing(Budget(tokens=5_000))
    assert read(run, Told(responses=[], pieces=SUMS[told])) == "abc"
    assert run.tokens == 50
    assert run.breaches() == []


def test_what_is_reported_over_the_cap_ends_the_stream_and_is_charged() -> None:
    """The server says on its way that it heeds none: no more is read, and the overrun is on the record."""
    run = Governing(Budget(tokens=5_000))
    assert read(run, Told(responses=[], pieces=[("a", 20, 200), ("b", 20, 300)])) == "a"
    [breach] = run.breaches()
    assert breach["used"]["tokens"] - breach["held"]["tokens"] == 300 - 50
    assert breach["used"]["tokens"] == run.tokens


def test_answers_that_come_together_have_a_cap_each() -> None:
    """Two answers of 50 tokens may be 100 together."""
    text = "x" * 4 * 50
    pieces = [(text, 0, 0), (text, 20, 100)]
    run = Governing(Budget(tokens=5_000))
    assert read(run, Told(responses=[], pieces=pieces, n=2), counter=FOURS) == 2 * text
    assert run.tokens == 120


def test_a_stream_that_is_cut_is_charged_by_its_text() -> None:
    """By the count in the model's encoding, else byte by byte, which covers whatever tokens these were."""
    for counter, most in ((FOURS, 50 + 50 // 16 + 8 + 1), (TokenCounter(), 50 * LONGEST_TOKEN_BYTES + 4)):
        run = Governing(Budget(tokens=5_000))
        text = read(run, Told(responses=[], pieces=[("word", 0, 0)] * 10_000), counter=counter)
        [breach] = run.breaches()
        assert breach["used"]["tokens"] - breach["held"]["tokens"] == most - 50
        assert len(text) // 4 <= most
