"""Learned synthesis of numbers: which rule merges best is found on the settled past, and so is how far off the merged value is.

Each rule is tried on every settled question with errors that do not know its truth. Rules are weighed by
prior · (mean absolute error)^(-CAUTION · questions), the profile of a Laplace likelihood under a tempered posterior; the merged
value is the weighted mean of theirs. Its own errors on the past, in units of the panel's spread, give interval and probability
(split conformal prediction with normalised scores: Lei et al. 2018, "Distribution-free predictive inference for regression").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from concertino.nodes.synthesis.learned.cases import log_odds, sigmoid
from concertino.nodes.synthesis.learned.quantities import Errors, Estimate, Sum, bound_of
from concertino.nodes.synthesis.learned.rules import RULES, Sources, expected_error, heard, scale_of, source_of
from concertino.nodes.synthesis.learned.suspects import Change, Number, find_strayed

CAUTION = 0.5
PRIOR: Mapping[str, float] = {
    "formula": 1.0,
    "mean": 1.0,
    "median": 1.0,
    "debiased mean": 1.0,
    "precision": 2.0,
    "debiased precision": 2.0,
    "robust": 2.0,
    "best single": 0.5,
}
SMOOTH = 0.35
"""Width, in logarithms, of the kernel over past errors."""
FURTHEST = 1e100
"""Beyond so many times the tolerance an error is as far as any; its power would overflow."""
PRIOR_ERRORS = 2.0
"""How many past errors a Laplace distribution of the same mean is worth. All chosen by hand."""
PRECISIONS = (1.0, 10.0, 4.0)
"""Of the Normal priors around intercept 0, slope 1 on the errors' probability and slope 0 on stated confidence."""


class Replay(NamedTuple):
    """One settled question as it would have been answered."""

    question_id: str
    confidence: float
    right: bool
    error: float
    """Merged value minus truth, transformed unit."""
    scale: float
    weight: float
    """How much of it is remembered, 0-1."""


class Ratio(NamedTuple):
    """One past error of the merged value."""

    size: float
    """Over the scale of its question."""
    weight: float
    """How much of the question is remembered, 0-1."""


class Fused(NamedTuple):
    """A merged number."""

    value: float
    low: float
    high: float
    """80 % interval."""
    confidence: float
    """Probability that the value lies within the tolerance."""
    weights: tuple[float, ...]
    """Each estimate's share, 0-1, by the errors of its source."""


@dataclass(frozen=True, slots=True)
class NumberModel:
    """A fitted model; it does not change."""

    rules: Mapping[str, float]
    sources: Sources
    relative: bool
    ratios: tuple[Ratio, ...]
    """Ascending."""
    reach: float
    """Half of the interval, in scales."""
    link: tuple[float, float, float]
    """From the errors' log odds and stated confidence to the confidence: intercept and slopes."""
    blind: tuple[float, float, float]
    """The same where no tolerance is known, with `base` in the errors' place."""
    centre: float
    """Mean of stated log odds."""
    base: float
    """Log odds of being right, past."""
    tolerance: float | None
    """The past's tolerance where all settled questions had the same."""
    replayed: tuple[Replay, ...]
    changed: tuple[Change, ...] = ()
    """Sources that are left out."""

    @property
    def heard(self) -> Set[str | None]:
        """Return whoever is known: the sources, and the changed ones."""
        return self.sources.keys() | {change.source for change in self.changed}

    def _voices(self, estimates: Sequence[Estimate]) -> list[Estimate]:
        out = {change.source for change in self.changed}
        return heard([one for one in estimates if one.source not in out] or estimates, self.sources)

    def _merged(self, voices: Sequence[Estimate]) -> float:
        return sum(weight * RULES[name](voices, self.sources) for name, weight in self.rules.items())

    def pool(self, estimates: Sequence[Estimate], *, tolerance: float | None = None) -> Fused:
        """Return the merged value; `tolerance` in its own unit, by default the past's common one."""
        given = estimates
        estimates = self._voices(given)
        value = self._merged(estimates)
        scale = scale_of(estimates, self.sources)
        reach = self.reach * scale
        within = tolerance if tolerance is not None else self.tolerance
        away = _stated(estimates) - self.centre
        if within is None:
            confidence = sigmoid(_linked(self.blind, self.base, away))
        else:
            chance = _chance(self.ratios, _reach(value, within, relative=self.relative) / scale)
            confidence = sigmoid(_linked(self.link, chance, away))
        undo = raised if self.relative else float
        weights = {one.source: one.part / source_of(self.sources, one).error ** 2 for one in estimates}
        total = sum(weights.get(one.source, 0.0) for one in given)
        return Fused(
            undo(value),
            undo(value - reach),
            undo(value + reach),
            confidence,
            tuple(weights.get(one.source, 0.0) / total for one in given),
        )

    def worth(
        self, estimates: Sequence[Estimate], names: Sequence[str | None], *, tolerance: float | None = None
    ) -> list[float]:
        """Return by how much hearing each of `names`, or a stranger, would raise the probability to be within the tolerance.

        One more voice makes the expected error smaller; disagreement is taken to stay as it is. Without a tolerance it is 0.
        """
        within = tolerance if tolerance is not None else self.tolerance
        if within is None:
            return [0.0] * len(names)
        given = self._voices(estimates)
        voices = [(source_of(self.sources, one).error, one.part) for one in given]
        scale, expected = scale_of(given, self.sources), expected_error(voices)
        reach = _reach(self._merged(given), within, relative=self.relative)
        away = _stated(given) - self.centre
        found: list[float] = []
        for name in names:
            error = (self.sources.get(name) or self.sources[None]).error
            fewer = min(scale, scale - expected + expected_error([*voices, (error, 1.0)]))
            chances = [sigmoid(_linked(self.link, _chance(self.ratios, reach / unit), away)) for unit in (scale, fewer)]
            found.append(max(0.0, chances[1] - chances[0]))
        return found


