"""A run whose specialists block for ever in threads that nobody can stop; prints its result, and then the process must end."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from concertino import Brief, Budget, create_planner, specialist, tool
from tests.graph.plans import subtask, task

POOL = ThreadPoolExecutor(2)


def block(_: Any = None) -> Any:
    """Never return."""
    threading.Event().wait()


@specialist("to_thread")
async def to_thread(brief: Brief) -> Any:
    return await asyncio.to_thread(block)


@specialist("own_pool")
async def own_pool(brief: Brief) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, block)


@specialist("shared_pool")
async def shared_pool(brief: Brief) -> Any:
    return await asyncio.get_running_loop().run_in_executor(POOL, block)


@specialist("mapping")
def mapping(brief: Brief) -> Any:
    with ThreadPoolExecutor(1) as pool:  # the second call waits for the first
        return list(pool.map(block, range(2)))


@tool("stuck")
def stuck() -> Any:
    return block()


@specialist("caller", tools=[stuck])
async def caller(brief: Brief) -> Any:
    return await brief.tools.stuck()


@specialist("nested")
def nested(brief: Brief) -> Any:
    return create_planner(specialists=[to_thread]).invoke(task("inner", subtask("i", "to_thread")))


class State(TypedDict, total=False):
    objective: str


def graph() -> Any:
    """Return a graph of a plain function."""
    made = StateGraph(State)
    made.add_node("block", lambda _: block())
    made.add_edge(START, "block")
    return made.compile(name="graph")


def main(way: str) -> None:
    """Run all of them at once, until the deadline."""
    runnable: Any = RunnableLambda(block, name="runnable")
    everybody = [to_thread, own_pool, shared_pool, mapping, caller, nested, runnable, graph()]
    names = ["to_thread", "own_pool", "shared_pool", "mapping", "caller", "nested", "runnable", "graph"]
    made = create_planner(specialists=everybody, budget=Budget(seconds=1))
    given = task("t", *(subtask(name, name) for name in names))
    if way == "sync":
        out = made.invoke(given)
    else:
        with asyncio.Runner(
            loop_factory=importlib.import_module("uvloop").new_event_loop if way == "uvloop" else None
        ) as runner:
            runner.run(asyncio.to_thread(int))  # the loop's pool has a thread that is none of a specialist's
            out = runner.run(made.ainvoke(given))
    result = out["result"]
    ended = {one["subtask_id"]: (one["error"] or {}).get("type") for one in result["subtasks"]}
    print(json.dumps({"ended": ended, "leaked": result["leaked"]}))


if __name__ == "__main__":
    main(sys.argv[1])
