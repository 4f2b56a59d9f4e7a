"""Calibration over many answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.evals.judging.calibration import BINS, Pair, brier, ece, reliability

PAIRS = st.lists(st.builds(Pair, st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def test_known_figures() -> None:
    """Four answers at 0.8 of which two are right are off by 0.3."""
    pairs = [Pair(0.8, True), Pair(0.8, True), Pair(0.8, False), Pair(0.8, False)]
    assert ece(pairs) == pytest.approx(0.3)
    assert brier(pairs) == pytest.approx((2 * 0.04 + 2 * 0.64) / 4)


def test_certain_and_right_is_perfect() -> None:
    """Confidence 1 belongs to the last bin."""
    assert (ece([Pair(1.0, True)]), brier([Pair(1.0, True)])) == (0.0, 0.0)
    assert (ece([]), reliability([])) == (0.0, None)


@given(PAIRS)
def test_figures_are_shares_and_bins_hold_all(pairs: list[Pair]) -> None:
    """Both lie in 0-1, the bins hold every pair, and the error never passes the mean distance."""
    told = reliability(pairs)
    assert told is not None
    bins = told["bins"]
    assert isinstance(bins, list)
    assert sum(found["n"] for found in bins) == len(pairs)  # type: ignore[index,call-overload,misc]  # JSON
    assert len(bins) <= BINS
    mean = sum(abs(pair.confidence - pair.right) for pair in pairs) / len(pairs)
    assert 0 <= ece(pairs) <= mean + 1e-9
    assert 0 <= brier(pairs) <= 1
