"""A cancelled run stops its specialists in one order."""

from __future__ import annotations

import asyncio
from typing import Any

from concertino import create_planner, specialist
from concertino.evals.virtual import VirtualClock, VirtualLoop, run_virtually
from concertino.graph.boundary import Boundary
from concertino.journal.memory import MemoryJournal

COUNT = 40


@specialist("sleeper")
async def sleeper(brief: Any) -> None:
    await asyncio.sleep(1_000.0)


def test_a_cancelled_run_stops_its_work_in_the_order_it_began() -> None:
    """Neither memory addresses nor a hash seed decide who is told first."""
    planner = create_planner(specialists=[sleeper])
    subtasks = [{"id": f"s{n}", "specialist": "sleeper"} for n in range(COUNT)]

    async def main() -> list[str | None]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = VirtualClock(loop)
        journal = MemoryJournal(clock=clock)
        here = planner.at(Boundary(clock=clock, journal=journal))
        running = asyncio.create_task(here.conduct({"task": {"task_id": "t", "plan": {"subtasks": subtasks}}}))
        await asyncio.sleep(1.0)
        live = here.conductor.heart.live("t")
        assert live is not None
        live.cancel("enough")
        await running
        return [event.subtask_id for event in journal.events("t").result() if event.type == "TASK_CANCELLED"]

    ballast = []
    for size in range(3):
        ballast.append([object() for _ in range(size * 1_013)])
        assert run_virtually(main) == [f"s{n}" for n in range(COUNT)]
