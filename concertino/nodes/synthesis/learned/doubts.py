"""A few against many: they may know better, or they may not be what their history says they are.

A source that was honest in every settled question and lies now shows it, in a single question, only by standing against the others. So beside
the hypothesis that everybody is what history says there is one more for each answer given: the strongest voices for it have
changed together, and say nothing about the truth. Its odds are its prior times how much likelier it makes them to say what they say,
prior · p(answer | all voices) / p(answer | the others), by Bayes' rule, where the others' belief is that of tempered log odds.

Three things hold it back. Whoever has been watched is not doubted: with enough later answers on record a source that changed is found out, see
`suspects`. Below `OTHERS` other voices there are no witnesses. And where a few stood against the many in the settled past and were right, doubting
them would have cost log loss there, and they are doubted less by just that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from concertino.nodes.synthesis.learned.cases import Case
from concertino.nodes.synthesis.learned.pooling import LogOdds
from concertino.nodes.synthesis.learned.tempering import Tempering

CHANGED, FURTHER = 0.2, 0.5
"""Prior odds that one strong voice has changed, times its chance of saying just this then; and the factor for each further one."""
STRONG = 0.6
"""Voices of at least this part of the strongest one's weight for the answer are doubted together."""
OTHERS = 6
"""Fewest other voices."""
GRACE = 1.0
"""So much log loss on the settled past is forgiven, in nats: two who knew better once are no pattern."""
UNLIKELIEST = 1e-3
"""The others' belief is not taken for smaller than this. All were fixed on the development sets."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """How far a few against many are doubted."""

    pooler: LogOdds
    """Plain log odds."""
    tempering: Tempering
    """Theirs."""
    watched: Set[str]
    """Sources that are known to be what they were."""
    degree: float = 1.0
    """0-1, by the settled past."""

    def applied(self, chances: Sequence[float], case: Case, weights: Sequence[float]) -> list[float]:
        """Return the probabilities with the possibility that a few have changed.

        Args:
            chances: By option, without that possibility.
            case: Whose answers.
            weights: Of each voice, in nats.
        """
        heard = sum(said.part > 0 for said in case.said)
        found = list(chances)
        if heard <= OTHERS or self.degree == 0:
            return found
        suspected = [
            (said.option, weight, said.part)
            for said, weight in zip(case.said, weights, strict=True)
            if weight > 0 and said.source not in self.watched
        ]
        scores: list[float] = []
        whole = 1.0
        for option in sorted({option for option, _, _ in suspected}):
            top = max(weight for one, weight, _ in suspected if one == option)
            strong = [(weight, part) for one, weight, part in suspected if one == option and weight >= STRONG * top]
            if heard - len(strong) < OTHERS:
                continue
            scores = scores or self.pooler.add_up(case, weights)
            rest = list(scores)
            rest[option] -= math.fsum(weight for weight, _ in strong)
            others = self.tempering.probabilities(rest, heard - len(strong))
            count = math.fsum(part for _, part in strong)
            odds = self.degree * CHANGED * FURTHER ** (count - 1) * chances[option] / max(others[option], UNLIKELIEST)
            whole += odds
            for n, p in enumerate(others):
                found[n] += odds * p
        return [p / whole for p in found]


def fit_doubts(
    foretold: Sequence[Sequence[float]], past: Sequence[Case], weights: Sequence[Sequence[float]], full: Doubts
) -> Doubts:
    """Return the doubts that the settled past allows.

    Args:
        foretold: The probabilities given to each settled question without its truth, and without doubts.
        past: The questions.
        weights: Of each one's voices, without its truth.
        full: Doubts of degree 1.
    """
    gain = math.fsum(
        case.weight * math.log(full.applied(chances, case, found)[case.truth] / chances[case.truth])
        for chances, case, found in zip(foretold, past, weights, strict=True)
    )
    return replace(full, degree=min(1.0, math.exp(gain + GRACE)))
