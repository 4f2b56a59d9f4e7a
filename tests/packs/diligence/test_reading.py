"""Reading answers: tool calls, broken ones, text; wrong ones are named field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from concertino.packs.diligence.answers import FORMS, Financial, Market, Regulatory, own_fields
from concertino.packs.diligence.reading import read_message
from tests.packs.diligence.models import calls, finding, submission

TEXT = json.dumps(finding(valuation=19e6))


@pytest.mark.parametrize(
    "message",
    [
        submission(valuation=19e6),
        calls(("submit_finding", {"finding": finding(valuation=19e6)})),
        calls(("submit_finding", {"finding": TEXT})),
        calls(("submit_finding", finding(valuation="19000000", recommendation=" Proceed ", evidence="[]", risk="LOW"))),
        AIMessage("", invalid_tool_calls=[{"name": "submit_finding", "args": TEXT[:-1], "id": "1", "error": "cut"}]),
        AIMessage(TEXT),
        AIMessage(f"I think so.\n```json\n{TEXT}\n```\nThat is all."),
        AIMessage(f"```\n{TEXT}"),
        AIMessage(f"Here it is: {TEXT} Bye."),
        AIMessage(TEXT.replace('"', "'")),
        AIMessage([{"type": "text", "text": TEXT}]),
    ],
)
def test_an_answer_is_read_in_every_form(message: AIMessage) -> None:
    """What the model meant is the same in all of them."""
    reading = read_message(message, Financial)
    assert isinstance(reading.answer, Financial)
    assert (reading.answer.recommendation, reading.answer.risk, reading.answer.valuation) == ("proceed", "low", 19e6)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"confidence": 80}, "confidence"),
        ({"confidence": None}, "confidence"),
        ({"recommendation": "buy"}, "recommendation"),
        ({"score": 101}, "score"),
        ({"score": "nan"}, "score"),
        ({"valuation": "twelve"}, "valuation"),
        ({"valuation": "12,400,000"}, "valuation"),
        ({"summary": "  "}, "summary"),
        ({"red_flags": [{"title": "x", "severity": "huge"}]}, "red_flags.0.severity"),
    ],
)
def test_a_wrong_answer_names_its_field(changes: dict[str, Any], place: str) -> None:
    """No value is guessed; the model is told where it went wrong."""
    reading = read_message(submission(**changes), Financial)
    assert reading.answer is None
    assert any(fault.startswith(f"{place}:") for fault in reading.faults)


@pytest.mark.parametrize("message", [AIMessage(""), AIMessage("I cannot help with that."), AIMessage("{"), None, 7])
def test_no_answer_is_said_so(message: object) -> None:
    """Silence, a refusal or noise is a fault, not an error."""
    reading = read_message(message, Financial)
    assert reading.answer is None
    assert reading.faults


def test_what_is_not_asked_for_is_left_out() -> None:
    """Neither authority nor a veto can be had by naming them."""
    reading = read_message(submission(veto={"reason": "no"}, authority=1.0, specialist="regulatory_agent"), Market)
    assert reading.answer is not None
    assert not hasattr(reading.answer, "veto")
    assert reading.notes == ("fields that are not asked for were left out: authority, compliance, specialist, veto",)


def test_only_the_regulatory_specialist_has_a_veto() -> None:
    """The right stands in the form, not in what a model says."""
    assert [domain for domain, form in FORMS.items() if "veto" in form.model_fields] == ["regulatory"]
    reading = read_message(submission(veto={"reason": "no licence", "evidence": ["letters.md:3"]}), Regulatory)
    assert isinstance(reading.answer, Regulatory)
    assert reading.answer.veto is not None
    assert [(one.file, one.line) for one in reading.answer.veto.evidence] == [("letters.md", 3)]


def test_every_domain_has_figures_or_categories_of_its_own() -> None:
    """Findings are numeric and categorical by field, not prose alone."""
    assert all(own_fields(domain) for domain in FORMS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from([*Regulatory.model_fields, "x", "finding"]), json_values))
def test_any_arguments_are_read_or_refused(args: dict[str, Any]) -> None:
    """Whatever a model calls the tool with, it is an answer or a list of faults."""
    reading = read_message(AIMessage("", tool_calls=[{"name": "submit_finding", "args": args, "id": "1"}]), Regulatory)
    assert (reading.answer is None) == bool(reading.faults)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises."""
    reading = read_message(AIMessage(text), Regulatory)
    assert reading.answer is None
    assert reading.faults
