"""What a synthesis prints of its figures."""

from __future__ import annotations

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
