"""Rankings: every pair of items is a question, "which comes first", and the order that agrees best with all of them is the answer.

A source's skill is how often it orders a pair as the settled rankings do, shrunk like any skill; pairs of one ranking count together
as one question. The merged order is Kemeny's under these weights, found exactly by insertion and exchange up to a local optimum from
Borda's order; its confidence is the mean probability that a pair of it stands right.

Sources: Kemeny 1959, "Mathematics without numbers"; Borda 1781; Young 1988, "Condorcet's theory of voting".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from concertino.nodes.synthesis.learned.cases import sigmoid, stated
from concertino.nodes.synthesis.learned.skills import Seen, Skills, fit_skills

LONGEST = 50
"""Items; longer lists are elected as wholes."""
ECHO = 0.2
"""How much errors are shared; the same as the prior of `tempering`."""


class Ranking(NamedTuple):
    """One source's order of the same items, as canonical texts."""

    source: str
    items: tuple[str, ...]
    confidence: float
    authority: float = 1.0


class Ranked(NamedTuple):
    """The merged order."""

    items: tuple[str, ...]
    confidence: float
    """Mean probability that a pair of it stands right, 0-1."""
    weights: tuple[float, ...]
    """Of each ranking's pairs, in nats."""


class SettledRanking(NamedTuple):
    """What was said and what was true."""

    rankings: tuple[Ranking, ...]
    truth: tuple[str, ...]
    weight: float = 1.0


def are_rankings(lists: Sequence[Sequence[str]]) -> bool:
    """Say whether these are orders of the same two or more different items."""
    first = set(lists[0]) if lists else set()
    return 2 <= len(first) <= LONGEST and all(len(one) == len(first) and set(one) == first for one in lists)


@dataclass(frozen=True, slots=True)
class RankingModel:
    """A fitted model; it does not change."""

    skills: Skills
    settled: int
    """Settled rankings behind it."""

    def pool(self, rankings: Sequence[Ranking], *, domain: str | None = None) -> Ranked:
        """Return the merged order; needs at least one ranking, all of the same items."""
        weights = [self.skills.log_odds(one.source, stated(one.confidence), domain, one.authority) for one in rankings]
        items = rankings[0].items
        place = [{item: n for n, item in enumerate(one.items)} for one in rankings]
        before = {
            (a, b): sum(w if at[a] < at[b] else -w for w, at in zip(weights, place, strict=True))
            for a in items
            for b in items
            if a != b
        }
        order = sorted(items, key=lambda item: -sum(before[item, other] for other in items if other != item))
        order = _improved(order, before)
        t = 1 + (len(rankings) - 1) * ECHO
        pairs = [sigmoid(before[pair] / t) for pair in combinations(order, 2)]
        return Ranked(tuple(order), sum(pairs) / len(pairs), tuple(weights))


def fit_rankings(settled: Sequence[SettledRanking], *, standing: Mapping[str, float]) -> RankingModel:
    """Return the model of at least one settled ranking."""
    seen: dict[str, list[Seen]] = {}
    for one in settled:
        at = {item: n for n, item in enumerate(one.truth)}
        for ranking in one.rankings:
            pairs = list(combinations(ranking.items, 2))
            right = sum(at[a] < at[b] for a, b in pairs) / len(pairs)
            answer = Seen(stated(ranking.confidence), right, one.weight * math.sqrt(len(pairs)))
            seen.setdefault(ranking.source, []).append(answer)
    return RankingModel(fit_skills(seen, standing=standing), len(settled))


def _improved(order: list[str], before: Mapping[tuple[str, str], float]) -> list[str]:
    """Move single items to better places until none is left; each move gains, so it ends."""
    moved = True
    while moved:
        moved = False
        for item in tuple(order):
            rest = [other for other in order if other != item]
            here = order.index(item)
            gain = [0.0]
            for other in rest:
                gain.append(gain[-1] - before[item, other] + before[other, item])
            best = max(range(len(gain)), key=gain.__getitem__)
            if gain[best] > gain[here] + 1e-9:
                order = [*rest[:best], item, *rest[best:]]
                moved = True
    return order
