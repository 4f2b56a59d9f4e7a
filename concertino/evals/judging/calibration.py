"""Calibration: whether stated confidences are worth what they say.

A pair is a confidence, 0-1, and whether the answer it was stated for was right. One pair says next to nothing, so no case
fails by how well it is calibrated; a report pools the pairs of its cases. A case that expects nothing else passes by being
measured, and does not where its run states no confidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from pydantic import JsonValue

from concertino.contracts.json import JsonObject
from concertino.evals.judging.verdict import Verdict
from concertino.nodes.synthesis.outcomes import Truth

BINS = 10
"""Bins of equal width over 0-1, the upper bound belonging to the next bin, 1 to the last.
Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2."""


class Pair(NamedTuple):
    """A stated confidence and what became of it."""

    confidence: float
    right: bool


def ece(pairs: Sequence[Pair]) -> float:
    """Return the expected calibration error over `BINS`: Σ (n_bin / n) · |accuracy - mean confidence|; 0 without pairs."""
    total = sum(abs(math.fsum(pair.right - pair.confidence for pair in found)) for found in _binned(pairs))
    return total / len(pairs) if pairs else 0.0


def brier(pairs: Sequence[Pair]) -> float:
    """Return the mean of (confidence - right)². Source: Brier 1950, for two outcomes, on one of them: 0 best, 1 worst."""
    return math.fsum((pair.confidence - pair.right) ** 2 for pair in pairs) / len(pairs) if pairs else 0.0


def reliability(pairs: Sequence[Pair]) -> JsonObject | None:
    """Return the figures of a reliability diagram, its binning said; `None` without pairs."""
    if not pairs:
        return None
    bins = [
        {
            "from": number / BINS,
            "to": (number + 1) / BINS,
            "n": len(found),
            "confidence": math.fsum(pair.confidence for pair in found) / len(found),
            "accuracy": sum(pair.right for pair in found) / len(found),
        }
        for number, found in enumerate(_binned(pairs))
        if found
    ]
    told = {
        "n": len(pairs),
        "ece": ece(pairs),
        "brier": brier(pairs),
        "binning": f"{BINS} of equal width",
        "bins": bins,
    }
    return cast("JsonObject", told)


def calibration_verdict(truth: JsonValue, result: Mapping[str, Any]) -> Verdict:
    """Hold the answer and each finding against the truth; of an object, every field that the truth names must be right.

    The score is 1 less the answer's Brier score. Numbers may be off by 5 %, as in a track record.
    """
    known = Truth(question_id="truth", truth=truth)
    confidence = result.get("confidence")
    right = known.holds(result.get("answer"))
    found = [
        [subtask.get("specialist"), subtask["confidence"], known.holds(subtask.get("outputs"))]
        for subtask in result.get("subtasks") or ()
        if isinstance(subtask.get("confidence"), int | float) and _speaks_to(truth, subtask.get("outputs"))
    ]
    told = {"truth": truth, "right": right, "confidence": confidence, "findings": found}
    detail = cast("JsonObject", told | ({"error": "the run states no confidence"} if confidence is None else {}))
    score = None if confidence is None else 1 - (confidence - right) ** 2
    return Verdict("calibration", None, score, detail)


def answer_pairs(details: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Return the pairs of the merged answers in the details of calibration verdicts."""
    return [Pair(float(told["confidence"]), bool(told["right"])) for told in details if told["confidence"] is not None]


def finding_pairs(details: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Return the pairs of single findings."""
    return [Pair(float(confidence), bool(right)) for told in details for _, confidence, right in told["findings"]]


def _speaks_to(truth: JsonValue, output: JsonValue) -> bool:
    """Say whether a finding answers the question at all: it has every field that the truth names."""
    if isinstance(truth, dict):
        return isinstance(output, dict) and truth.keys() <= output.keys()
    return output is not None and not isinstance(output, dict)


def _binned(pairs: Sequence[Pair]) -> list[list[Pair]]:
    bins: list[list[Pair]] = [[] for _ in range(BINS)]
    for pair in pairs:
        bins[min(BINS - 1, int(pair.confidence * BINS))].append(pair)
    return bins
