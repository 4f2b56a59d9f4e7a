"""The loopback server, through the real client."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from openai import APIConnectionError, DefaultHttpxClient, InternalServerError, RateLimitError

from tests.loopback.openai_server import Cut, Fail, OpenAIServer, Received, Reply, Say


@pytest.fixture
def http() -> Iterator[DefaultHttpxClient]:
    """Connections that end with the test."""
    with DefaultHttpxClient() as made:
        yield made


def client(server: OpenAIServer, http: DefaultHttpxClient, **settings: Any) -> ChatOpenAI:
    given = {"model": "m", "base_url": server.url, "api_key": "key", "max_retries": 0, "http_client": http}
    return ChatOpenAI(**{**given, **settings})


@pytest.mark.parametrize("settings", [{}, {"use_responses_api": True}])
def test_both_protocols_answer_plain_and_streamed(settings: dict[str, Any], http: DefaultHttpxClient) -> None:
    """Text, tool calls and usage arrive as the client's own."""
    said = Say("one two three", [("look", {"at": "it"})], input_tokens=11, output_tokens=7)
    with OpenAIServer(said) as server:
        model = client(server, http, stream_usage=True, **settings)
        plain, streamed = model.invoke("hi"), None
        for chunk in model.stream("hi"):
            streamed = chunk if streamed is None else streamed + chunk
        assert streamed is not None
        for message in (plain, streamed):
            assert message.text == "one two three"
            assert [(one["name"], one["args"]) for one in message.tool_calls] == [("look", {"at": "it"})]
            assert message.usage_metadata is not None
            assert message.usage_metadata["total_tokens"] == 18
        assert (server.billed.calls, server.billed.tokens) == (2, 36)


def test_cap_is_heeded_and_billed(http: DefaultHttpxClient) -> None:
    """An answer is cut at the cap on the wire, unless the server ignores it."""
    with OpenAIServer(
        [Say("x" * 400, output_tokens=100), Say("x" * 400, output_tokens=100, ignores_cap=True)]
    ) as server:
        model = client(server, http, max_tokens=30)
        assert model.invoke("hi").response_metadata["finish_reason"] == "length"
        assert server.billed.output_tokens == 30
        model.invoke("hi")
        assert server.billed.output_tokens == 130


@pytest.mark.parametrize(
    ("reply", "error"),
    [(Fail(429, retry_after="3"), RateLimitError), (Fail(500), InternalServerError), (Cut(), APIConnectionError)],
)
def test_failures_are_the_clients_own(reply: Reply, error: type[Exception], http: DefaultHttpxClient) -> None:
    """What goes wrong on the wire is what the SDK makes of it."""
    with OpenAIServer(reply) as server, pytest.raises(error):
        client(server, http).invoke("hi")


def test_answer_may_follow_from_what_was_asked(http: DefaultHttpxClient) -> None:
    """A function of the request writes the reply."""

    def answer(received: Received) -> Reply:
        return Say(str(received.messages[-1]["content"]).upper())

    with OpenAIServer(answer) as server:
        assert client(server, http).invoke("hi").text == "HI"
        assert server.requests[0].path == "/chat/completions"
