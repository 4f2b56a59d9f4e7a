"""Nothing in a run waits for a file, a database or a sleep on the event loop that the server shares with others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from concertino.graph.compiled import PlannerGraph
from concertino.packs.offers.planner import offers_planner
from tests.studio.profiles import HIGH, SENIOR

blockbuster = pytest.importorskip("blockbuster", reason="langgraph-cli[inmem] is not installed")

ALLOWED = ("threading.Lock.acquire", "threading.Lock.acquire_lock")
"""Held for microseconds, by us and by the standard library's queues and futures."""


@pytest.fixture
def graph(tmp_path: Path) -> PlannerGraph:
    return offers_planner(journal=f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def watched(graph: PlannerGraph) -> Iterator[None]:
    """Refuse every blocking call on a loop, those that the server lets pass too."""
    watch = blockbuster.BlockBuster()
    for name in ALLOWED:
        watch.functions.pop(name, None)
    watch.activate()
    yield
    watch.deactivate()


async def test_a_run_never_blocks_the_loop(graph: PlannerGraph, watched: None) -> None:
    """From the first task of a process to its result, with a journal in a file."""
    out = await graph.ainvoke({"task": {"payload": SENIOR}})
    assert out["result"]["status"] == "success"


async def test_a_parked_run_never_blocks_the_loop(graph: PlannerGraph, watched: None) -> None:
    """Asking, parking, a known task, a refused one: all the ways out of a run."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    saved = graph.copy({"checkpointer": InMemorySaver()})
    config: Any = {"configurable": {"thread_id": "t"}}
    asked = await saved.ainvoke({"task": {"task_id": "high", "payload": HIGH}}, config)
    assert asked["__interrupt__"]
    again = await saved.ainvoke({"task": {"task_id": "high", "payload": HIGH}})
    assert again["result"]["status"] == "waiting"
    with pytest.raises(ValueError, match="another content"):
        await saved.ainvoke({"task": {"task_id": "high", "payload": SENIOR}})
    out = await saved.ainvoke(Command(resume={"decision": "accept"}), config)
    assert out["result"]["status"] == "success"
