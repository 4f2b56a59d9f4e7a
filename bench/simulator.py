"""The simulator: 10,000 seeds break no promise, and every planted bug is found within 1,000 of them.

    python bench/simulator.py [--seeds 10000] [--from 0] [--workers 2] [--bugs 1000]

Prints JSON: the sweep's figures, and for each planted bug its room and the first seed that finds it. Exit 1 when a promise
is broken or a bug is not found.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.planted_bugs import BUGS, first_found
from concertino.evals.simulator.command import described, figures
from concertino.evals.simulator.sweeping import sweep


def find(name: str, *, first: int, seeds: int) -> dict[str, Any]:
    """Look for a planted bug."""
    report = first_found(name, seeds=range(first, first + seeds))
    found = {"bug": name, "room": BUGS[name].room, "seed": None if report is None else report.seed}
    return found if report is None else {**found, "rule": report.breaks[0].rule}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bugs", type=int, default=1_000, help="seeds within which each planted bug must be found")
    given = parser.parse_args()
    began = time.perf_counter()
    swept = sweep(given.first, given.seeds, workers=given.workers)
    took_s = time.perf_counter() - began
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        bugs = list(pool.map(partial(find, first=given.first, seeds=given.bugs), BUGS))
    print(json.dumps({**figures(swept), "seconds": round(took_s, 1), "bugs": bugs}, indent=2))
    for report in swept.failed[:5]:
        print(described(report), file=sys.stderr)
    return 1 if swept.failed or any(bug["seed"] is None for bug in bugs) else 0


if __name__ == "__main__":
    sys.exit(main())
