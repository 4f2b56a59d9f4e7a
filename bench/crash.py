"""The full crash run: `kill -9` at 500 points over three plan shapes, one resume each; and races to resume.

    python bench/crash.py [--points 500] [--races 50] [--seed 1] [--workers 2]

A sink and a bill outside the killed process log every arrival of an effect and every spend. In a race, 2, 4
and 16 processes resume one killed task at the same moment. Exit 1 when an end is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.crash.harness import crash_all, points
from tests.crash.races import races


def main() -> int:
    """Run and print one line of figures, then every wrong end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--races", type=int, default=50, help="for each of 2, 4 and 16 processes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    began = time.perf_counter()
    report = crash_all(points(given.points, seed=given.seed, fresh_every=10), workers=given.workers)
    print(
        f"{report.points} points over 3 plan shapes, {report.kills} kills, {report.in_flight} subtasks in flight, "
        f"{report.repeats} effects repeated under their key, {len(report.wrong)} wrong ends, "
        f"{time.perf_counter() - began:.0f} s"
    )
    began = time.perf_counter()
    faults = races(given.races)
    print(
        f"2, 4 and 16 processes resumed one killed task, {given.races} times each: "
        f"{len(faults)} wrong ends, {time.perf_counter() - began:.0f} s"
    )
    for line in (*report.wrong, *faults):
        print(f"  {line}")
    return 1 if report.wrong or faults else 0


if __name__ == "__main__":
    sys.exit(main())
