"""Forks of a graph around a planner, where the task is made by another node of that graph."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, repeat
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from concertino.contracts.errors import TaskConflict
from tests.graph.plans import on, outputs, planner, subtask, task


class Outer(TypedDict, total=False):
    x: int
    task: dict[str, Any]
    result: dict[str, Any]


def _graph(saver: Any, salts: Iterator[int] = repeat(0)) -> Any:  # noqa: B008  # it gives the same for ever
    """Return a graph that makes the planner's task, out of its state and of chance."""

    def ask(state: Outer) -> Any:
        return task("asked", subtask("a", "alpha", inputs={"x": 10 * state["x"] + next(salts)}))

    graph = StateGraph(Outer)
    graph.add_node("ask", ask)
    graph.add_node("planner", planner())
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "planner")
    return graph.compile(checkpointer=saver)


def _deep(saver: Any) -> Any:
    """Return that graph inside another one."""
    graph = StateGraph(Outer)
    graph.add_node("inner", _graph(None))
    graph.add_edge(START, "inner")
    return graph.compile(checkpointer=saver)


async def _run(graph: Any, given: Any, config: Any, *, is_sync: bool) -> Any:
    return (graph.invoke(given, config) if is_sync else await graph.ainvoke(given, config))["result"]


@pytest.mark.parametrize("is_sync", [True, False])
@pytest.mark.parametrize("made", [_graph, _deep])
async def test_a_fork_before_the_node_that_makes_the_task_is_a_new_run(made: Any, is_sync: bool) -> None:
    """At every checkpoint of the graph around: another task under the same id is no conflict there."""
    graph, where = made(InMemorySaver()), on("t")
    first = await _run(graph, {"x": 1}, where, is_sync=is_sync)
    for n, snapshot in enumerate(list(graph.get_state_history(where)), start=2):
        if not snapshot.next or snapshot.next == ("planner",):
            continue
        changed = graph.update_state(snapshot.config, {"x": n})
        forked = await _run(graph, None, changed, is_sync=is_sync)
        assert outputs(forked) == {"a": {"alpha": 10 * n}}
        assert forked["parent_run_id"] == first["run_id"], snapshot.next
        assert await _run(graph, None, snapshot.config, is_sync=is_sync) == first


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_replay_may_make_another_task(is_sync: bool) -> None:
    """A node that asks a model never says the same twice."""
    graph, where = _graph(InMemorySaver(), count(1)), on("t")
    first = await _run(graph, {"x": 1}, where, is_sync=is_sync)
    snapshot = next(one for one in graph.get_state_history(where) if one.next == ("ask",))
    again = await _run(graph, None, snapshot.config, is_sync=is_sync)
    assert (outputs(again), again["parent_run_id"]) == ({"a": {"alpha": 12}}, first["run_id"])


@pytest.mark.parametrize("is_sync", [True, False])
async def test_another_task_of_a_new_input_is_a_conflict(is_sync: bool) -> None:
    """Also after a fork: the graph around was given something new, which is no fork."""
    graph, where = _graph(InMemorySaver()), on("t")
    await _run(graph, {"x": 1}, where, is_sync=is_sync)
    with pytest.raises(TaskConflict):
        await _run(graph, {"x": 2}, where, is_sync=is_sync)
    snapshot = next(one for one in graph.get_state_history(where) if one.next == ("ask",))
    await _run(graph, None, graph.update_state(snapshot.config, {"x": 3}), is_sync=is_sync)
    with pytest.raises(TaskConflict):
        await _run(graph, {"x": 4}, where, is_sync=is_sync)
