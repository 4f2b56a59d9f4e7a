"""Who is busy in one run gets less of the next."""

from __future__ import annotations

import asyncio
from typing import Any

from concertino import Brief, specialist
from concertino.graph.load import Load
from tests.graph.plans import planner, subtask, task


async def test_a_capability_goes_to_whoever_is_free() -> None:
    """Of two alike it would be the first by name."""
    begun, over = asyncio.Event(), asyncio.Event()

    @specialist("anna", capabilities={"count"})
    async def anna(brief: Brief) -> str:
        if brief.inputs.get("long"):
            begun.set()
            await over.wait()
        return "anna"

    @specialist("bert", capabilities={"count"})
    async def bert(brief: Brief) -> str:
        return "bert"

    graph = planner(anna, bert)

    async def asked(task_id: str) -> Any:
        given = {"id": "s", "capability": "count"}
        return (await graph.ainvoke(task(task_id, given)))["result"]["subtasks"][0]["specialist"]

    long = asyncio.ensure_future(graph.ainvoke(task("long", subtask("a", "anna", inputs={"long": True}))))
    await begun.wait()
    assert await asked("meanwhile") == "bert"
    over.set()
    await long


def test_a_run_that_is_over_counts_no_more() -> None:
    """Loads add up over runs, and follow what each says at the moment."""
    load, first = Load(), {"a": 1}
    load.watch("one", first)
    load.watch("two", {"a": 1, "b": 2})
    first["a"] = 3
    assert load.now() == {"a": 4, "b": 2}
    load.drop("two")
    load.drop("two")
    assert load.now() == {"a": 3}
