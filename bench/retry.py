"""One subtask fails its first attempt beside a slow sibling: makespan against the lower bound. `python bench/retry.py`.

The failing one takes 0.1 s and then 0.5 s, and a third one of 0.5 s needs it; the slow sibling takes 1.5 s. A barrier
would make it 2.5 s.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from typing import Any

import flows

from concertino import Finding, specialist

SLOW_S, BOUND_S = 1.5, 1.5
FAILS_S, WORKS_S = 0.1, 0.5
REPEATS = 3
AT_MOST = 1.05
SECONDS = {"slow": SLOW_S, "failing": WORKS_S, "after": WORKS_S}


def _seconds(brief: Any) -> float:
    return FAILS_S if brief.subtask_id == "failing" and brief.attempt == 1 else SECONDS[brief.subtask_id]


def _answer(brief: Any) -> Finding:
    if brief.subtask_id == "failing" and brief.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return Finding(output=1)


@specialist("worker")
async def worker(brief: Any) -> Finding:
    """Sleep, and fail once."""
    await asyncio.sleep(_seconds(brief))
    return _answer(brief)


@specialist("worker")
def worker_plain(brief: Any) -> Finding:
    """Sleep in a thread, and fail once."""
    time.sleep(_seconds(brief))
    return _answer(brief)


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Return makespan / bound by door, medians."""
    subtasks = [
        {"id": name, "specialist": "worker", "needs": ["failing"] if name == "after" else []} for name in SECONDS
    ]
    doors = {
        "ainvoke": lambda: flows.now(lambda: flows.ours_async(worker, subtasks)),
        "invoke": lambda: flows.ours_sync(worker, subtasks),
        "invoke, plain def": lambda: flows.ours_sync(worker_plain, subtasks),
    }
    for run in doors.values():
        run()
    found = {name: round(statistics.median(run() / BOUND_S for _ in range(repeats)), 4) for name, run in doors.items()}
    return {"makespan_x_bound": found, "at_most": AT_MOST}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
