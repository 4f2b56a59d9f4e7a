"""Requests are bounded from above, and no run waits for an encoding that cannot be had."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from concertino.contracts.errors import InputError
from concertino.tools import threads
from concertino.tools.models import tokens
from concertino.tools.models.tokens import Encodings, TokenCounter, counter_now, load_counter

BYTES = TokenCounter()
WORDS = TokenCounter("tiktoken:words", lambda text: len(text.split()))


@given(text=st.text(st.characters()), more=st.text())
def test_bytes_bound_every_text(text: str, more: str) -> None:
    """A byte-level encoding has no token of less than a byte, lone surrogates included; more text is no less."""
    assert BYTES.text(text) >= len(text)
    assert BYTES.bound([HumanMessage(text + more)]) >= BYTES.bound([HumanMessage(text)]) >= BYTES.text(text)


def test_everything_that_is_sent_counts() -> None:
    """Roles and frames, names, tool calls and their results, tool schemas, response formats."""
    bare = BYTES.bound([HumanMessage("hello")])
    call = {"name": "look", "args": {"place": "somewhere"}, "id": "call_1"}
    tool = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {}}}
    assert bare >= len("hello") + 3 + 3
    assert BYTES.bound([HumanMessage("hello", name="anna")]) >= bare + 4 + 1
    assert BYTES.bound([AIMessage("hello", tool_calls=[call])]) >= bare + len("look" + '{"place": "somewhere"}')
    assert BYTES.bound([ToolMessage("hello", tool_call_id="call_1")]) >= bare + len("call_1")
    assert BYTES.bound([HumanMessage("hello")], [tool]) >= bare + len("look" + "Looks.")
    assert BYTES.bound([HumanMessage("hello")], response_format={"type": "json_schema"}) > bare
    assert BYTES.bound([SystemMessage("a"), HumanMessage("hello")]) >= bare + 1 + 3


def test_blocks_of_text_are_counted() -> None:
    """In the forms in which messages of several parts have them."""
    parts: list[Any] = ["hello", {"type": "text", "text": "well"}, {"type": "reasoning", "reasoning": "hm"}]
    assert BYTES.bound([AIMessage(parts)]) >= len("hello" + "well" + "hm")


@pytest.mark.parametrize("kind", ["image_url", "image", "input_audio", "audio", "file", "video", "document"])
def test_what_is_no_text_is_refused(kind: str) -> None:
    """How many tokens a picture, sound or file is follows no public rule."""
    with pytest.raises(InputError) as caught:
        BYTES.bound([HumanMessage([{"type": kind, "data": "x"}])])
    assert kind in caught.value.value


def test_a_tool_of_the_providers_own_is_refused() -> None:
    """What a web search reads is on the bill, and not in the request."""
    with pytest.raises(InputError, match="web_search"):
        BYTES.bound([HumanMessage("hello")], [{"type": "web_search"}])


def test_an_encoding_counts_short_texts_and_bytes_long_ones() -> None:
    """Encoding a very long text takes too long for the loop that waits for it."""
    assert WORDS.text("one two three") == 3
    assert WORDS.text("a " * tokens.EXACT_CHARS) == 2 * tokens.EXACT_CHARS


class Fetching:
    """Stands for the network."""

    def __init__(self, result: Callable[[str], int] | None) -> None:
        self.result, self.calls = result, 0
        self.may_end = threading.Event()

    def __call__(self, name: str) -> Callable[[str], int] | None:
        self.calls += 1
        self.may_end.wait()
        return self.result


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Fetching:
    made = Fetching(lambda text: len(text.split()))
    monkeypatch.setattr(tokens, "encodings", Encodings(made))
    monkeypatch.setattr(tokens, "_encoding_of", lambda provider, model: "o200k_base" if provider == "openai" else None)
    return made


async def test_an_encoding_that_can_be_had_is_used(network: Fetching) -> None:
    """It is fetched once, whoever asks, and the record says so."""
    network.may_end.set()
    found = await asyncio.gather(*(load_counter("openai", "gpt-5-mini") for _ in range(8)))
    assert "tiktoken:o200k_base" in {one.name for one in found}
    assert counter_now("openai", "gpt-5-mini").name == counter_now("openai", "gpt-5").name
    assert counter_now("openai", "gpt-5-mini").text("one two") == 2
    assert network.calls == 1


async def test_a_network_that_hangs_delays_nobody_twice(network: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to ask waits a bounded time, others not at all; it does not count as leaked, and may yet come."""
    leaked = threads.leaked()
    monkeypatch.setattr(tokens, "PATIENCE_S", 0.01)
    assert (await load_counter("openai", "gpt-5-mini")).name == "bytes"
    monkeypatch.setattr(tokens, "PATIENCE_S", 1e9)
    assert (await load_counter("openai", "gpt-5-mini")).name == "bytes"
    assert (network.calls, threads.leaked()) == (1, leaked)
    network.may_end.set()
    while (late := counter_now("openai", "gpt-5-mini")).name == "bytes":
        await asyncio.sleep(0)
    assert late.name == "tiktoken:o200k_base"


async def test_a_failed_fetch_is_remembered(network: Fetching) -> None:
    """Bytes are counted from then on."""
    network.result = None
    network.may_end.set()
    assert (await load_counter("openai", "gpt-5-mini")).name == "bytes"
    assert (await load_counter("openai", "gpt-5-mini")).name == "bytes"
    assert network.calls == 1


async def test_other_providers_are_counted_by_bytes(network: Fetching) -> None:
    """Their encodings are not tiktoken's."""
    assert (await load_counter("anthropic", "claude-x")).name == "bytes"
    assert network.calls == 0


@pytest.mark.parametrize(
    ("model", "encoding"), [("gpt-5-mini", "o200k_base"), ("gpt-4", "cl100k_base"), ("my-own", None)]
)
def test_tiktoken_says_whose_encoding_it_is(model: str, encoding: Any) -> None:
    """By its own list of models."""
    assert tokens._encoding_of("openai", model) == encoding
