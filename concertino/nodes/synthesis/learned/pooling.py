"""Ways of pooling: from the answers to one question to one score per option, in nats.

A source whose answer is right with log odds z speaks for its option with w = z + log(wrong options), the weight that is best
when errors are independent (Nitzan and Paroush 1982, "Optimal decision rules in uncertain dichotomous choice situations";
Bordley 1982 for probabilities). Errors are not independent: what is hard for one is hard for all, and wrong answers meet in
the same distractor. So voices for one option may also add up as a p-norm, (Σ w^p)^(1/p): p = 1 is independence, with large
p the surest voice decides. Which p fits is found on the settled past; see `stacking`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from concertino.nodes.synthesis.learned.cases import Case, Said, log_odds
from concertino.nodes.synthesis.learned.skills import Skills

QUIET = 0.05
"""What every voice but the surest keeps where the best single source decides: it breaks ties. Chosen by hand."""
PAIRS = 5.0
"""Pairs of wrong answers that evenly spread errors are worth as prior. Chosen by hand."""


class Pooler(Protocol):
    """A way of pooling. Scores are comparable within one question only."""

    def scores(self, case: Case) -> list[float]:
        """Return one score per option."""
        ...

    def scores_without(self, case: Case) -> list[float]:
        """Return the same for a settled question as if it had never been settled."""
        ...


@dataclass(frozen=True, slots=True)
class LogOdds:
    """Learned weights, added up as a p-norm."""

    skills: Skills
    spread: float
    """Logarithm of how many wrong options errors spread over; what speaks for a wrong answer is divided by it."""
    power: float = 1.0
    """p; infinite lets the surest voice of all decide."""
    is_open: bool = False

    def weights(self, case: Case) -> list[float]:
        """Return w for each voice."""
        known, spread, domain = self.skills.log_odds, self.spread, case.domain
        return [said.part * (known(said.source, said.stated, domain, said.authority) + spread) for said in case.said]

    def weights_without(self, case: Case) -> list[float]:
        """Return w for each voice of a settled question that the skills forget."""
        return [
            said.part
            * (
                self.skills.log_odds_without(
                    said.source, said.stated, case.domain, right=said.option == case.truth, weight=case.weight
                )
                + self.spread
            )
            for said in case.said
        ]

    def scores(self, case: Case) -> list[float]:
        return self.add_up(case, self.weights(case))

    def scores_without(self, case: Case) -> list[float]:
        return self.add_up(case, self.weights_without(case))

    def add_up(self, case: Case, weights: Sequence[float]) -> list[float]:
        """Return the scores from weights that are there already."""
        scores = [0.0] * case.options
        if self.is_open:
            # Whatever nobody said stands for as many options as errors spread over.
            scores[-1] = self.spread
        if self.power == math.inf:
            best = max(range(len(weights)), key=weights.__getitem__)
            for n, (said, weight) in enumerate(zip(case.said, weights, strict=True)):
                scores[said.option] += weight if n == best else QUIET * weight
            return scores
        if self.power == 1.0:
            for said, weight in zip(case.said, weights, strict=True):
                scores[said.option] += weight
            return scores
        raised = [0.0] * case.options
        for said, weight in zip(case.said, weights, strict=True):
            if weight > 0:
                raised[said.option] += weight**self.power
            else:
                scores[said.option] += weight
        return [score + value ** (1 / self.power) for score, value in zip(scores, raised, strict=True)]


@dataclass(frozen=True, slots=True)
class Formula:
    """Document 004's weights, confidence times authority, as votes of one common strength."""

    strength: float
    """What an average vote is worth, in nats."""
    is_open: bool = False
    spread: float = 0.0

    def scores(self, case: Case) -> list[float]:
        scores = [0.0] * case.options
        if self.is_open:
            scores[-1] = self.spread
        for said in case.said:
            scores[said.option] += said.part * self.strength * _vote(said)
        return scores

    def scores_without(self, case: Case) -> list[float]:
        return self.scores(case)


def formula(settled: Sequence[Case], *, spread: float, is_open: bool) -> Formula:
    """Return the formula with votes as strong as the panel was good."""
    answers = right = votes = 0.0
    for case in settled:
        for said in case.said:
            answers += case.weight
            right += case.weight * (said.option == case.truth)
            votes += case.weight * _vote(said)
    average = votes / answers if votes else 1.0
    strength = log_odds(min(0.98, (right + 1) / (answers + 2))) + spread
    return Formula(max(0.1, strength) / average, is_open, spread)


def spread_of(settled: Sequence[Case], *, options: int | None) -> float:
    """Return log(wrong options that errors spread over), from how often two wrong answers to one question meet.

    Each question counts as many pairs as it has wrong answers, so that one hard question does not decide. `options` is
    `None` for an open set, where ten wrong ones are taken as prior.
    """
    prior = 1 / 10 if options is None else 1 / max(1, options - 1)
    met = pairs = 0.0
    for case in settled:
        wrong: dict[int, int] = {}
        for said in case.said:
            if said.option != case.truth:
                wrong[said.option] = wrong.get(said.option, 0) + 1
        count = sum(wrong.values())
        if count > 1:
            met += sum(n * (n - 1) for n in wrong.values()) / (2 * count)
            pairs += (count - 1) / 2
    return -math.log((met + PAIRS * prior) / (pairs + PAIRS))


def _vote(said: Said) -> float:
    return said.authority / (1 + math.exp(-said.stated))
