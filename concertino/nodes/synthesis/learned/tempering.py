"""From scores to probabilities that mean what they say: one temperature that grows with the number of voices.

p = (1 - slip) · softmax(scores / T) + slip / options, with T = scale · (1 + (voices - 1) · echo). Errors that sources share
make n voices worth n / (1 + (n - 1) · echo) independent ones, the design effect of Kish 1965, "Survey Sampling"; so confidence
stays honest when sources are missing. `slip` is the part of questions on which the panel says nothing about the truth.
All three are fitted to settled questions, each scored without its own truth, and averaged over their posterior.

Source of temperature scaling: Guo et al. 2017, "On Calibration of Modern Neural Networks".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

ECHOES = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65)
SCALES = (0.6, 0.8, 1.0)
SLIPS = {0.005: -0.3, 0.02: 0.0, 0.05: -1.0}
"""Log prior by slip. The grid and the priors were chosen by hand."""
ECHO, ECHO_DEVIATION = 0.2, 0.2
SCALE_DEVIATION = 0.3
"""Normal priors of the echo and of the logarithm of the scale."""


class Scored(NamedTuple):
    """One settled question as a way of pooling sees it without its truth."""

    scores: Sequence[float]
    voices: int
    truth: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Tempering:
    """A fitted temperature."""

    echo: float = ECHO
    scale: float = 1.0
    slip: float = 0.02

    def temperature(self, voices: int) -> float:
        """Return T for so many voices."""
        return self.scale * (1 + (voices - 1) * self.echo) if voices > 1 else self.scale

    def probabilities(self, scores: Sequence[float], voices: int) -> list[float]:
        """Return one probability per option, summing to 1."""
        t, top = self.temperature(voices), max(scores)
        raised = [math.exp((score - top) / t) for score in scores]
        factor = (1 - self.slip) / sum(raised)
        floor = self.slip / len(scores)
        return [x * factor + floor for x in raised]


def fit_tempering(cases: Sequence[Scored]) -> Tempering:
    """Return the posterior mean over the grid; the priors' own where nothing is settled."""
    found: list[tuple[float, float, float, float]] = []
    for echo in ECHOES:
        for scale in SCALES:
            prior = -(((echo - ECHO) / ECHO_DEVIATION) ** 2 + (math.log(scale) / SCALE_DEVIATION) ** 2) / 2
            pairs: list[tuple[float, float, float]] = []
            for case in cases:
                t = scale * (1 + max(0, case.voices - 1) * echo)
                top = max(case.scores)
                below = 0.0
                for score in case.scores:
                    below += math.exp((score - top) / t)
                p = math.exp((case.scores[case.truth] - top) / t) / below
                pairs.append((p, 1 / len(case.scores), case.weight))
            for slip, extra in SLIPS.items():
                fit = 0.0
                for p, flat, weight in pairs:
                    fit += weight * math.log((1 - slip) * p + slip * flat)
                found.append((fit + prior + extra, echo, math.log(scale), slip))
    best = max(found)[0]
    weights = [math.exp(one[0] - best) for one in found]
    total = sum(weights)
    echo, log_scale, slip = (
        sum(weight * one[n] for weight, one in zip(weights, found, strict=True)) / total for n in (1, 2, 3)
    )
    return Tempering(echo, math.exp(log_scale), slip)
