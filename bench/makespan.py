"""Makespan against its lower bound on recorded workflows, with real sleeps scaled so that the bound is about 3 s.

`python bench/makespan.py`. The bound uses the sleeps themselves: the critical path, and with 8 slots also what
`bounds.py` proves about work that cannot be put off or brought forward; the ratio to the larger of critical path and
total / 8 alone stands beside it. Whole invocations are timed. The workflows lie beside the repository, in ../shared/data.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import json
import random
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import bounds
import flows

from concertino import Finding, specialist

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "planning" / "workflows"
BOUND_S = 3.0
SLOTS = 8
OFF_BY = 4.0
LARGE = 200


class Workflow(NamedTuple):
    name: str
    seconds: list[float]
    parents: list[list[int]]

    def critical_s(self) -> float:
        """Return the longest path."""
        return max(self.ends())

    def plain_bound_s(self, slots: int) -> float:
        """Return the larger of the longest path and an even share of all work."""
        return max(self.critical_s(), sum(self.seconds) / slots)

    def bound_s(self, slots: int | None) -> float:
        """Return what no schedule can beat."""
        return bounds.makespan(self.seconds, self.parents, slots) if slots else self.critical_s()

    def scaled(self, slots: int | None) -> Workflow:
        """Return it with sleeps that make the bound `BOUND_S`."""
        factor = BOUND_S / self.bound_s(slots)
        return self._replace(seconds=[seconds * factor for seconds in self.seconds])

    def ends(self) -> list[float]:
        """Return when each subtask ends, by index, when nothing holds it up."""
        return bounds.ends(self.seconds, self.parents)

    def subtasks(self, *, off_by: float = 1.0) -> list[dict[str, Any]]:
        """Return the plan; estimates are wrong by up to `off_by` either way, log-uniform, the same in every run."""
        draw = random.Random(self.name)
        return [
            {
                "id": f"n{at}",
                "specialist": "sleeper",
                "objective": "sleep",
                "needs": [f"n{parent}" for parent in parents],
                "inputs": {"seconds": seconds},
                "estimate_s": seconds * off_by ** draw.uniform(-1, 1),
            }
            for at, (seconds, parents) in enumerate(zip(self.seconds, self.parents, strict=True))
        ]


@specialist("sleeper")
async def sleeper(brief: Any) -> Finding:
    """Sleep on the loop."""
    await asyncio.sleep(brief.inputs["seconds"])
    return Finding(output=1)


@specialist("sleeper")
def sleeper_plain(brief: Any) -> Finding:
    """Sleep in a thread."""
    time.sleep(brief.inputs["seconds"])
    return Finding(output=1)


def load() -> list[Workflow]:
    """Return the recorded workflows, smallest first; none where the folder is absent."""
    found = []
    for path in FOLDER.glob("*.json"):
        data = json.loads(path.read_text())
        found.append(Workflow(data["id"].split("-")[0], data["runtime_s"], data["parents"]))
    return sorted(found, key=lambda workflow: len(workflow.seconds))


DOORS = {
    "ainvoke": lambda subtasks, options: flows.now(lambda: flows.ours_async(sleeper, subtasks, **options)),
    "invoke": lambda subtasks, options: flows.ours_sync(sleeper, subtasks, **options),
    "invoke, plain def": lambda subtasks, options: flows.ours_sync(sleeper_plain, subtasks, **options),
    "ainvoke, in memory": lambda subtasks, options: flows.now(
        lambda: flows.ours_async(sleeper, subtasks, file=False, **options)
    ),
}


def ratios(workflows: list[Workflow], door: str, slots: int | None) -> Iterator[tuple[str, float]]:
    """Yield makespan / bound of each workflow."""
    for workflow in workflows:
        scaled = workflow.scaled(slots)
        subtasks = scaled.subtasks(off_by=OFF_BY if slots else 1.0)
        gc.collect()  # a full pass takes 0.1 s, and nobody pays for the one before
        spent = DOORS[door](subtasks, {"concurrency": slots})
        yield f"{workflow.name} ({len(scaled.seconds)})", round(spent / scaled.bound_s(slots), 4)


def scheduled(workflow: Workflow, slots: int, *, off_by: float, draw: int) -> float:
    """Return makespan / bound of the same schedule, longest remaining path first, on a machine that costs nothing."""
    chance = random.Random(draw)
    estimates = [seconds * off_by ** chance.uniform(-1, 1) for seconds in workflow.seconds]
    children = bounds.turned(workflow.parents)
    paths = bounds.ends(estimates, children)
    unmet = [len(parents) for parents in workflow.parents]
    ready = [(-paths[at], at) for at, left in enumerate(unmet) if not left]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < slots:
            _, at = heapq.heappop(ready)
            heapq.heappush(running, (now + workflow.seconds[at], at))
        now, ended = heapq.heappop(running)
        for child in children[ended]:
            unmet[child] -= 1
            if not unmet[child]:
                heapq.heappush(ready, (-paths[child], child))
    return now / workflow.bound_s(slots)


def over_bound(workflows: list[Workflow], door: str) -> Iterator[tuple[str, float]]:
    """Yield what a large workflow takes beyond its bound, against bare `Send` of as many no-ops; medians of three runs."""
    for workflow in workflows:
        scaled, count = workflow.scaled(None), len(workflow.seconds)
        is_async = door == "ainvoke"
        bare = [
            flows.now(partial(flows.bare_async, 1, count)) if is_async else flows.bare_sync(1, count) for _ in "123"
        ]
        beyond: list[float] = []
        for _ in "123":
            gc.collect()
            beyond.append(DOORS[door](scaled.subtasks(), {"concurrency": None}) - scaled.bound_s(None))
        yield f"{workflow.name} ({count})", round(statistics.median(beyond) / statistics.median(bare), 3)


def measure(doors: tuple[str, ...] = tuple(DOORS)) -> dict[str, Any]:
    """Return ratios by workflow and door, unlimited, with slots, and above 200 subtasks."""
    workflows = load()
    if not workflows:
        return {"absent": str(FOLDER)}
    flows.now(lambda: flows.ours_async(flows.noop, flows.layered(2, 10)))  # imports, threads
    small = [workflow for workflow in workflows if len(workflow.seconds) <= LARGE]
    large = [workflow for workflow in workflows if len(workflow.seconds) > LARGE]
    return {
        "unlimited": {door: dict(ratios(small, door, None)) for door in doors},
        "slots": {door: dict(ratios(small, door, SLOTS)) for door in doors if door in ("ainvoke", "invoke, plain def")},
        "slots_at_no_cost": {
            name: round(
                statistics.mean(
                    scheduled(workflow, SLOTS, off_by=off_by, draw=draw) for workflow in small for draw in range(20)
                ),
                4,
            )
            for name, off_by in (("estimates off by up to 4 x", OFF_BY), ("exact estimates", 1.0))
        },
        "slots_plain_bound": {
            name: round(workflow.bound_s(SLOTS) / workflow.plain_bound_s(SLOTS), 4)
            for workflow in small
            for name in (f"{workflow.name} ({len(workflow.seconds)})",)
        },
        "large": {door: dict(over_bound(large, door)) for door in ("ainvoke", "invoke", "invoke, plain def")},
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
