"""Made-up panels with known skills: the same for everybody who asks for the same."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord


def said(
    specialist: str, output: JsonValue, question_id: str = "now", confidence: float = 0.8, domain: str | None = None
) -> Finding:
    return Finding(output=output, confidence=confidence, specialist=specialist, question_id=question_id, domain=domain)


def votes(answers: Mapping[str, JsonValue], question_id: str = "now", *, domain: str | None = None) -> list[Finding]:
    """One finding by specialist."""
    return [said(name, output, question_id, domain=domain) for name, output in answers.items()]


def labelled(
    skills: Mapping[str, float],
    *,
    settled: int,
    unsettled: int = 0,
    options: Sequence[str] = ("a", "b", "c"),
    later: Mapping[str, float] | None = None,
    domain: str | None = None,
    prefix: str = "q",
    record: TrackRecord | None = None,
) -> TrackRecord:
    """A record of specialists that are right so often, by `later` in unsettled answers; errors are independent."""
    record = record or TrackRecord()
    draw = random.Random(f"{sorted(skills.items())}{prefix}")
    for n in range(settled + unsettled):
        truth = draw.choice(options)
        wrong = [option for option in options if option != truth]
        for name, skill in (skills if n < settled or later is None else later).items():
            output = truth if draw.random() < skill else draw.choice(wrong)
            record.record(said(name, output, f"{prefix}{n}", domain=domain))
        if n < settled:
            record.settle(f"{prefix}{n}", truth)
    return record


def measured(
    errors: Mapping[str, tuple[float, float]],
    *,
    settled: int,
    unsettled: int = 0,
    later: Mapping[str, tuple[float, float]] | None = None,
    tolerance: float | None = 1.0,
    span: tuple[float, float] = (50.0, 90.0),
) -> TrackRecord:
    """A record of specialists with so much bias and noise; `later` in unsettled answers."""
    record = TrackRecord()
    draw = random.Random(f"{sorted(errors.items())}")
    for n in range(settled + unsettled):
        truth = draw.uniform(*span)
        for name, (bias, noise) in (errors if n < settled or later is None else later).items():
            record.record(said(name, truth + bias + draw.gauss(0, noise), f"q{n}"))
        if n < settled:
            record.settle(f"q{n}", truth, tolerance=tolerance)
    return record
