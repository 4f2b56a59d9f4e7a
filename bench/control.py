"""When the caller has control back after a deadline of 1 s. `python bench/control.py`.

Work that would take 20 s: a coroutine, one that swallows its cancellation, a function that blocks, a child process;
with up to three attempts each. As a process it is a script that runs it and ends; the same script with work that
answers at once is subtracted.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import flows

from concertino import Budget, Finding, specialist

DEADLINE_S = 1.0
WORK_S = 20.0
AT_MOST_S = 1.05
REPEATS = 3


@specialist("worker")
async def obedient(brief: Any) -> Finding:
    """Sleep on the loop."""
    await asyncio.sleep(WORK_S)
    return Finding(output=1)


@specialist("worker")
async def swallowing(brief: Any) -> Finding:
    """Swallow every cancellation."""
    until = time.monotonic() + WORK_S
    while (left := until - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue
    return Finding(output=1)


@specialist("worker")
def blocking(brief: Any) -> Finding:
    """Block in a thread."""
    time.sleep(WORK_S)
    return Finding(output=1)


@specialist("worker", isolation="process")
def isolated(brief: Any) -> Finding:
    """Block in a child process."""
    time.sleep(WORK_S)
    return Finding(output=1)


@specialist("worker")
async def failing_first(brief: Any) -> Finding:
    """Fail twice, then take too long."""
    if brief.attempt < 3:
        raise RuntimeError("not yet")
    await asyncio.sleep(WORK_S)
    return Finding(output=1)


BODIES = {
    "coroutine": obedient,
    "swallows cancel": swallowing,
    "blocks in a thread": blocking,
    "child process": isolated,
    "fails, then late": failing_first,
    "nothing to do": flows.noop,
}


def _back_s(kind: str, *, is_sync: bool) -> float:
    body = BODIES[kind]
    given = flows.task([{"id": "one", "specialist": body.name}])
    with flows.planner(body, budget=Budget(seconds=DEADLINE_S)) as made:
        start = time.perf_counter()
        if is_sync:
            out = made.graph.invoke({"task": given}, flows.config("t"))
            spent = time.perf_counter() - start
        else:

            async def run() -> tuple[Any, float]:
                out = await made.graph.ainvoke({"task": given}, flows.config("t"))
                return out, time.perf_counter() - start

            out, spent = asyncio.run(run())
        assert kind == "nothing to do" or out["result"]["status"] == "failed", out["result"]["status"]
    return spent


def _process_s(kind: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--run", kind], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Return the seconds after which control is back, medians, by kind of work and door."""
    _back_s("nothing to do", is_sync=True)
    found: dict[str, dict[str, float]] = {}
    start_s = statistics.median(_process_s("nothing to do") for _ in range(repeats))
    for kind in BODIES:
        if kind == "nothing to do":
            continue
        found[kind] = {
            "ainvoke": round(statistics.median(_back_s(kind, is_sync=False) for _ in range(repeats)), 4),
            "invoke": round(statistics.median(_back_s(kind, is_sync=True) for _ in range(repeats)), 4),
            "process, less its start": round(
                # In pairs: what a process takes to start drifts with the machine.
                statistics.median(_process_s(kind) - _process_s("nothing to do") for _ in range(repeats)),
                4,
            ),
        }
    return {"back_after_s": found, "start_s": round(start_s, 3), "at_most": AT_MOST_S}


if __name__ == "__main__":
    if "--run" in sys.argv:
        _back_s(sys.argv[-1], is_sync=True)
    else:
        print(json.dumps(measure(), indent=2))
