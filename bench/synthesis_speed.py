"""Time of one question with 15 sources, for a number, a label and an object of three fields.

Run: python bench/synthesis_speed.py
"""

from __future__ import annotations

import json
import random
import statistics
import time
from typing import Any

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord, synthesize

SOURCES = 15
ROUNDS = 300
LIMIT_MS = 1.0
LABELS = ("yes", "no", "unclear")


def _panel(draw: random.Random, kind: str, question: str | None = None) -> list[Finding]:
    def value() -> Any:
        number, label = draw.uniform(0, 100), draw.choice(LABELS)
        return {
            "number": number,
            "label": label,
            "object": {"score": number, "verdict": label, "ok": draw.random() < 0.6},
        }[kind]

    return [
        Finding(
            output=value(),
            confidence=draw.random(),
            authority=draw.random(),
            specialist=f"s{n}",
            question_id=question,
            evidence=("source",),
        )
        for n in range(SOURCES)
    ]


def _record(draw: random.Random, kind: str, *, settled: int, unsettled: int) -> TrackRecord:
    record = TrackRecord()
    for n in range(settled + unsettled):
        panel = _panel(draw, kind, f"q{n}")
        for finding in panel:
            record.record(finding)
        if n < settled:
            record.settle(f"q{n}", panel[n % SOURCES].output)
    return record


def measure() -> dict[str, float]:
    """Return median milliseconds of one synthesis by kind of output; `learned_` has 200 settled and 300 other questions behind it."""
    draw = random.Random(7)
    figures: dict[str, float] = {}
    for kind in ("number", "label", "object"):
        panel = _panel(draw, kind)
        for name, record in ((kind, None), (f"learned_{kind}", _record(draw, kind, settled=200, unsettled=300))):
            missing = ["s3", "s99"] if record else []
            synthesize(panel, authority=record, calibrate=True, missing=missing)
            times: list[float] = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                synthesize(panel, authority=record, calibrate=True, missing=missing)
                times.append((time.perf_counter() - start) * 1000)
            figures[f"{name}_ms"] = round(statistics.median(times), 4)
    return figures


if __name__ == "__main__":
    measured = measure()
    print(json.dumps(measured | {"limit_ms": LIMIT_MS}))
    # An object has three fields: three claims.
    raise SystemExit(0 if all(ms <= LIMIT_MS * (3 if "object" in name else 1) for name, ms in measured.items()) else 1)