def fit_numbers(settled: Sequence[Sum], unsettled: Sequence[Sum] = (), *, relative: bool) -> NumberModel:
    """Return the model of at least one settled question with at least one estimate.

    Unsettled questions only show who changed; a source that did is left out, here and when its number is merged.
    """
    # Sums in one and the same order, whatever order answers came in.
    settled, unsettled = (sorted(some, key=lambda one: one.question_id) for some in (settled, unsettled))
    changed = find_strayed([_numbers(one) for one in settled], [_numbers(one) for one in unsettled])
    out = {change.source for change in changed}
    if out:
        kept = [
            one._replace(estimates=tuple(estimate for estimate in one.estimates if estimate.source not in out))
            for one in settled
        ]
        settled = [one for one in kept if one.estimates] or settled
    errors = Errors(settled)
    without = {truth: errors.sources(without=truth) for truth in errors.groups}
    given = [heard(one.estimates, without[one.truth]) for one in settled]
    tries = {
        name: [rule(estimates, without[one.truth]) for one, estimates in zip(settled, given, strict=True)]
        for name, rule in RULES.items()
    }
    shares = [one.weight / len(errors.groups[one.truth]) for one in settled]
    whole = sum(shares)
    strays = {
        name: [value - one.truth for value, one in zip(values, settled, strict=True)] for name, values in tries.items()
    }
    bound = bound_of([stray for some in strays.values() for stray in some])
    misses = {
        name: sum(share * min(bound, abs(stray)) for share, stray in zip(shares, some, strict=True)) / whole
        for name, some in strays.items()
    }
    least = max(min(misses.values()), 1e-12)
    raw = {
        name: PRIOR[name] * math.exp(-CAUTION * whole * math.log(max(miss, 1e-12) / least))
        for name, miss in misses.items()
    }
    rules = {name: weight / sum(raw.values()) for name, weight in raw.items()}
    merged = [sum(rules[name] * tries[name][n] for name in rules) for n in range(len(settled))]
    scales = [scale_of(estimates, without[one.truth]) for one, estimates in zip(settled, given, strict=True)]
    ratios = [
        Ratio(max(abs(value - one.truth) / scale, 1e-6), one.weight)
        for value, one, scale in zip(merged, settled, scales, strict=True)
    ]
    known = sum(one.weight for one in settled)
    centre = sum(one.weight * _stated(one.estimates) for one in settled) / known
    tolerances = {one.tolerance for one in settled}
    rows: list[tuple[float, float, float, bool]] = []
    bounds = [one.tolerance if one.tolerance is not None else 0.05 * abs(one.raw_truth) for one in settled]
    hits = [
        abs((raised(value) if relative else value) - one.raw_truth) <= bound
        for value, one, bound in zip(merged, settled, bounds, strict=True)
    ]
    base = log_odds((sum(one.weight for one, hit in zip(settled, hits, strict=True) if hit) + 1) / (known + 2))
    same = next(iter(tolerances)) if len(tolerances) == 1 else None
    for n, one in enumerate(settled):
        others = [ratio for ratio, other in zip(ratios, settled, strict=True) if other.truth != one.truth] or ratios
        chance = _chance(others, _reach(merged[n], bounds[n], relative=relative) / scales[n])
        rows.append((chance, _stated(one.estimates) - centre, shares[n], hits[n]))
    link = _fit_link(rows)
    blind = _fit_link([(base, away, share, hit) for _, away, share, hit in rows])
    replayed = tuple(
        Replay(one.question_id, sigmoid(_linked(link, row[0], row[1])), hit, value - one.truth, scale, one.weight)
        for one, row, hit, value, scale in zip(settled, rows, hits, merged, scales, strict=True)
    )
    return NumberModel(
        rules=rules,
        sources=errors.sources(),
        relative=relative,
        ratios=tuple(sorted(ratios)),
        reach=_quantile(sorted(ratios), 0.8),
        link=link,
        blind=blind,
        centre=centre,
        base=base,
        tolerance=same,
        replayed=replayed,
        changed=changed,
    )


