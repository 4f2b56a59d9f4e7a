"""How often each source is right, and how far its stated confidence says so: a hierarchical logistic model.

P(source s is right | stated log odds x) = sigmoid(a_s + b_s (x - centre)), with a_s ~ Normal(mean + standing_s, variance)
and b_s ~ Normal(slope, SLOPE_VARIANCE): a source with a short history keeps what the panel and its standing say.
Mean, slope and variance are found with the rest (empirical Bayes). Per domain there is a further shift
d_sd ~ Normal(0, DOMAIN_VARIANCE).

Sources: Platt 1999, "Probabilistic outputs for support vector machines" (logistic calibration); Efron and Morris 1975,
"Data analysis using Stein's estimator" (shrinkage); Raudenbush and Bryk, "Hierarchical Linear Models", chapter 10.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from concertino.nodes.synthesis.authority import DEFAULT_AUTHORITY
from concertino.nodes.synthesis.learned.cases import Case, log_odds, sigmoid

SLOPE = 0.4
SLOPE_SOURCES = 2.0
"""The expected slope, worth so many sources: language models overstate, so less than 1. Chosen by hand."""
SLOPE_VARIANCE = 0.5
VARIANCE = 1.0
VARIANCE_SOURCES = 3.0
"""The expected variance between sources in log odds, worth so many of them. Chosen by hand."""
MEAN = 1.0
MEAN_SOURCES = 0.5
"""The expected log odds of being right, worth so many sources. Chosen by hand."""
DOMAIN_VARIANCE = 0.4
"""Of a source between its domains, in log odds. Chosen by hand."""
LOWEST_STANDING, HIGHEST_STANDING = 0.05, 0.95
STEP = 2.0
"""Longest Newton step, in log odds."""


class Seen(NamedTuple):
    """One answer and what is known of its being right."""

    stated: float
    right: float
    """0 or 1, or a probability where nobody settled it."""
    weight: float = 1.0
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Skill:
    """One source."""

    level: float
    """a_s: log odds of being right at the centre of stated confidence."""
    slope: float
    curvature: float
    """Of the log posterior in `level`; its inverse is the level's variance."""
    answers: float
    """Settled answers behind it, weighted."""


@dataclass(frozen=True, slots=True)
class Skills:
    """Everybody's skill, and what is assumed of a stranger."""

    centre: float
    mean: float
    slope: float
    variance: float
    known: Mapping[str, Skill]
    shifts: Mapping[tuple[str, str], tuple[float, float]]
    """By source and domain: the shift of the level, and its curvature."""
    standing: float
    """Mean log odds of the authority of the sources in the history."""

    def log_odds(self, source: str, stated: float, domain: str | None, standing: float) -> float:
        """Return the log odds that this answer is right; `standing` is a stranger's authority, 0-1."""
        skill = self.known.get(source)
        if skill is None:
            level = self.mean + _standing(standing) - self.standing
            return level + self.slope * (stated - self.centre)
        shift = self.shifts.get((source, domain), (0.0, 0.0))[0] if domain is not None else 0.0
        return skill.level + shift + skill.slope * (stated - self.centre)

    def log_odds_without(self, source: str, stated: float, domain: str | None, *, right: bool, weight: float) -> float:
        """Return the same as if this one settled answer were not known: one Newton step back from the fit.

        Source: Beirami et al. 2017, "On optimal generalizability in parametric learning" (approximate leave-one-out).
        """
        z = self.log_odds(source, stated, domain, 1.0)
        skill = self.known[source]
        p = sigmoid(z)
        pull, bend = weight * (right - p), weight * p * (1 - p)
        z -= pull / max(skill.curvature - bend, 1 / self.variance)
        if domain is not None and (source, domain) in self.shifts:
            z -= pull / max(self.shifts[source, domain][1] - bend, 1 / DOMAIN_VARIANCE)
        return z


def settled_answers(cases: Iterable[Case]) -> dict[str, list[Seen]]:
    """Return the settled answers by source."""
    found: dict[str, list[Seen]] = defaultdict(list)
    for case in cases:
        for said in case.said:
            found[said.source].append(Seen(said.stated, float(said.option == case.truth), case.weight, case.domain))
    return found


