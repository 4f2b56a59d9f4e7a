"""A few against many, through the public door: they may have changed, unless history or later answers speak for them."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from concertino.nodes.synthesis import TrackRecord, synthesize
from concertino.nodes.synthesis.learned.cases import Case, Said
from concertino.nodes.synthesis.learned.doubts import Doubts
from concertino.nodes.synthesis.learned.pooling import LogOdds
from concertino.nodes.synthesis.learned.skills import Seen, fit_skills
from concertino.nodes.synthesis.learned.tempering import Tempering
from tests.nodes.synthesis.learned.panel import labelled, said, votes

CROWD = {f"s{n}": 0.7 for n in range(7)}
SLEEPERS = {f"perfect{n}": 1.0 for n in range(3)}


def test_a_few_who_were_perfect_do_not_beat_the_many_all_at_once() -> None:
    """Three that were always right say otherwise than seven good ones: the seven are believed, and less surely."""
    record = labelled(CROWD | SLEEPERS, settled=20)
    against = votes(dict.fromkeys(CROWD, "a") | dict.fromkeys(SLEEPERS, "b"))
    result = synthesize(against, authority=record, calibrate=True)
    agreed = synthesize(votes(dict.fromkeys((*CROWD, *SLEEPERS), "a")), authority=record, calibrate=True)
    assert result.answer == "a"
    assert result.confidence < agreed.confidence


def test_a_few_who_stood_against_the_many_and_were_right_are_believed() -> None:
    """One who knows what seven get wrong together is not doubted for it: the settled past has shown that the many are no witnesses."""
    record, draw = TrackRecord(), random.Random(1)
    for n in range(30):
        truth, myth = draw.sample("abc", 2)
        for name in CROWD:
            common = myth if n % 3 == 0 else truth
            record.record(said(name, common if draw.random() < 0.85 else draw.choice("abc"), f"q{n}"))
        record.record(said("expert", truth, f"q{n}"))
        record.settle(f"q{n}", truth)
    findings = votes(dict.fromkeys(CROWD, "a") | {"expert": "b"})
    assert synthesize(findings, authority=record, calibrate=True).answer == "b"


SOURCES = ("good0", "good1", *(f"poor{n}" for n in range(8)))
SKILLS = fit_skills(
    {
        name: [Seen(0.0, 1.0)] * 19 + [Seen(0.0, 0.0)]
        if name.startswith("good")
        else [Seen(0.0, float(k % 4 > 0)) for k in range(20)]
        for name in SOURCES
    },
    standing={},
)


def doubts(watched: frozenset[str] = frozenset(), degree: float = 1.0) -> Doubts:
    return Doubts(LogOdds(SKILLS, 0.7), Tempering(), watched, degree)


def case(answers: list[int]) -> Case:
    return Case("q", None, tuple(Said(name, one, 0.0) for name, one in zip(SOURCES, answers, strict=False)), 3)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=10), st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_doubts_keep_probabilities_what_they_are(answers: list[int], raw: list[float]) -> None:
    """They sum to 1; the watched are not doubted, nor anybody among few, nor where the settled past forbids it."""
    chances = [one / sum(raw) for one in raw]
    asked = case(answers)
    weights = doubts().pooler.weights(asked)
    found = doubts().applied(chances, asked, weights)
    assert abs(sum(found) - 1) < 1e-9
    assert all(0 <= one <= 1 for one in found)
    assert doubts(frozenset(SOURCES)).applied(chances, asked, weights) == chances
    assert doubts(degree=0.0).applied(chances, asked, weights) == chances
    if len(answers) <= 6:
        assert found == chances


def test_the_fewer_and_the_more_surprising_the_more_doubted() -> None:
    """One of ten is doubted more than one of two that agree, and hardly where the others are split anyway."""

    def kept(answers: list[int]) -> float:
        asked = case(answers)
        return doubts().applied([0.9, 0.05, 0.05], asked, doubts().pooler.weights(asked))[0] / 0.9

    one, two, split = kept([0, *[1] * 9]), kept([0, 0, *[1] * 8]), kept([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    assert one < two < split
    assert split > 0.9
