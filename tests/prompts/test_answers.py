"""What a model's message says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from concertino.prompts import is_apology, is_empty, refusal_in, text_in, was_cut

CALL: dict[str, Any] = {"name": "plan", "args": {}, "id": "1"}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"finish_reason": "length"}, True),
        ({"finish_reason": "MAX_TOKENS"}, True),
        ({"stop_reason": "max_tokens"}, True),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, True),
        ({"finish_reason": "stop"}, False),
        ({"incomplete_details": None}, False),
        ({}, False),
    ],
)
def test_a_message_tells_that_it_was_cut_off(told: dict[str, Any], found: bool):
    """As each provider says it; a plain text says nothing of the kind."""
    assert was_cut(AIMessage("x", response_metadata=told)) is found
    assert not was_cut("x")


@pytest.mark.parametrize(
    "message",
    ["", "  ", None, AIMessage(""), AIMessage([]), AIMessage([{"type": "thinking", "thinking": "hm"}])],
)
def test_what_has_neither_text_nor_calls_is_empty(message: object):
    """Thinking alone is no answer."""
    assert is_empty(message)


@pytest.mark.parametrize(
    "message",
    [
        "x",
        {"subtasks": []},
        AIMessage("x"),
        AIMessage("", tool_calls=[CALL]),
        AIMessage([{"type": "tool_use", "name": "plan", "input": {}}]),
        AIMessage("", additional_kwargs={"function_call": {"name": "plan", "arguments": "{}"}}),
        AIMessage("", additional_kwargs={"parsed": {"subtasks": []}}),
    ],
)
def test_what_has_text_or_calls_is_not_empty(message: object):
    """Nor is what is no message at all."""
    assert not is_empty(message)


def test_refusals_are_told_from_other_answers():
    """By their field, their block, how they ended, or how they begin."""
    assert refusal_in(AIMessage("", additional_kwargs={"refusal": "no"})) == "no"
    assert refusal_in(AIMessage([{"type": "refusal", "refusal": "never"}])) == "never"
    assert refusal_in(AIMessage("", response_metadata={"stop_reason": "refusal"})) is not None
    assert refusal_in(AIMessage("no")) is None
    assert is_apology(" I\u2019m sorry, but no.")
    assert is_apology(AIMessage("I cannot help with that."))
    assert not is_apology("I can help. Sorry for the delay.")


def test_the_text_of_a_message_is_its_blocks_joined():
    """Without what it thought."""
    assert text_in(AIMessage([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, "b"])) == "ab"
