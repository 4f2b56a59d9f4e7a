"""The pack's policy: shares of the budget, and overrides that are checked."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.contracts.errors import SetupError
from concertino.packs.diligence import pack
from concertino.packs.diligence.policy import read_policy
from concertino.packs.diligence.specialists import SEATS, build_specialists


def test_shares_divide_what_an_override_gives() -> None:
    """Dollars and documents go by the same shares as tokens; the orchestrator's tenth is nobody's."""
    policy = read_policy({"budget": {"usd": 2.0, "documents": 10}})
    parts = [policy.budget_of(seat.domain) for seat in SEATS.values()]
    assert sum(part.usd or 0 for part in parts) == pytest.approx(1.8)
    assert [part.documents for part in parts] == [2, 2, 1, 1, 2]
    assert sum(part.tokens or 0 for part in parts) == 225_000


def test_a_small_sum_lets_everybody_have_one() -> None:
    """A share of less than one document is one; the run's own bound holds for all of them together."""
    policy = read_policy({"budget": {"documents": 2}, "shares": {"market": 0}})
    assert [policy.budget_of(seat.domain).documents for seat in SEATS.values() if seat.domain != "market"] == [1] * 4
    assert policy.budget_of("market").documents == 0
    assert read_policy({"budget": {"documents": 0}}).budget_of("legal").documents == 0


def test_manifests_and_policy_agree() -> None:
    """What an agent declares is what its specialist gets, and what the main agent declares is the run's budget."""
    policy = read_policy()
    assert pack.agents["due-diligence-agent"].budgets == policy.budget
    for one in build_specialists():
        assert pack.agents[one.name].budgets == one.card.budget
        assert pack.agents[one.name].description == one.card.description


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"shares": {"legal": 0.9}}, "policy.shares"),
        ({"shares": {"legal": -1}}, "policy.shares.legal"),
        ({"turns": {"focused": 0}}, "policy.turns.focused"),
        ({"budget": {"tokens": "many"}}, "policy.budget.tokens"),
        ({"documents": {"files": 0}}, "policy.documents.files"),
        ({"authority": {"market_agent": 1.0}}, "policy.authority"),
    ],
)
def test_a_faulty_override_names_its_field(overrides: dict[str, Any], field: str) -> None:
    """Nobody's authority can be had by an override, and no share beyond the whole."""
    with pytest.raises(SetupError) as caught:
        read_policy(overrides)
    assert caught.value.field == field