def raised(value: float) -> float:
    """Return e to the power of `value`, at most about 1e304."""
    return math.exp(min(700.0, value))


def _numbers(one: Sum) -> list[Number]:
    return [Number(estimate.source, estimate.value) for estimate in one.estimates]


def _stated(estimates: Sequence[Estimate]) -> float:
    return sum(one.stated for one in estimates) / len(estimates)


def _reach(value: float, tolerance: float, *, relative: bool) -> float:
    """Return the tolerance in the transformed unit."""
    return math.log1p(tolerance / max(raised(value), 1e-300)) if relative else tolerance


def _chance(ratios: Sequence[Ratio], ratio: float) -> float:
    """Return the log odds that an error is at most `ratio` scales: a smoothed count of past errors."""
    ratio = max(ratio, 1e-9)
    known = usual = hits = 0.0
    for size, weight in ratios:
        known += weight
        usual += weight * size
        hits += weight / (1 + min(size / ratio, FURTHEST) ** (1 / SMOOTH))  # sigmoid(log(ratio / size) / SMOOTH)
    p = (hits + PRIOR_ERRORS * (1 - math.exp(-ratio * known / usual))) / (known + PRIOR_ERRORS)
    return log_odds(min(0.999, max(0.001, p)))


def _quantile(ratios: Sequence[Ratio], level: float) -> float:
    """Return the conformal quantile: the ⌈level · (n + 1)⌉-th smallest, or 1.5 times the largest beyond the past.

    Each error counts as far as it is remembered (Tibshirani et al. 2019, "Conformal prediction under covariate shift").
    """
    wanted = level * (sum(weight for _, weight in ratios) + 1)
    below = 0.0
    for size, weight in ratios:
        below += weight
        if below >= wanted:
            return size
    return 1.5 * ratios[-1].size


def _linked(link: tuple[float, float, float], chance: float, away: float) -> float:
    return link[0] + link[1] * chance + link[2] * away


def _fit_link(rows: Sequence[tuple[float, float, float, bool]]) -> tuple[float, float, float]:
    """Fit intercept and two slopes by Newton's method on coordinates in turn; the objective is concave."""
    at = [0.0, 1.0, 0.0]
    prior = (0.0, 1.0, 0.0)
    for _ in range(40):
        for k in range(3):
            pull, bend = -PRECISIONS[k] * (at[k] - prior[k]), PRECISIONS[k]
            for chance, away, weight, hit in rows:
                x = (1.0, chance, away)[k]
                p = sigmoid(at[0] + at[1] * chance + at[2] * away)
                pull += weight * x * (hit - p)
                bend += weight * x * x * p * (1 - p)
            at[k] += max(-1.0, min(1.0, pull / bend))
    return at[0], at[1], at[2]
