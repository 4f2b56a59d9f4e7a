"""Ways to merge numbers: each takes the estimates of one question and the errors of their sources, and returns one value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from concertino.nodes.synthesis.learned.quantities import Estimate, Source
from concertino.nodes.synthesis.learned.suspects import STRANGERS_ECHO

ECHO = 0.2
"""How much errors are shared; a hand-chosen constant, since its size cancels in the past errors' ratios."""
FAR = 3.0
"""Usual distances beyond which an estimate is turned down. Chosen by hand."""

Sources = Mapping[str | None, Source]


def scale_of(estimates: Sequence[Estimate], sources: Sources) -> float:
    """Return the unit in which errors on this question are measured: expected standard error plus disagreement.

    The first is that of the precision-weighted mean of voices that echo (see `tempering`), so fewer voices make it larger; the
    second is the weighted mean distance of the debiased estimates from their median.
    """
    values = [one.value - source_of(sources, one).bias for one in estimates]
    weights = [one.part / source_of(sources, one).error for one in estimates]
    middle = _weighted_median(values, weights)
    expected = expected_error([(source_of(sources, one).error, one.part) for one in estimates])
    return expected + sum(weight * abs(value - middle) for value, weight in zip(values, weights, strict=True)) / sum(
        weights
    )


def expected_error(voices: Sequence[tuple[float, float]]) -> float:
    """Return the standard error of the precision-weighted mean of voices, given as error and part, whose errors echo."""
    return math.sqrt((1 + (len(voices) - 1) * ECHO) / sum(part / error**2 for error, part in voices))


def heard(estimates: Sequence[Estimate], sources: Sources) -> list[Estimate]:
    """Return the estimates with outliers turned down: one that lies t usual distances from the weighted median, t above FAR, keeps
    (FAR / t)² of its voice. Strangers share voices as in `suspects`.

    Its own past error and the median distance of all make the usual distance. Source: Huber 1981, "Robust Statistics".
    """
    strangers = sum(one.source not in sources for one in estimates)
    share = 1 / (1 + STRANGERS_ECHO * max(0, strangers - 1))
    given = [one if one.source in sources else one._replace(part=one.part * share) for one in estimates]
    values = [one.value - source_of(sources, one).bias for one in given]
    middle = _weighted_median(values, [one.part / source_of(sources, one).error for one in given])
    around = _weighted_median([abs(value - middle) for value in values], [one.part for one in given])
    found: list[Estimate] = []
    for one, value in zip(given, values, strict=True):
        t = abs(value - middle) / (source_of(sources, one).error + around)
        found.append(one if t <= FAR else one._replace(part=one.part * (FAR / t) ** 2))
    return found


def source_of(sources: Sources, one: Estimate) -> Source:
    """Return a source's errors, or a stranger's."""
    return sources.get(one.source) or sources[None]


def _formula(estimates: Sequence[Estimate], sources: Sources) -> float:
    total = sum(one.part * one.vote for one in estimates)
    return sum(one.part * one.value * one.vote for one in estimates) / total if total else _mean(estimates, sources)


def _mean(estimates: Sequence[Estimate], sources: Sources) -> float:
    return sum(one.part * one.value for one in estimates) / sum(one.part for one in estimates)


def _median(estimates: Sequence[Estimate], sources: Sources) -> float:
    return _weighted_median([one.value for one in estimates], [one.part for one in estimates])


def _debiased_mean(estimates: Sequence[Estimate], sources: Sources) -> float:
    whole = sum(one.part for one in estimates)
    return sum(one.part * (one.value - source_of(sources, one).bias) for one in estimates) / whole


def _precision(estimates: Sequence[Estimate], sources: Sources) -> float:
    weights = [one.part / (source_of(sources, one).error + abs(source_of(sources, one).bias)) ** 2 for one in estimates]
    return sum(one.value * weight for one, weight in zip(estimates, weights, strict=True)) / sum(weights)


def _debiased_precision(estimates: Sequence[Estimate], sources: Sources) -> float:
    weights = [one.part / source_of(sources, one).error ** 2 for one in estimates]
    values = [one.value - source_of(sources, one).bias for one in estimates]
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _robust(estimates: Sequence[Estimate], sources: Sources) -> float:
    values = [one.value - source_of(sources, one).bias for one in estimates]
    return _weighted_median(values, [one.part / source_of(sources, one).error for one in estimates])


def _best(estimates: Sequence[Estimate], sources: Sources) -> float:
    best = min(estimates, key=lambda one: source_of(sources, one).error / one.part)
    return best.value - source_of(sources, best).bias


RULES: Mapping[str, Callable[[Sequence[Estimate], Sources], float]] = {
    "formula": _formula,
    "mean": _mean,
    "median": _median,
    "debiased mean": _debiased_mean,
    "precision": _precision,
    "debiased precision": _debiased_precision,
    "robust": _robust,
    "best single": _best,
}


def _weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    ranked = sorted(zip(values, weights, strict=True))
    half, below = sum(weights) / 2, 0.0
    for n, (value, weight) in enumerate(ranked):
        below += weight
        if below > half * (1 + 1e-12):
            return value
        if below >= half * (1 - 1e-12) and n + 1 < len(ranked):
            return (value + ranked[n + 1][0]) / 2
    return ranked[-1][0]
