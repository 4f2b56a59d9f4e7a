"""Answering less often and being right more often: the selective-prediction curve of the settled past.

Source: El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification" (risk and coverage).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from concertino.contracts.finding import Fraction
from concertino.nodes.synthesis.result import Calibration

BINS = 10
"""Equal bins of confidence. Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2."""
MOST_POINTS = 50


class CurvePoint(BaseModel):
    """What happens when only answers of at least this confidence are given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: Fraction
    coverage: Fraction
    """Part of the settled questions that would be answered."""
    accuracy: Fraction
    """Part of these that would be right."""


class Foretold(NamedTuple):
    """One settled question that was answered without its truth."""

    confidence: float
    right: bool
    weight: float = 1.0
    """How much of it is remembered, 0-1."""


def curve(past: Iterable[Foretold]) -> tuple[CurvePoint, ...]:
    """Return the curve, from the surest answers to all, at most 50 points."""
    ranked = sorted(past, key=lambda one: -one.confidence)
    whole = math.fsum(one.weight for one in ranked)
    points: list[CurvePoint] = []
    right = heard = 0.0
    for n, (confidence, hit, weight) in enumerate(ranked, 1):
        heard += weight
        right += weight * hit
        if n == len(ranked) or ranked[n].confidence < confidence:
            coverage = 1.0 if n == len(ranked) else min(1.0, heard / whole)
            points.append(CurvePoint(confidence=confidence, coverage=coverage, accuracy=right / heard))
    if len(points) <= MOST_POINTS:
        return tuple(points)
    kept = {round(i * (len(points) - 1) / (MOST_POINTS - 1)) for i in range(MOST_POINTS)}
    return tuple(point for n, point in enumerate(points) if n in kept)


def calibration(past: Iterable[Foretold]) -> Calibration | None:
    """Return the expected calibration error; `None` without any question."""
    bins = [0.0] * BINS
    count, whole = 0, 0.0
    for confidence, right, weight in past:
        count += 1
        whole += weight
        bins[min(BINS - 1, int(confidence * BINS))] += weight * (confidence - right)
    # A bin's share times its distance between confidence and accuracy is |Σ(confidence - right)| / n.
    return Calibration(n=count, ece=min(1.0, sum(map(abs, bins)) / whole)) if count else None
