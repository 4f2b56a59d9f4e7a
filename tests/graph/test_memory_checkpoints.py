"""Checkpoints in memory: shared by planners as a database is, each by a line that can be cut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.types import Command

from concertino import create_planner, specialist
from concertino.contracts.errors import JournalError
from concertino.evals.virtual import VirtualClock, VirtualLoop, run_virtually
from concertino.graph.boundary import Boundary
from concertino.graph.memory_checkpoints import MemoryCheckpoints
from concertino.journal.memory import MemoryJournal


@specialist("clerk")
async def clerk(brief: Any) -> dict[str, str]:
    return {"done": brief.subtask_id}


def test_another_planner_goes_on_from_shared_checkpoints() -> None:
    """A run that one planner parked is answered and finished by another, and nothing passes a line that was cut."""
    planner = create_planner(specialists=[clerk])
    is_cut = False

    def check() -> None:
        if is_cut:
            raise JournalError(place="memory", reason="cut")

    async def main() -> Any:
        nonlocal is_cut
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = VirtualClock(loop)
        journal, saver = MemoryJournal(clock=clock), MemoryCheckpoints()
        first, second = (
            planner.at(Boundary(clock=clock, journal=journal, checkpointer=saver.through(way)))
            for way in (check, lambda: None)
        )
        config: Any = {"configurable": {"thread_id": "t"}}
        plan = {"subtasks": [{"id": "a", "specialist": "clerk"}]}
        parked = await first.ainvoke(
            {"task": {"task_id": "t", "plan": plan}}, config, context={"require_approval": True}
        )
        assert parked["__interrupt__"][0].value["gate"] == "plan"
        is_cut = True
        with pytest.raises(JournalError):
            await first.ainvoke(None, config)
        return await second.ainvoke(Command(resume="accept"), config)

    assert run_virtually(main)["result"]["status"] == "success"
