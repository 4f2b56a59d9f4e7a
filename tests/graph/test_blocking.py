"""Synchronous callers: no thread for whoever waits, their own savers, and nothing of it for what they invoke."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from concertino import Finding, create_planner, specialist
from concertino.graph.blocking import take_is_blocking

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def _task(count: int, who: str = "worker") -> dict[str, Any]:
    subtasks = [{"id": f"n{at}", "specialist": who, "needs": [f"n{at - 1}"] if at else []} for at in range(count)]
    return {"task": {"task_id": "t-1", "title": "t", "plan": {"subtasks": subtasks}}}


@specialist("worker")
async def worker(brief: Any) -> Finding:
    """Answer at once."""
    return Finding(output=brief.subtask_id)


def test_waiting_takes_no_thread() -> None:
    """A chain of which every subtask but one waits runs in a handful of threads."""
    most = 0

    @specialist("worker")
    async def counting(brief: Any) -> Finding:
        nonlocal most
        most = max(most, threading.active_count())
        return Finding(output=1)

    before = threading.active_count()
    out = create_planner(specialists=[counting]).invoke(_task(32))
    assert out["result"]["status"] == "success"
    assert most <= before + 8


def test_a_synchronous_saver_serves_a_run(tmp_path: Path) -> None:
    """LangGraph's synchronous SQLite saver, which has no async methods, keeps the run's checkpoints."""
    connection = sqlite3.connect(tmp_path / "c.db", check_same_thread=False)
    graph = create_planner(specialists=[worker], checkpointer=SqliteSaver(connection))
    out = graph.invoke(_task(3), CONFIG)
    state = graph.get_state(CONFIG)
    assert state.values["result"] == out["result"]
    assert set(state.values["records"]) == {"n0", "n1", "n2"}
    connection.close()


def test_a_failing_saver_reaches_the_caller() -> None:
    """What a synchronous saver raises is raised from `invoke`."""

    class Broken(InMemorySaver):
        def put(self, *args: Any, **kwargs: Any) -> Any:
            raise sqlite3.OperationalError("disk full")

    with pytest.raises(sqlite3.OperationalError, match="disk full"):
        create_planner(specialists=[worker], checkpointer=Broken()).invoke(_task(1), CONFIG)


def test_closing_a_stream_ends_the_invocation() -> None:
    """Who stops listening to a synchronous stream gets control back, and the run can be taken up again."""
    graph = create_planner(specialists=[worker], checkpointer=InMemorySaver())
    chunks = graph.stream(_task(3), CONFIG, stream_mode="updates")
    assert "intake" in next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
    assert graph.invoke(None, CONFIG)["result"]["status"] == "success"


def test_what_a_synchronous_run_invokes_is_asked_anew() -> None:
    """A planner awaited by a coroutine specialist does not take its caller for synchronous."""
    seen = []

    @specialist("worker")
    async def asking(brief: Any) -> Finding:
        seen.append(take_is_blocking())
        return Finding(output=1)

    create_planner(specialists=[asking]).invoke(_task(1))
    assert seen == [False]
