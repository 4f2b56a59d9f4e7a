"""Learned synthesis of rankings."""

from __future__ import annotations

import random
from itertools import combinations, permutations

from hypothesis import given
from hypothesis import strategies as st

from concertino.nodes.synthesis import TrackRecord, synthesize
from concertino.nodes.synthesis.learned.cases import stated
from concertino.nodes.synthesis.learned.rankings import Ranking, RankingModel, SettledRanking, fit_rankings
from tests.nodes.synthesis.learned.panel import said

ITEMS = ("w", "x", "y", "z")
PLENTY = [SettledRanking((Ranking("a", ITEMS, 0.8), Ranking("b", ITEMS, 0.8)), ITEMS) for _ in range(5)]


def record() -> TrackRecord:
    """One who ranks well and two who shuffle."""
    draw = random.Random(3)
    found = TrackRecord()
    for n in range(20):
        truth = draw.sample(ITEMS, 4)
        found.record(said("good", list(truth), f"q{n}"))
        for name in ("poor1", "poor2"):
            found.record(said(name, draw.sample(ITEMS, 4), f"q{n}"))
        found.settle(f"q{n}", list(truth))
    return found


def test_whoever_ranked_well_decides_the_order() -> None:
    """Two that shuffle do not outvote one that knows; without history they do."""
    orders = {"good": ["w", "x", "y", "z"], "poor1": ["z", "y", "x", "w"], "poor2": ["z", "y", "x", "w"]}
    findings = [said(name, list(order)) for name, order in orders.items()]
    result = synthesize(findings, authority=record(), calibrate=True)
    assert result.answer == ["w", "x", "y", "z"]
    assert result.method == "learned_ranking"
    assert result.confidence > 0.7
    assert {rival.specialists[0] for rival in result.dissent} == {"poor1", "poor2"}
    assert synthesize(findings).answer == ["z", "y", "x", "w"]


def test_lists_that_are_no_rankings_are_elected_as_wholes() -> None:
    """Different items, or items twice, are labels."""
    findings = [said("good", ["w", "x"]), said("poor1", ["w", "q"])]
    assert synthesize(findings, authority=record(), calibrate=True).method in ("learned_vote", "weighted_vote")


def agreement(model: RankingModel, rankings: list[Ranking], order: tuple[str, ...]) -> float:
    total = 0.0
    for one in rankings:
        weight = model.skills.log_odds(one.source, stated(one.confidence), None, one.authority)
        at = {item: n for n, item in enumerate(one.items)}
        total += sum(weight if at[a] < at[b] else -weight for a, b in combinations(order, 2))
    return total


@given(st.lists(st.permutations(list(ITEMS)), min_size=1, max_size=5))
def test_no_single_move_makes_the_order_better(orders: list[list[str]]) -> None:
    """The merged order agrees with the weighted pairs at least as well as any that moves one item."""
    model = fit_rankings(PLENTY, standing={})
    rankings = [Ranking(f"s{n}", tuple(order), 0.8) for n, order in enumerate(orders)]
    merged = model.pool(rankings)
    best = agreement(model, rankings, merged.items)
    for item in ITEMS:
        rest = [other for other in merged.items if other != item]
        for n in range(4):
            assert agreement(model, rankings, (*rest[:n], item, *rest[n:])) <= best + 1e-6
    assert 0 <= merged.confidence <= 1
    assert merged.items in set(permutations(ITEMS))
