"""Callers that are cancelled at a moment when the run is between two things: its thread goes on all the same."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from concertino.graph import steps
from concertino.graph.door import conductor
from concertino.graph.door.live import live
from tests.graph.plans import on, planner, states, task


async def test_a_stream_cancelled_between_a_nodes_state_and_its_way_on_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangGraph keeps what a cancelled node wrote until then, and takes a node that wrote no way on for the last."""
    home, over, after_dispatch = threading.current_thread(), threading.Event(), steps.after_dispatch
    loop, running = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    def cancelling(state: Any, config: RunnableConfig) -> Any:
        if not over.is_set():
            loop.call_soon_threadsafe(running[0].cancel)
        if threading.current_thread() is not home:
            over.wait(10)
        return after_dispatch(state, config)

    monkeypatch.setattr(steps, "after_dispatch", cancelling)
    graph = planner(checkpointer=InMemorySaver())

    async def streamed() -> None:
        async for _ in graph.astream(task("t"), on("t"), stream_mode="custom"):
            pass

    running.append(asyncio.create_task(streamed()))
    with pytest.raises(asyncio.CancelledError):
        await running[0]
    over.set()
    out = await graph.ainvoke(None, on("t"))
    assert states(out["result"]) == {"a": "completed", "b": "completed"}


async def test_a_caller_cancelled_at_the_door_lets_go_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease was taken already; whoever comes next does not wait until it has run out."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any) -> Any:
        reached.set()
        await go_on.wait()
        return await live(*args)

    monkeypatch.setattr(conductor, "live", slowly)
    graph = planner(checkpointer=InMemorySaver())
    running = asyncio.create_task(graph.ainvoke(task("t"), on("t")))
    await reached.wait()
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    out = await graph.ainvoke(task("t"), on("t"))
    assert states(out["result"]) == {"a": "completed", "b": "completed"}
