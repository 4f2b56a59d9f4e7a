"""What cannot be stopped is counted and keeps its slot, and nobody waits for it, whoever's thread it blocks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from concertino import Brief, Budget, Planner, ToolFailed, specialist, tool
from tests.graph.plans import alpha, outputs, planner, states, subtask, task

PATIENCE_S = 30.0
"""Seconds after which a process that does not end counts as hung."""


@pytest.mark.parametrize("way", ["sync", "async", "uvloop"])
def test_neither_the_caller_nor_the_process_waits_for_blocked_threads(way: str) -> None:
    """Pools of the loop, of a specialist and of LangChain, a plain tool, a graph of plain functions, a planner of its own: all given up."""
    if way == "uvloop":
        pytest.importorskip(way)
    command = [sys.executable, "-m", "tests.graph.stuck", way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said["ended"].values()) == {"DeadlineExceeded"}
    assert said["leaked"] == len(said["ended"]) == 8


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_blocked_thread_of_a_pool_keeps_its_specialists_slot(is_sync: bool) -> None:
    """The next one in line starts when the thread really ends, and then nothing is leaked any more."""
    go, course = threading.Event(), list[str]()

    @specialist("stuck", budget=Budget(seconds=0.05), max_attempts=1)
    async def stuck(brief: Brief) -> Any:
        return await asyncio.to_thread(go.wait)

    @specialist("next")
    async def following(brief: Brief) -> int:
        course.append("next")
        return 1

    def end() -> None:
        course.append("ended")
        go.set()

    def look(event: Any) -> None:
        if event.type == "TASK_LEAKED":
            course.append("leaked")
            asyncio.get_running_loop().call_later(0.01, end)

    given = task("t", subtask("a", "stuck", estimate_s=9), subtask("b", "next"))["task"]
    with Planner(specialists=[stuck, following], concurrency=1, on_event=look) as made:
        result: Any = made.run(given) if is_sync else await made.arun(given)
    assert states(result) == {"a": "failed", "b": "completed"}
    assert (course, result["leaked"]) == (["leaked", "ended", "next"], 0)


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_tool_given_up_is_counted_while_it_runs(is_sync: bool) -> None:
    """A specialist that goes on without it keeps no slot for it."""
    go = threading.Event()

    @tool("slow", timeout_s=0.01, attempts=1)
    def slow() -> None:
        go.wait()

    @specialist("caller", tools=[slow])
    def caller(brief: Brief) -> str:
        try:
            return str(brief.tools.slow())
        except ToolFailed:
            return "without it"

    graph = planner(caller, alpha, concurrency=1)
    given = task("t", subtask("a", "caller"), subtask("b", "alpha"))
    result = (graph.invoke(given) if is_sync else await graph.ainvoke(given))["result"]
    go.set()
    assert states(result) == {"a": "completed", "b": "completed"}
    assert result["leaked"] == 1


async def test_a_cancelled_caller_is_not_kept_by_its_specialists_threads() -> None:
    """The loop's own pool has nothing to wait for at its end."""
    go, began = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def block() -> None:
        loop.call_soon_threadsafe(began.set)
        go.wait()

    @specialist("stuck")
    async def stuck(brief: Brief) -> Any:
        return await asyncio.to_thread(block)

    running = asyncio.create_task(planner(stuck).ainvoke(task("t", subtask("a", "stuck"))))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.wait_for(loop.shutdown_default_executor(), PATIENCE_S)
    go.set()


async def test_a_loops_own_pool_is_stood_in_for_by_one_like_it() -> None:
    """As many threads at once, begun in the same way: somebody may count on either."""
    begun = threading.local()

    def begin(name: str) -> None:
        begun.name = name

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1, initializer=begin, initargs=("mine",)))
    at_work, most = 0, 0

    def count() -> str:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        at_work -= 1
        return str(begun.name)

    @specialist("user")
    async def user(brief: Brief) -> Any:
        return await asyncio.gather(*(asyncio.to_thread(count) for _ in range(5)))

    result = (await planner(user).ainvoke(task("t", subtask("a", "user"))))["result"]
    assert (outputs(result)["a"], most) == (["mine"] * 5, 1)
