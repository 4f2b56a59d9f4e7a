"""Threads that are cancelled, rolled back, deleted, or asked for what they do not have."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino import Brief, Finding, create_planner, specialist
from concertino.contracts.errors import InputError
from concertino.graph.compiled import PlannerGraph
from concertino.graph.door import watch
from concertino.journal.open import open_journal
from tests.graph.plans import on, subtask, task


class World:
    """A planner whose only specialist goes on when it is let."""

    def __init__(self) -> None:
        from concertino.contracts.clock import SystemClock

        self.began, self.go, self.calls = asyncio.Event(), asyncio.Event(), 0
        self.journal = open_journal(None, clock=SystemClock())
        self.saver = InMemorySaver()

        @specialist("patient")
        async def patient(brief: Brief) -> Finding:
            self.calls += 1
            self.began.set()
            await self.go.wait()
            return Finding(output={"x": 1})

        self.graph: PlannerGraph = create_planner(specialists=[patient], journal=self.journal, checkpointer=self.saver)
        self.given = task("t", subtask("a", "patient"))

    async def cancelled(self, **config: Any) -> None:
        """Run until the specialist works, then cancel the invocation."""
        running = asyncio.ensure_future(self.graph.ainvoke(self.given, on("one", **config)))
        await self.began.wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        self.go.set()

    def row(self) -> Any:
        return self.journal.latest("t").result()


async def test_a_cancelled_invocation_parks_its_run() -> None:
    """Nobody works on it: no lease, not `running`, and it can be taken up."""
    world = World()
    await world.cancelled()
    assert (world.row().state, world.row().owner) == ("waiting", None)
    out = await world.graph.ainvoke(None, on("one"))
    assert out["result"]["status"] == "success"


async def test_a_task_whose_thread_was_rolled_back_can_be_run_again() -> None:
    """No checkpoint can take it up, so the submission does."""
    world = World()
    await world.cancelled()
    world.saver.delete_thread("one")
    out = await world.graph.ainvoke(world.given, on("one"))
    assert (out["result"]["status"], out["result"]["run_id"]) == ("success", world.row().run_id)


async def test_a_task_that_its_thread_can_take_up_is_only_told() -> None:
    """A resubmission gives plan and status as long as the checkpoint is there."""
    world = World()
    await world.cancelled()
    out = await world.graph.ainvoke(world.given, on("two"))
    assert (out["result"]["status"], world.calls) == ("waiting", 1)


async def test_a_request_that_is_tried_again_goes_on() -> None:
    """A server that came up again sends the same request, input included, with the same id."""
    world = World()
    await world.cancelled(metadata={"run_id": "request-1"})
    out = await world.graph.ainvoke(world.given, on("one", metadata={"run_id": "request-1"}))
    assert out["result"]["status"] == "success"


async def test_a_deleted_thread_cancels_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deletes a thread wants its run gone; the reason is on its record."""
    looked = asyncio.Event()
    world = World()
    find = world.saver.aget_tuple

    async def seen(config: Any) -> Any:
        found = await find(config)
        if world.began.is_set() and found is not None:
            looked.set()
        return found

    monkeypatch.setattr(watch, "LOOK_S", 0.001)
    monkeypatch.setattr(world.saver, "aget_tuple", seen)
    running = asyncio.ensure_future(world.graph.ainvoke(world.given, on("one")))
    await looked.wait()
    world.saver.delete_thread("one")
    out = await running
    assert (out["result"]["status"], out["result"]["reason"]) == ("cancelled", watch.REASON)
    assert (world.row().state, world.row().owner) == ("cancelled", None)


@pytest.mark.parametrize("given", [None, Command(resume={"decision": "accept"}), Command(goto="deliver")])
async def test_an_empty_thread_has_nothing_to_go_on_with(given: Any) -> None:
    """It says so, whatever it is asked to go on with."""
    with pytest.raises(InputError, match="this thread has no run to go on with"):
        await World().graph.ainvoke(given, on("empty"))
