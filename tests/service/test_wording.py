"""Events in words: what people see, and what cannot reach their terminal."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.event import Event, EventType, message_type
from concertino.service.cli.wording import SHOWN_CHARS, plain, sentence


def event(kind: EventType, **fields: object) -> Event:
    data = {"task_id": "t", "run_id": "r", "type": kind, "message_type": message_type(kind), "timestamp": 0.0, **fields}
    return Event.model_validate(data)


def test_a_question_is_shown_with_its_gate() -> None:
    """Whoever reads the line knows what to answer and where."""
    asked = event("GATE_OPENED", subtask_id="offer", payload={"gate": "offer", "question": "Approve 250,000?"})
    assert sentence(asked) == "offer asks at gate offer: Approve 250,000?"


def test_a_failure_is_shown_with_its_reason() -> None:
    """The reason stands on the line, whether it is text or an object."""
    assert sentence(event("AGENT_FAILED", subtask_id="s", payload={"error": "no luck"})) == "s failed: no luck"
    structured = event("AGENT_FAILED", subtask_id="s", payload={"error": {"message": "no luck"}})
    assert sentence(structured) == "s failed: no luck"


def test_a_run_that_was_left_waits_for_no_answer() -> None:
    """Parked without a question means that its process had to go."""
    assert sentence(event("RUN_PARKED", payload={"gates": ["a"]})) == "run waits for an answer"
    assert sentence(event("RUN_PARKED", payload={"gates": []})) == "run is left as it stands, to be carried on"


def test_bookkeeping_is_not_shown() -> None:
    """Reservations are for the journal's readers."""
    assert sentence(event("RESERVED", payload={"key": "k"})) is None


@given(kind=st.sampled_from(get_args(EventType)), text=st.text())
def test_every_event_makes_one_harmless_line(kind: EventType, text: str) -> None:
    """Whatever an event carries, its line has no line breaks and no control characters."""
    line = sentence(event(kind, subtask_id=text, payload={"reason": text, "question": text, "gate": text}))
    assert line is None or line.isprintable()


@given(st.text())
def test_shown_text_is_short_and_printable(text: str) -> None:
    """An escape sequence from a specialist cannot move the cursor, and a long text cannot fill the screen."""
    shown = plain(text)
    assert shown.isprintable()
    assert len(shown) <= SHOWN_CHARS
