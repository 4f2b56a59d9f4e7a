"""Answering less often and being right more often: the selective-prediction curve of the settled past.

Source: El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification" (risk and coverage).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def curve(pairs: Sequence[tuple[float, bool]]) -> tuple[CurvePoint, ...]:
    """Return the curve, from the surest answers to all, at most 50 points; `pairs` are confidence and whether right."""
    ranked = sorted(pairs, key=lambda pair: -pair[0])
    points: list[CurvePoint] = []
    right = 0
    for n, (confidence, hit) in enumerate(ranked, 1):
        right += hit
        if n == len(ranked) or ranked[n][0] < confidence:
            points.append(CurvePoint(confidence=confidence, coverage=n / len(ranked), accuracy=right / n))
    if len(points) <= MOST_POINTS:
        return tuple(points)
    kept = {round(i * (len(points) - 1) / (MOST_POINTS - 1)) for i in range(MOST_POINTS)}
    return tuple(point for n, point in enumerate(points) if n in kept)


def calibration(pairs: Iterable[tuple[float, bool]]) -> Calibration | None:
    """Return the expected calibration error; `None` without any pair."""
    bins = [0.0] * BINS
    count = 0
    for confidence, right in pairs:
        count += 1
        bins[min(BINS - 1, int(confidence * BINS))] += confidence - right
    # A bin's share times its distance between confidence and accuracy is |Σ(confidence - right)| / n.
    return Calibration(n=count, ece=min(1.0, sum(map(abs, bins)) / count)) if count else None