def fit_skills(
    seen: Mapping[str, Sequence[Seen]],
    *,
    standing: Mapping[str, float],
    start: Skills | None = None,
    rounds: int = 12,
) -> Skills:
    """Return the skills that explain `seen` best; `start` saves rounds where a similar fit is at hand."""
    total = sum(one.weight for answers in seen.values() for one in answers)
    centre = sum(one.stated * one.weight for answers in seen.values() for one in answers) / total
    spread = sum(one.weight * (one.stated - centre) ** 2 for answers in seen.values() for one in answers) / total
    is_sloped = spread > 1e-3
    right = sum(one.weight * one.right for answers in seen.values() for one in answers)
    levels = {name: _standing(standing[name]) for name in seen if name in standing}
    middle = sum(levels.values()) / len(levels) if levels else _standing(DEFAULT_AUTHORITY)
    lead = {name: levels.get(name, middle) - middle for name in seen}

    mean = log_odds(min(0.98, max(0.05, (1 + right) / (2 + total)))) if start is None else start.mean
    slope = (SLOPE if is_sloped else 0.0) if start is None else start.slope
    variance = 1.0 if start is None else start.variance
    level = {name: mean + lead[name] for name in seen}
    own = dict.fromkeys(seen, slope)
    if start is not None:
        for name, skill in start.known.items():
            if name in level:
                level[name], own[name] = skill.level + skill.slope * (centre - start.centre), skill.slope
    doubt = dict.fromkeys(seen, 1.0)
    bends = dict.fromkeys(seen, 1.0)
    for _ in range(rounds):
        for name, answers in seen.items():
            a, b = level[name], own[name]
            ga, gb = (mean + lead[name] - a) / variance, (slope - b) / SLOPE_VARIANCE
            haa, hbb, hab = 1 / variance, 1 / SLOPE_VARIANCE, 0.0
            for one in answers:
                away = one.stated - centre
                p = sigmoid(a + b * away)
                pull, bend = one.weight * (one.right - p), one.weight * p * (1 - p)
                ga += pull
                haa += bend
                if is_sloped:
                    gb += pull * away
                    hab += bend * away
                    hbb += bend * away * away
            bends[name] = haa
            if is_sloped:
                det = haa * hbb - hab * hab
                level[name] = a + _bounded((hbb * ga - hab * gb) / det, STEP)
                own[name] = b + _bounded((haa * gb - hab * ga) / det, STEP / 2)
                doubt[name] = hbb / det
            else:
                level[name] = a + _bounded(ga / haa, STEP)
                doubt[name] = 1 / haa
        count = len(seen)
        mean = (sum(level[name] - lead[name] for name in seen) + MEAN_SOURCES * MEAN) / (count + MEAN_SOURCES)
        if is_sloped:
            slope = (sum(own.values()) + SLOPE_SOURCES * SLOPE) / (count + SLOPE_SOURCES)
        apart = sum((level[name] - mean - lead[name]) ** 2 + doubt[name] for name in seen)
        variance = (apart + VARIANCE_SOURCES * VARIANCE) / (count + VARIANCE_SOURCES)
    known = {
        name: Skill(level[name], own[name], bends[name], sum(one.weight for one in answers))
        for name, answers in seen.items()
    }
    return Skills(centre, mean, slope, variance, known, _shifts(seen, known, centre), middle)


def _shifts(
    seen: Mapping[str, Sequence[Seen]], known: Mapping[str, Skill], centre: float
) -> dict[tuple[str, str], tuple[float, float]]:
    if len({one.domain for answers in seen.values() for one in answers}) < 2:
        return {}
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for name, answers in seen.items():
        by_domain: dict[str, list[Seen]] = defaultdict(list)
        for one in answers:
            if one.domain is not None:
                by_domain[one.domain].append(one)
        skill = known[name]
        for domain, some in by_domain.items():
            shift, bend = 0.0, 1 / DOMAIN_VARIANCE
            for _ in range(5):
                pull, bend = -shift / DOMAIN_VARIANCE, 1 / DOMAIN_VARIANCE
                for one in some:
                    p = sigmoid(skill.level + shift + skill.slope * (one.stated - centre))
                    pull += one.weight * (one.right - p)
                    bend += one.weight * p * (1 - p)
                shift += _bounded(pull / bend, STEP)
            found[name, domain] = (shift, bend)
    return found


def _standing(authority: float) -> float:
    return log_odds(min(HIGHEST_STANDING, max(LOWEST_STANDING, authority)))


def _bounded(step: float, bound: float) -> float:
    return min(bound, max(-bound, step))
