"""The simulator from a command line: `simulate --seeds 10000 --from 0`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from concertino.evals.simulator.generating import SIZE
from concertino.evals.simulator.shrinking import shrink
from concertino.evals.simulator.simulating import Report, simulate
from concertino.evals.simulator.sweeping import Sweep, sweep

BROKEN = 1
"""Exit status when a promise was broken."""
SHOWN = 5
"""Failing seeds that are cut down and shown."""


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate seeds; print figures as JSON on stdout, failing seeds on stderr. Return the exit status."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--size", type=int, default=SIZE, help="most subtasks of a task")
    parser.add_argument("--whole", action="store_true", help="show failing scenarios as they are, not cut down")
    given = parser.parse_args(argv)
    began = time.perf_counter()
    found = sweep(given.first, given.seeds, workers=given.workers, size=given.size)
    print(json.dumps(figures(found) | {"seconds": round(time.perf_counter() - began, 1)}))  # noqa: T201
    for report in found.failed[:SHOWN]:
        print(described(report, is_whole=given.whole, size=given.size), file=sys.stderr)  # noqa: T201
    return BROKEN if found.failed else 0


def figures(found: Sweep) -> dict[str, object]:
    """Return a sweep's sums as JSON."""
    return {
        "seeds": found.seeds,
        "broken": len(found.failed),
        "failing_seeds": [report.seed for report in found.failed[:50]],
        "statuses": dict(sorted(found.statuses.items())),
        "refused": found.refused,
        "processes": found.processes,
        "events": found.events,
        "calls": found.calls,
        "virtual_s": round(found.virtual_s),
    }


def described(report: Report, *, is_whole: bool = False, size: int = SIZE) -> str:
    """Return a failing seed as text: what it breaks, how to play it again, and its scenario, cut down if it may be."""
    small = report if is_whole else shrink(report)
    broken = "\n".join(f"  {one.check}: {one.rule}: {one.detail}" for one in small.breaks[:10])
    again = (
        "" if simulate(report.seed, size=size).breaks == report.breaks else "  (it does not break the same way again)\n"
    )
    scenario = json.dumps(small.scenario.as_json(), indent=1)
    return f"seed {report.seed} breaks:\n{broken}\n{again}scenario:\n{scenario}"
