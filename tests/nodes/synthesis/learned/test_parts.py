"""The parts that learned synthesis is made of."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from concertino.nodes.synthesis import worth_of_one_more
from concertino.nodes.synthesis.learned.cases import Asked, Reply
from concertino.nodes.synthesis.learned.labels import fit_labels
from concertino.nodes.synthesis.learned.selective import Foretold, calibration, curve
from concertino.nodes.synthesis.learned.skills import Seen, fit_skills
from concertino.nodes.synthesis.learned.stacking import stack
from concertino.nodes.synthesis.learned.tempering import Scored, Tempering, fit_tempering

chances = st.floats(0.01, 0.99)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.integers(1, 20))
def test_tempered_scores_are_probabilities(scores: list[float], voices: int) -> None:
    """They sum to 1, keep the order, and more voices never make them sharper."""
    found = Tempering().probabilities(scores, voices)
    assert math.isclose(sum(found), 1, rel_tol=1e-9)
    assert max(Tempering().probabilities(scores, voices + 1)) <= max(found) + 1e-9


def test_scores_that_promise_too_much_are_tempered() -> None:
    """Two settled pasts with the same scores: where they were wrong more often the temperature is higher."""
    right = [Scored((5.0, 0.0), 5, 0)] * 30
    mixed = right[:20] + [Scored((5.0, 0.0), 5, 1)] * 10
    assert fit_tempering(mixed).temperature(5) > fit_tempering(right).temperature(5)


@given(st.lists(st.tuples(chances, chances), min_size=1, max_size=30))
def test_stacking_gives_weights_and_more_to_the_better(rows: list[tuple[float, float]]) -> None:
    """Weights sum to 1; of two with equal priors the one with the higher likelihood does not get less by much."""
    foretold = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    weights = stack(foretold, {"a": 1.0, "b": 1.0}, remembered=[1.0] * len(rows))
    assert math.isclose(sum(weights.values()), 1, rel_tol=1e-9)
    if all(a > b for a, b in rows):
        assert weights["a"] >= 0.5
    assert stack(foretold, {"a": 1.0, "b": 0.0}, remembered=[1.0] * len(rows)) == {"a": 1.0}


def test_short_histories_are_shrunk_to_the_panel() -> None:
    """Three right answers do not make a source as good as thirty do, and none leave it at the mean."""
    seen = {"many": [Seen(0.0, 1.0)] * 30, "few": [Seen(0.0, 1.0)] * 3, "wrong": [Seen(0.0, 0.0)] * 20}
    skills = fit_skills(seen, standing={})
    known = {name: skills.log_odds(name, 0.0, None, 1.0) for name in seen}
    assert known["many"] > known["few"] > skills.log_odds("stranger", 0.0, None, 1.0) > known["wrong"]


def test_leaving_an_answer_out_is_near_to_never_having_seen_it() -> None:
    """One Newton step back comes close to a fit without the answer."""
    seen = {f"s{n}": [Seen(0.0, float(k % (n + 2) > 0)) for k in range(15)] for n in range(4)}
    whole = fit_skills(seen, standing={})
    rest = fit_skills({**seen, "s0": seen["s0"][1:]}, standing={})
    step = whole.log_odds_without("s0", 0.0, None, right=seen["s0"][0].right == 1, weight=1.0)
    truth = rest.log_odds("s0", 0.0, None, 1.0)
    assert abs(step - truth) < abs(whole.log_odds("s0", 0.0, None, 1.0) - truth) + 0.02
    assert abs(step - truth) < 0.15


@given(st.lists(chances, min_size=2, max_size=6), st.floats(-3, 5), st.floats(0.5, 4))
def test_one_more_is_worth_between_nothing_and_certainty(raw: list[float], log_odds: float, temperature: float) -> None:
    """The gain is never negative and never more than what is missing to certainty."""
    belief = [value / sum(raw) for value in raw]
    gain = worth_of_one_more(belief, log_odds=log_odds, temperature=temperature)
    assert 0 <= gain <= 1 - max(belief) + 1e-9


def test_one_more_is_worth_most_where_nothing_is_known() -> None:
    """A toss-up gains what the other side of a sure thing does not."""
    assert worth_of_one_more([0.5, 0.5], log_odds=2.0, temperature=1.0) > 0.3
    assert worth_of_one_more([0.999, 0.001], log_odds=2.0, temperature=1.0) == 0
    assert worth_of_one_more([1.0], log_odds=2.0, temperature=1.0) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=120))
def test_the_curve_goes_from_the_surest_to_all(pairs: list[tuple[float, bool]]) -> None:
    """Coverage grows, confidence falls, the last point is everybody, and there are at most fifty."""
    past = [Foretold(confidence, right) for confidence, right in pairs]
    points = curve(past)
    assert len(points) <= 50
    assert points[-1].coverage == 1
    assert math.isclose(points[-1].accuracy, sum(right for _, right in pairs) / len(pairs))
    assert all(a.coverage < b.coverage and a.confidence > b.confidence for a, b in pairwise(points))
    measured = calibration(past)
    assert measured is not None
    assert measured.n == len(pairs)


def asked(question: str, answers: str, truth: str | None) -> Asked:
    return Asked(question, None, tuple(Reply(f"s{n}", answer, 0.8) for n, answer in enumerate(answers)), truth)


def test_unsettled_answers_are_used_only_where_the_settled_past_says_so() -> None:
    """Where the many agree on what is wrong, believing them would harm, so their unsettled answers are not used."""
    settled = [asked(f"q{n}", "xyyyy" if n % 2 else "yxxxx", "x" if n % 2 else "y") for n in range(12)]
    unsettled = [asked(f"u{n}", "xyyyy" if n % 2 else "yxxxx", None) for n in range(200)]
    model = fit_labels(settled, unsettled)
    best = max(zip(model.pool(asked("now", "xyyyy", None)).probabilities, ("x", "y"), strict=True))
    assert best[1] == "x"
