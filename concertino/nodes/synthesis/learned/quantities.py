"""The settled past of numbers: who was how far off, and in which direction.

Where values span orders of magnitude their logarithms are taken, so that errors are relative. Settled questions with one and the
same truth are one question asked again: together they count once, and they are left out together.

One slip of the pen must not decide: errors are winsorised (Tukey 1962, "The future of data analysis"), see `bound_of`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

LARGEST = 1e100
"""Larger numbers are not learned from, nor merged by what was learned: their squares would overflow."""
SPAN = 20.0
"""Largest over smallest truth from which errors are taken as relative. Chosen by hand."""
BIAS_QUESTIONS, ERROR_QUESTIONS = 3.0, 3.0
"""How many questions the panel's bias and its error are worth as prior of a source's. Chosen by hand."""
STRANGER = 2.0
"""How much larger than usual a stranger's errors are taken to be. Chosen by hand."""
PANEL_QUESTIONS = 2.0
"""How many questions the absence of a common bias is worth."""
USUAL, WIDEST = 0.9, 3.0
"""An error counts at most WIDEST times the USUAL quantile of all errors. Chosen by hand."""
OWN_BOUND = 10
"""From so many answers on a source's own errors set its bound, too."""
ZEROS = 2
"""So many exact answers stand beside a source's own when its usual error is looked for: one answer makes no habit. By hand."""


class Estimate(NamedTuple):
    """One source's number, transformed, and the log odds of its stated confidence."""

    source: str
    value: float
    stated: float
    vote: float
    """Confidence times authority."""
    part: float = 1.0
    """How much of a voice it is, 0-1."""


class Sum(NamedTuple):
    """One question about a number."""

    question_id: str
    estimates: tuple[Estimate, ...]
    truth: float = math.nan
    tolerance: float | None = None
    """In the truth's own unit."""
    raw_truth: float = math.nan
    weight: float = 1.0


@dataclass(slots=True)
class _Tally:
    count: float = 0.0
    signed: float = 0.0
    size: float = 0.0

    def add(self, error: float, weight: float) -> None:
        self.count += weight
        self.signed += weight * error
        self.size += weight * abs(error)


@dataclass(frozen=True, slots=True)
class Source:
    """One source's shrunk errors, in the transformed unit."""

    bias: float
    error: float
    """Mean absolute error after its bias is taken off, above 0."""


class Errors:
    """Errors by source, with the possibility to leave one group of questions out."""

    def __init__(self, settled: Sequence[Sum]) -> None:
        self.groups: dict[float, list[Sum]] = defaultdict(list)
        for one in settled:
            self.groups[one.truth].append(one)
        self._seen: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        for truth, some in self.groups.items():
            for one in some:
                for estimate in one.estimates:
                    entry = (truth, estimate.value - truth, one.weight / len(some))
                    self._seen[estimate.source].append(entry)
        # What a source always does is its habit, however far off; only what strays from the habit is cut.
        habits = {
            name: median([0.0] * ZEROS + [error for _, error, _ in entries]) for name, entries in self._seen.items()
        }
        strays = {name: [error - habits[name] for _, error, _ in entries] for name, entries in self._seen.items()}
        panels = bound_of([stray for some in strays.values() for stray in some])
        for name, entries in self._seen.items():
            habit = habits[name]
            # A quantile of fewer is their largest, the slip itself.
            bound = min(panels, bound_of(strays[name])) if len(entries) >= OWN_BOUND else panels
            entries[:] = [
                (truth, habit + min(bound, max(-bound, error - habit)), weight) for truth, error, weight in entries
            ]

    def sources(self, *, without: float | None = None) -> dict[str | None, Source]:
        """Return every source's errors without one truth's questions; `None` is a stranger."""
        tallies: dict[str, _Tally] = {}
        panel = _Tally()
        for name, entries in self._seen.items():
            tally = tallies[name] = _Tally()
            for truth, error, weight in entries:
                if truth != without:
                    tally.add(error, weight)
                    panel.add(error, weight)
        questions = max(1, len(self.groups) - (without is not None))
        # The panel's bias rests on its questions, not on its answers: one question surprises all alike.
        common = panel.signed / panel.count * questions / (questions + PANEL_QUESTIONS) if panel.count else 0.0
        bias = {
            name: (tally.signed + BIAS_QUESTIONS * common) / (tally.count + BIAS_QUESTIONS)
            for name, tally in tallies.items()
        }
        sizes = {name: _Tally() for name in tallies}
        rest = _Tally()
        for name, entries in self._seen.items():
            for truth, error, weight in entries:
                if truth != without:
                    sizes[name].add(error - bias[name], weight)
                    rest.add(error - bias[name], weight)
        usual = rest.size / rest.count if rest.count else 1.0
        usual = usual or 1e-9
        found: dict[str | None, Source] = {
            name: Source(bias[name], (tally.size + ERROR_QUESTIONS * usual) / (tally.count + ERROR_QUESTIONS))
            for name, tally in sizes.items()
        }
        found[None] = Source(common, STRANGER * usual)
        return found


def bound_of(errors: Sequence[float]) -> float:
    """Return the size at which these errors are cut; infinite where most of them are 0, or there are none."""
    sizes = sorted(map(abs, errors))
    return WIDEST * sizes[math.ceil(USUAL * len(sizes)) - 1] or math.inf if sizes else math.inf


def is_relative(truths: Sequence[float], values: Sequence[float]) -> bool:
    """Say whether errors should be taken as relative."""
    return bool(truths) and min(truths) > 0 and max(truths) / min(truths) >= SPAN and all(value > 0 for value in values)
