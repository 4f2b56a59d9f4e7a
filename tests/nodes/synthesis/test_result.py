"""What a synthesis prints of its figures."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.contracts.errors import InputError
from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord, synthesize
from concertino.nodes.synthesis.result import MissingImpact, Worth


def test_a_gain_that_is_rounding_is_none() -> None:
    """What sums leave over is shown as 0; anything more stays as it is."""
    assert [Worth(specialist="a", gain=gain, could_flip=None).gain for gain in (0, 1.1e-16, 1e-9)] == [0.0, 0.0, 1e-9]
    impact = MissingImpact(
        specialist="a",
        question_id=None,
        authority=1.0,
        reason="no finding",
        impact="none",
        confidence_lost=2.2e-16,
        could_flip=None,
    )
    assert impact.confidence_lost == 0.0


def test_an_abstention_speaks_of_the_answer_to_a_question() -> None:
    """The question's id is no answer and is not spoken of as one."""
    record = TrackRecord()
    record.record(Finding(output="yes", confidence=0.6, specialist="a", question_id="old"))
    record.settle("old", "yes")
    for question, said in (("now", "the answer to now is right with"), (None, "the answer is right with")):
        finding = Finding(output="yes", confidence=0.6, specialist="a", question_id=question)
        result = synthesize([finding], authority=record, calibrate=True, abstain_below=1.0)
        assert result.abstain_reason is not None
        assert result.abstain_reason.startswith(said)


@pytest.mark.parametrize("given", [None, 5, Finding(output=1)])
def test_what_is_no_list_of_findings_is_refused(given: Any) -> None:
    """By name, as any other wrong input."""
    with pytest.raises(InputError, match=r"findings: .* refused: must be a list of Findings"):
        synthesize(given)


def test_findings_may_come_from_a_generator() -> None:
    """With a track record too."""
    record = TrackRecord()
    for n in range(3):
        record.record(Finding(output="a", specialist="s", question_id=f"q{n}"))
        record.settle(f"q{n}", "a")
    assert (
        synthesize((Finding(output="a", specialist="s") for _ in range(1)), authority=record, calibrate=True).answer
        == "a"
    )
