"""A workflow's budget is divided by shares, and never into more than it is."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.budgets.amounts import nano
from concertino.budgets.shares import allocate, allocation
from concertino.contracts.budget import Budget
from concertino.contracts.errors import SetupError

DOCUMENT_004 = {
    "total_tokens": 100_000,
    "agent_allocation": {"orchestrator": 0.1, "extraction": 0.3, "analysis": 0.4, "synthesis": 0.2},
}


def test_document_004s_allocation_is_read() -> None:
    """Its own example gives each agent exactly its tokens."""
    budget, parts = allocation(DOCUMENT_004, field="budget")
    assert budget == Budget(tokens=100_000)
    assert {name: part.tokens for name, part in parts.items()} == {
        "orchestrator": 10_000,
        "extraction": 30_000,
        "analysis": 40_000,
        "synthesis": 20_000,
    }


def test_every_sum_is_divided_and_seconds_are_not() -> None:
    """Counts are rounded down, dollars are divided too, a deadline is the same for all, and no bound stays none."""
    parts = allocate(Budget(tokens=1_001, calls=3, usd=0.5, seconds=30), {"a": 0.5, "b": 0})
    assert parts["a"] == Budget(tokens=500, calls=1, usd=0.25, seconds=30)
    assert parts["b"] == Budget(tokens=0, calls=0, usd=0.0, seconds=30)


@pytest.mark.parametrize(
    ("shares", "field"),
    [
        ({"a": 0.7, "b": 0.4}, "shares"),
        ({"a": -0.1}, "shares.a"),
        ({"a": 1.1}, "shares.a"),
        ({"a": True}, "shares.a"),
        ({"a": float("nan")}, "shares.a"),
        ({"a": "half"}, "shares.a"),
    ],
)
def test_bad_shares_are_refused_by_name(shares: Any, field: str) -> None:
    """What is no share, or more than the whole, is refused with its field."""
    with pytest.raises(SetupError) as caught:
        allocate(Budget(tokens=10), shares)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ({"total_tokens": 10}, "budget"),
        ("10", "budget"),
        ({"total_tokens": -1, "agent_allocation": {"a": 1}}, "budget.tokens"),
        ({"tokns": 1, "agent_allocation": {"a": 1}}, "budget.tokns"),
        ({"agent_allocation": {"a": 2}}, "budget.agent_allocation.a"),
    ],
)
def test_a_bad_allocation_is_refused_by_name(given_: Any, field: str) -> None:
    """Every fault of document 004's form is told with its place."""
    with pytest.raises(SetupError) as caught:
        allocation(given_, field="budget")
    assert caught.value.field == field


@given(
    tokens=st.integers(0, 10**15),
    usd=st.floats(0, 1e9),
    weights=st.lists(st.floats(0, 1), min_size=1, max_size=8),
)
def test_the_parts_are_never_more_than_the_whole(tokens: int, usd: float, weights: list[float]) -> None:
    """Whatever the shares are, what they are given sums to no more than the budget."""
    shares = {str(n): weight for n, weight in enumerate(weights)}
    if sum(Fraction(repr(weight)) for weight in weights) > 1:
        shares = {name: weight / len(weights) / 2 for name, weight in shares.items()}
    parts = allocate(Budget(tokens=tokens, usd=usd), shares).values()
    assert sum(part.tokens or 0 for part in parts) <= tokens
    assert sum(nano(part.usd or 0.0) for part in parts) <= nano(usd)
