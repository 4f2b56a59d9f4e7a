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
    load, first, second = Load(), {"a": 1}, {"a": 1, "b": 2}
    load.watch("one", first)
    load.watch("two", second)
    first["a"] = 3
    assert load.now() == {"a": 4, "b": 2}
    load.drop("two", second)
    load.drop("two", second)
    assert load.now() == {"a": 3}


def test_who_has_taken_a_run_over_counts_on() -> None:
    """A run that lost its lease and leaves late takes nothing from its successor in the same process."""
    load, before, now = Load(), {"a": 1}, {"a": 1}
    load.watch("one", before)
    load.watch("one", now)
    load.drop("one", before)
    assert load.now() == {"a": 1}
    load.drop("one", now)
    assert load.now() == {}
