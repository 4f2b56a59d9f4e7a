"""How sure a figure is: intervals around shares and means, seeded where chance is in it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import NormalDist, fmean
from typing import NamedTuple

CONFIDENCE = 0.95
RESAMPLES = 2_000
"""Source: Efron, Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13: at least 1,000 for intervals."""


class Interval(NamedTuple):
    """Both ends belong to it."""

    low: float
    high: float


def wilson(right: int, of: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of a share; 0-1 where nothing was counted.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if of == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / of
    center = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    low, high = (center - spread) / scale, (center + spread) / scale
    # The formula meets 0 and 1 there, but for rounding.
    return Interval(0.0 if right == 0 else max(0.0, low), 1.0 if right == of else min(1.0, high))


def bootstrap(
    values: Sequence[float], *, seed: int, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> Interval:
    """Return the percentile interval of the mean over resampled values; of differences between pairs it is a paired bootstrap.

    The same values in the same order and the same seed give the same interval, on any machine.

    Raises:
        ValueError: `values` is empty.
    """
    if not values:
        raise ValueError("bootstrap: there are no values to resample")
    if min(values) == max(values):
        return Interval(values[0], values[0])
    draw = random.Random(seed)  # noqa: S311 - resampling, no secret
    means = sorted(fmean(draw.choices(values, k=len(values))) for _ in range(resamples))
    tail = (1 - confidence) / 2
    return Interval(_quantile(means, tail), _quantile(means, 1 - tail))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile by linear interpolation (definition 7 of Hyndman, Fan 1996)."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
