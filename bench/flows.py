"""What the dataflow benches run: planners on SQLite or in memory, plans, and bare LangGraph `Send` beside them.

Both sides write SQLite in WAL mode with `synchronous` NORMAL, durability `sync`.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from concertino import Finding, Limits, Planner, create_planner, specialist
from concertino.journal import open_journal

LIMITS = Limits(subtasks=10_000, depth=1_000, bytes=8_000_000)
_numbers = itertools.count(1)


def task(subtasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a new task with a ready plan."""
    return {"task_id": f"bench-{next(_numbers)}", "title": "bench", "plan": {"subtasks": subtasks}}


def layered(levels: int, width: int, who: str = "noop") -> list[dict[str, Any]]:
    """Return levels of equal width; each subtask needs two of the level before."""
    return [
        {
            "id": f"n{level}-{at}",
            "specialist": who,
            "objective": "nothing",
            "needs": [f"n{level - 1}-{at}", f"n{level - 1}-{(at + 1) % width}"] if level else [],
        }
        for level in range(levels)
        for at in range(width)
    ]


@specialist("noop")
async def noop(brief: Any) -> Finding:
    """Answer at once."""
    return Finding(output=1, confidence=1.0)


@specialist("noop")
def noop_plain(brief: Any) -> Finding:
    """Answer at once, in a thread."""
    return Finding(output=1, confidence=1.0)


def check(out: Any, count: int) -> None:
    """Stop the bench when a run did not do what it was to do."""
    result = out.get("result", out)
    states = [subtask["state"] for subtask in result["subtasks"]]
    assert result["status"] == "success", result["status"]
    assert states.count("completed") == count, states


@contextmanager
def database() -> Iterator[str]:
    """Give a path for a new database."""
    with tempfile.TemporaryDirectory(prefix="concertino-bench-") as folder:
        yield str(Path(folder, "bench.db"))


@contextmanager
def planner(body: Any, *, file: bool = True, **options: Any) -> Iterator[Planner]:
    """Give a planner with journal and checkpoints on SQLite, in a file or in memory."""
    with (
        database() as path,
        Planner(specialists=[body], database=f"sqlite:///{path}" if file else None, limits=LIMITS, **options) as made,
    ):
        yield made


def config(thread: str) -> Any:
    """Return a config on a thread of its own."""
    return {"configurable": {"thread_id": thread}}


async def ours_async(body: Any, subtasks: list[dict[str, Any]], **options: Any) -> float:
    """Return the seconds of one run through `ainvoke`, Planner's own saver."""
    with planner(body, **options) as made:
        given = task(subtasks)
        start = time.perf_counter()
        out = await made.graph.ainvoke({"task": given}, config(given["task_id"]))
        spent = time.perf_counter() - start
        check(out, len(subtasks))
    return spent


async def ours_streamed(body: Any, subtasks: list[dict[str, Any]]) -> float:
    """Return the seconds of one run through `astream`, which shows each subtask's end."""
    with planner(body) as made:
        given, ends = task(subtasks), 0
        start = time.perf_counter()
        async for chunk in made.graph.astream({"task": given}, config(given["task_id"]), stream_mode="updates"):
            ends += body.card.name in chunk
        spent = time.perf_counter() - start
    assert ends == len(subtasks), ends
    return spent


def ours_sync(body: Any, subtasks: list[dict[str, Any]], **options: Any) -> float:
    """Return the seconds of one run through `invoke`, Planner's own saver."""
    with planner(body, **options) as made:
        given = task(subtasks)
        start = time.perf_counter()
        out = made.graph.invoke({"task": given}, config(given["task_id"]))
        spent = time.perf_counter() - start
        check(out, len(subtasks))
    return spent


async def langgraph_saver_async(body: Any, subtasks: list[dict[str, Any]]) -> float:
    """Return the seconds of one run through `ainvoke` with LangGraph's AsyncSqliteSaver."""
    with database() as path, database() as journal_path:
        journal = open_journal(f"sqlite:///{journal_path}", clock=_clock())
        async with _async_saver(path) as saver:
            graph = create_planner(specialists=[body], journal=journal, checkpointer=saver, limits=LIMITS)
            given = task(subtasks)
            start = time.perf_counter()
            out = await graph.ainvoke({"task": given}, config(given["task_id"]))
            spent = time.perf_counter() - start
        check(out, len(subtasks))
        journal.close()
    return spent


