"""What would turn an answer and what one more would be worth, against what really comes of it."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import Synthesis, TrackRecord, synthesize
from concertino.nodes.synthesis.result import Learned
from tests.nodes.synthesis.learned.panel import labelled, said, votes

SKILLS = {"s0": 0.95, "s1": 0.85, "s2": 0.7, "s3": 0.6, "s4": 0.45}
RECORDS = [labelled(SKILLS, settled=count, prefix=f"{count}.{k}.") for count in (6, 20, 60) for k in range(2)]


def merged(findings: list[Finding], record: TrackRecord, missing: tuple[str, ...] = ()) -> Synthesis:
    return synthesize(findings, authority=record, calibrate=True, missing=missing)


def learned_of(result: Synthesis) -> Learned:
    learned = result.provenance[0].learned
    assert learned is not None
    return learned


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RECORDS), st.lists(st.sampled_from("abc"), min_size=2, max_size=5))
def test_switches_are_the_fewest_that_turn_the_answer(record: TrackRecord, outputs: list[str]) -> None:
    """Of all sets of up to three supporters none smaller makes the rival the answer, and where none is named none does."""
    answers = dict(zip(SKILLS, outputs, strict=False))
    result = merged(votes(answers), record)
    if not result.dissent:
        return
    rival = result.dissent[0]
    supporters = [name for name, output in answers.items() if output == result.answer]
    turning = [
        going
        for size in (1, 2, 3)
        for going in combinations(supporters, size)
        if merged(votes(answers | dict.fromkeys(going, str(rival.answer))), record).answer == rival.answer
    ]
    assert len(rival.switches) == min(map(len, turning), default=0)
    assert not turning or set(rival.switches) in map(set, turning)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RECORDS), st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
def test_one_more_gains_at_most_what_is_missing_to_certainty(record: TrackRecord, outputs: list[str]) -> None:
    """The gain is in 0 to 1 - confidence, for whoever may be heard."""
    result = merged(votes(dict(zip(SKILLS, outputs, strict=False))), record, missing=("s4",))
    for one in learned_of(result).worth:
        assert 0 <= one.gain <= 1 - result.confidence + 1e-9
        assert one.could_flip is not None


def test_a_good_one_could_turn_what_a_poor_one_says_alone() -> None:
    """An answer without any rival can be turned, too: by another one that nobody has given yet."""
    record = labelled({"poor": 0.4, "good": 0.95}, settled=60)
    worth = {one.specialist: one for one in learned_of(merged(votes({"poor": "a"}), record, missing=("good",))).worth}
    assert worth["good"].could_flip
    assert merged(votes({"poor": "a", "good": "b"}), record).answer == "b"


@pytest.fixture(scope="module")
def colluding() -> TrackRecord:
    """Five that say the same and are right in three of five cases, beside five good ones."""
    record = labelled({f"h{n}": 0.8 for n in range(5)}, settled=40)
    for n, (truth, _, _) in enumerate(list(record.remembered(unsettled=0))):
        assert truth is not None
        output = truth.truth if n % 5 < 3 else next(one for one in "abc" if one != truth.truth)
        for k in range(5):
            record.record(said(f"c{k}", output, truth.question_id))
    return record


def test_colluders_alone_are_worth_one_voice(colluding: TrackRecord) -> None:
    """Five that copy each other are one voice; as many that do not are more."""
    alone = learned_of(merged(votes({f"c{k}": "a" for k in range(5)}), colluding))
    honest = learned_of(merged(votes({f"h{k}": "a" for k in range(5)}), colluding))
    assert alone.voices_worth == pytest.approx(1)
    assert honest.voices_worth is not None
    assert 2 < honest.voices_worth <= 5


def test_one_more_copy_is_worth_nothing(colluding: TrackRecord) -> None:
    """The fifth of five colluders says what the others say; somebody of his own mind is worth much."""
    result = merged(votes({f"c{k}": "a" for k in range(4)}), colluding, missing=("c4", "h0"))
    worth = {one.specialist: one.gain for one in learned_of(result).worth}
    assert worth["c4"] == 0
    assert worth["h0"] > 0.05
