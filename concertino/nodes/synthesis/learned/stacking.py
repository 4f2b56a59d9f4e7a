"""How much each way of pooling is believed, by what it would have foretold of the settled past.

The weights are the mean of two: prior · exp(CAUTION · log loss gained), the tempered posterior ("generalised Bayes", Grünwald 2012,
"The safe Bayesian"), which decides where evidence is clear; and stacking (Yao et al. 2018, "Using stacking to average Bayesian
predictive distributions") by EM with the prior as so many further questions, which keeps what complements each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

CAUTION = 0.5
PRIOR_QUESTIONS = 3.0
ROUNDS = 30
"""All three were chosen by hand."""


def stack(
    foretold: Mapping[str, Sequence[float]], prior: Mapping[str, float], *, remembered: Sequence[float]
) -> dict[str, float]:
    """Return one weight a way of pooling, summing to 1.

    Args:
        foretold: The probability each gave to the truth of each settled question, in one order.
        prior: Positive, by name; need not sum to 1. What it leaves out has no weight.
        remembered: How much of each question is remembered, 0-1, in the same order.
    """
    names = [name for name in foretold if prior.get(name, 0.0) > 0]
    whole = sum(prior[name] for name in names)
    start = {name: prior[name] / whole for name in names}
    gains = {name: gained(foretold[name], remembered) for name in names}
    best = max(gains.values())
    posterior = {name: start[name] * math.exp(CAUTION * (gains[name] - best)) for name in names}
    total = sum(posterior.values())
    rows = list(zip(*(foretold[name] for name in names), strict=True))
    weights = [start[name] for name in names]
    base = [PRIOR_QUESTIONS * start[name] for name in names]
    questions = math.fsum(remembered) + PRIOR_QUESTIONS
    for _ in range(ROUNDS):
        sums = list(base)
        for row, part in zip(rows, remembered, strict=True):
            factor = part / sum(weight * p for weight, p in zip(weights, row, strict=True))
            for n, p in enumerate(row):
                sums[n] += weights[n] * p * factor
        weights = [value / questions for value in sums]
    return {name: (posterior[name] / total + weights[n]) / 2 for n, name in enumerate(names)}


def gained(foretold: Sequence[float], remembered: Sequence[float]) -> float:
    """Return the log probability that was given to the settled past, each question as far as it is remembered."""
    return math.fsum(part * math.log(p) for p, part in zip(foretold, remembered, strict=True))