def langgraph_saver_sync(body: Any, subtasks: list[dict[str, Any]]) -> float:
    """Return the seconds of one run through `invoke` with LangGraph's SqliteSaver."""
    with database() as path, database() as journal_path:
        journal = open_journal(f"sqlite:///{journal_path}", clock=_clock())
        with _saver(path) as saver:
            graph = create_planner(specialists=[body], journal=journal, checkpointer=saver, limits=LIMITS)
            given = task(subtasks)
            start = time.perf_counter()
            out = graph.invoke({"task": given}, config(given["task_id"]))
            spent = time.perf_counter() - start
        check(out, len(subtasks))
        journal.close()
    return spent


def _clock() -> Any:
    from concertino.contracts.clock import SystemClock

    return SystemClock()


class BareState(TypedDict):
    done: Annotated[list[int], operator.add]
    level: int


def bare(levels: int, width: int, *, is_sync: bool, saver: Any) -> Any:
    """Return a graph that sends `width` no-ops in each of `levels` supersteps."""

    async def work(state: Any) -> Any:
        return {"done": [state["i"]]}

    def work_plain(state: Any) -> Any:
        return {"done": [state["i"]]}

    def dispatch(state: Any) -> Any:
        return {"level": state.get("level", 0) + 1}

    def send(state: Any) -> Any:
        return [Send("work", {"i": i}) for i in range(width)]

    def again(state: Any) -> str:
        return "dispatch" if state["level"] < levels else END

    graph = StateGraph(BareState)
    graph.add_node("dispatch", dispatch)
    graph.add_node("work", work_plain if is_sync else work)
    graph.add_node("gather", lambda state: {})
    graph.add_edge(START, "dispatch")
    graph.add_conditional_edges("dispatch", send, ["work"])
    graph.add_edge("work", "gather")
    graph.add_conditional_edges("gather", again, ["dispatch", END])
    return graph.compile(checkpointer=saver)


@asynccontextmanager
async def _async_saver(path: str) -> Any:
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        await saver.setup()
        await saver.conn.execute("PRAGMA synchronous=NORMAL")
        yield saver


@contextmanager
def _saver(path: str) -> Iterator[SqliteSaver]:
    connection = sqlite3.connect(path, check_same_thread=False)
    saver = SqliteSaver(connection)
    saver.setup()
    connection.execute("PRAGMA synchronous=NORMAL")
    yield saver
    connection.close()


async def bare_async(levels: int, width: int) -> float:
    """Return the seconds of bare `Send` through `ainvoke` with AsyncSqliteSaver."""
    with database() as path:
        async with _async_saver(path) as saver:
            graph = bare(levels, width, is_sync=False, saver=saver)
            start = time.perf_counter()
            out = await graph.ainvoke({"done": []}, {**config("bare"), "recursion_limit": 100}, durability="sync")
            spent = time.perf_counter() - start
    assert len(out["done"]) == levels * width
    return spent


async def bare_streamed(levels: int, width: int) -> float:
    """Return the seconds of bare `Send` through `astream` with AsyncSqliteSaver."""
    with database() as path:
        async with _async_saver(path) as saver:
            graph = bare(levels, width, is_sync=False, saver=saver)
            given, ends = {**config("bare"), "recursion_limit": 100}, 0
            start = time.perf_counter()
            async for chunk in graph.astream({"done": []}, given, durability="sync", stream_mode="updates"):
                ends += "work" in chunk
            spent = time.perf_counter() - start
    assert ends == levels * width, ends
    return spent


def bare_sync(levels: int, width: int) -> float:
    """Return the seconds of bare `Send` through `invoke` with SqliteSaver."""
    with database() as path, _saver(path) as saver:
        graph = bare(levels, width, is_sync=True, saver=saver)
        start = time.perf_counter()
        out = graph.invoke({"done": []}, {**config("bare"), "recursion_limit": 100}, durability="sync")
        spent = time.perf_counter() - start
    assert len(out["done"]) == levels * width
    return spent


def now(work: Callable[[], Any]) -> float:
    """Run a coroutine function on a loop of its own."""
    return float(asyncio.run(work()))
