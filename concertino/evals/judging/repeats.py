"""Repeats: how often at least one of k runs passes, and how often all of them do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import NamedTuple, cast

from concertino.contracts.json import JsonObject
from concertino.evals.judging.intervals import bootstrap, wilson

EVERY = 8
"""Up to so many repeats every k is reported, beyond only powers of two and the number itself. Chosen by hand."""


class Tally(NamedTuple):
    """The repeats of one case."""

    passed: int
    runs: int


def pass_at(tally: Tally, k: int) -> float:
    """Return the unbiased estimate that at least one of k runs passes: 1 - C(n-c, k) / C(n, k).

    Source: Chen et al. 2021, "Evaluating Large Language Models Trained on Code" (arXiv:2107.03374), equation 1.

    Raises:
        ValueError: k is not 1 to the number of runs.
    """
    _check(tally, k)
    return 1 - math.comb(tally.runs - tally.passed, k) / math.comb(tally.runs, k)


def pass_hat(tally: Tally, k: int) -> float:
    """Return the unbiased estimate that all of k runs pass: C(c, k) / C(n, k).

    Source: Yao et al. 2024, "τ-bench" (arXiv:2406.12045), pass^k.

    Raises:
        ValueError: k is not 1 to the number of runs.
    """
    _check(tally, k)
    return math.comb(tally.passed, k) / math.comb(tally.runs, k)


def over_cases(tallies: Sequence[Tally], *, seed: int) -> JsonObject:
    """Return the share of runs that passed, and pass@k and pass^k as means over cases, each with its 95 % interval.

    The share's interval is Wilson's, over runs; the others come from a bootstrap over cases. k goes up to the fewest repeats
    that a case has.
    """
    passed, runs = sum(tally.passed for tally in tallies), sum(tally.runs for tally in tallies)
    told: JsonObject = {
        "passed": passed, "runs": runs, "share": passed / runs if runs else None, "interval": list(wilson(passed, runs)),
    }  # fmt: skip
    most = min((tally.runs for tally in tallies), default=0)
    if most > 1:
        told["pass@k"] = _means(pass_at, tallies, most, seed)
        told["pass^k"] = _means(pass_hat, tallies, most, seed)
    return told


def _means(estimate: Callable[[Tally, int], float], tallies: Sequence[Tally], most: int, seed: int) -> JsonObject:
    found: dict[str, object] = {}
    for k in (k for k in range(1, most + 1) if k <= EVERY or k == most or k & (k - 1) == 0):
        values = [estimate(tally, k) for tally in tallies]
        found[str(k)] = {"mean": fmean(values), "interval": list(bootstrap(values, seed=seed))}
    return cast("JsonObject", found)


def _check(tally: Tally, k: int) -> None:
    if not 1 <= k <= tally.runs:
        raise ValueError(f"k: {k} refused: must be 1 to {tally.runs}, the number of runs")
