"""Time of one question with 15 sources, for a number, a label and an object of three fields.

Run: python bench/synthesis_speed.py
"""

from __future__ import annotations

import json
import random
import statistics
import time

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord, synthesize

SOURCES = 15
ROUNDS = 300
LIMIT_MS = 1.0
LABELS = ("yes", "no", "unclear")


def _panel(draw: random.Random, kind: str, question: str | None = None) -> list[Finding]:
    def value():
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


def measure() -> dict[str, float]:
    """Return median milliseconds of one synthesis by kind of output; `with_record_ms` has 200 settled questions behind it."""
    draw = random.Random(7)
    record = TrackRecord()
    for n in range(200):
        for finding in _panel(draw, "label", f"q{n}"):
            record.record(finding)
        record.settle(f"q{n}", draw.choice(LABELS))
    cases = {
        "number_ms": ("number", None),
        "label_ms": ("label", None),
        "object_ms": ("object", None),
        "with_record_ms": ("label", record),
    }
    figures: dict[str, float] = {}
    for name, (kind, authority) in cases.items():
        panel = _panel(draw, kind)
        synthesize(panel, authority=authority, calibrate=True)
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            synthesize(panel, authority=authority, calibrate=True)
            times.append((time.perf_counter() - start) * 1000)
        figures[name] = round(statistics.median(times), 4)
    return figures


if __name__ == "__main__":
    measured = measure()
    print(json.dumps(measured | {"limit_ms": LIMIT_MS}))
    raise SystemExit(0 if max(measured.values()) <= LIMIT_MS else 1)
