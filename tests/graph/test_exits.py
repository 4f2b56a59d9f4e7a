"""Whoever calls `sys.exit` ends alone, wherever in a specialist that happens."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

import anyio
import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, MessagesState, StateGraph

from concertino import Brief, specialist
from concertino.tools import exits
from tests.graph.plans import alpha, planner, states, subtask, task

BOTH = pytest.mark.parametrize("is_sync", [True, False])


def _leave(given: Any) -> Any:
    sys.exit(3)


async def _aleave(given: Any) -> Any:
    sys.exit(3)


def _graph(node: Any) -> Any:
    made = StateGraph(MessagesState)
    made.add_node("leaves", node)
    made.add_edge(START, "leaves")
    made.add_edge("leaves", END)
    return made.compile()


async def _own_task(brief: Brief) -> Any:
    return await asyncio.create_task(_aleave(brief))


async def _own_group(brief: Brief) -> Any:
    return await asyncio.gather(_aleave(brief), asyncio.sleep(0))


BODIES: dict[str, Any] = {
    "a Runnable": RunnableLambda(_leave),
    "a Runnable's coroutine": RunnableLambda(_aleave),
    "a chain": RunnableLambda(lambda given: given) | RunnableLambda(_aleave),
    "a node": _graph(_leave),
    "a coroutine node": _graph(_aleave),
    "a task": _own_task,
    "a group": _own_group,
}


@BOTH
@pytest.mark.parametrize("kind", BODIES)
async def test_it_is_a_failed_subtask_in_tasks_of_others_too(kind: str, is_sync: bool) -> None:
    """The loop, its process and the next run are as before."""
    leaver = specialist("leaver", max_attempts=1)(BODIES[kind])
    graph = planner(leaver, alpha)
    for number in range(2):
        given = task(f"t{number}", subtask("s", "leaver"), subtask("a", "alpha"))
        out = graph.invoke(given) if is_sync else await graph.ainvoke(given)
        assert states(out["result"]) == {"s": "failed", "a": "completed"}
        error = out["result"]["subtasks"][0]["error"]
        assert error["message"] == "called sys.exit(3)"


async def test_only_marked_tasks_are_held() -> None:
    """On a held loop others are plain tasks, and a factory that was there still makes them all."""
    loop, made = asyncio.get_running_loop(), list[str]()

    def own(on: Any, coro: Any, **options: Any) -> Any:
        made.append(type(coro).__name__)
        return asyncio.Task(coro, loop=on, **options)

    loop.set_task_factory(own)
    exits.hold(loop)
    held = loop.get_task_factory()
    exits.hold(loop)
    assert loop.get_task_factory() is held

    async def one() -> int:
        return 1

    async def marked() -> Any:
        return await asyncio.gather(one(), one())

    context = contextvars.copy_context()
    exits.mark(context)
    assert await loop.create_task(one()) == 1
    assert await loop.create_task(marked(), context=context) == [1, 1]
    assert made == ["coroutine", "_Held", "_Held", "_Held"]
    late = loop.create_task(one(), context=context)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    loop.set_task_factory(None)


async def _grouped(brief: Brief) -> Any:
    async with anyio.create_task_group() as group:
        group.start_soon(_aleave, brief)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks begin at once from Python 3.12 on")
async def test_an_eager_loop_stays_one_that_anyio_knows() -> None:
    """Its groups work beside specialists and in them, and hold their exits too."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]

    async def timed_out() -> None:
        with anyio.move_on_after(0):
            await anyio.sleep(1)

    leaver = specialist("leaver", max_attempts=1)(_grouped)
    result = (await planner(leaver).ainvoke(task("t", subtask("s", "leaver"))))["result"]
    assert states(result) == {"s": "failed"}
    async with anyio.create_task_group() as group:
        group.start_soon(timed_out)
    loop.set_task_factory(None)
