"""What one judge says of one outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from concertino.contracts.json import JsonObject


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that was expected, and whether it came about."""

    name: str
    """What was judged, e.g. `plan.nodes`."""
    passed: bool | None
    """`None` where it cannot be said of one run alone."""
    score: float | None
    """0-1, the higher the better; `None` where there is no degree."""
    detail: JsonObject = field(default_factory=dict)
    """What it rests on: what was expected and what was found."""

    def as_json(self) -> JsonObject:
        return {"name": self.name, "passed": self.passed, "score": self.score, "detail": self.detail}


def passed(verdicts: Iterable[Verdict]) -> bool:
    """Say whether a run passed: nothing failed, and something was judged or, as calibration is, at least measured."""
    known = list(verdicts)
    told = any(verdict.passed is not None or verdict.score is not None for verdict in known)
    return told and not any(verdict.passed is False for verdict in known)


def yes_or_no(name: str, holds: bool, detail: JsonObject) -> Verdict:
    """Return a verdict that knows no degree."""
    return Verdict(name, holds, 1.0 if holds else 0.0, detail)
