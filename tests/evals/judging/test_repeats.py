"""Repeats and intervals, against what counting and known figures say."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.evals.judging.intervals import bootstrap, wilson
from concertino.evals.judging.repeats import Tally, over_cases, pass_at, pass_hat


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_estimates_are_the_shares_of_all_ways_to_draw_k_runs(drawn: tuple[int, int, int]) -> None:
    """pass@k and pass^k are what counting every draw of k of the runs gives."""
    runs, right, k = drawn
    draws = list(combinations([True] * right + [False] * (runs - right), k))
    assert pass_at(Tally(right, runs), k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_hat(Tally(right, runs), k) == pytest.approx(sum(map(all, draws)) / len(draws))


def test_more_runs_than_there_were_cannot_be_estimated() -> None:
    """Any k beyond the number of repeats is refused."""
    with pytest.raises(ValueError, match="must be 1 to 3"):
        pass_at(Tally(1, 3), 4)


@pytest.mark.parametrize(
    ("right", "of", "published"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_gives_the_published_intervals(right: int, of: int, published: tuple[float, float]) -> None:
    """The worked figures of Newcombe 1998, "Two-sided confidence intervals for the single proportion", method 3."""
    assert tuple(round(end, 4) for end in wilson(right, of)) == published


def test_wilson_meets_its_ends() -> None:
    """None right reaches down to 0, all right up to 1, and nothing counted says nothing."""
    assert wilson(0, 5).low == 0.0
    assert wilson(5, 5).high == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


def test_bootstrap_is_seeded_and_holds_the_mean() -> None:
    """The same seed gives the same interval, another one nearly the same."""
    values = [0.0, 1.0, 0.5, 0.25, 1.0, 0.75, 0.0, 0.5]
    one = bootstrap(values, seed=1)
    assert one == bootstrap(values, seed=1)
    assert one != bootstrap(values, seed=2)
    assert one.low < 0.5 < one.high
    assert bootstrap([0.3, 0.3], seed=1) == (0.3, 0.3)


def test_a_suite_is_the_mean_over_its_cases() -> None:
    """Two cases, one that always passes and one that passes every other time."""
    told = over_cases([Tally(4, 4), Tally(2, 4)], seed=0)
    assert (told["passed"], told["runs"]) == (6, 8)
    assert told["pass^k"]["4"]["mean"] == 0.5  # type: ignore[call-overload,index]  # JSON
    assert told["pass@k"]["4"]["mean"] == 1.0  # type: ignore[call-overload,index]  # JSON
    assert "pass@k" not in over_cases([Tally(1, 1)], seed=0)
