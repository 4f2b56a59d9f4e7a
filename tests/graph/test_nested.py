"""A planner inside other graphs: as their node, called by their functions, and as another planner's specialist."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from concertino import Brief, specialist
from tests.graph.plans import on, outputs, planner, states, subtask, task


class Outer(TypedDict, total=False):
    task: dict[str, Any]
    result: dict[str, Any]
    second: dict[str, Any]


def _as_node(saver: Any) -> Any:
    graph = StateGraph(Outer)
    graph.add_node("planner", planner())
    graph.add_edge(START, "planner")
    graph.add_edge("planner", END)
    return graph.compile(checkpointer=saver)


def _called(saver: Any) -> Any:
    """Return a graph whose node function invokes a planner twice, on two tasks."""
    inner = planner()

    def tasks(state: Outer) -> tuple[Any, Any]:
        return {"task": state["task"]}, {"task": {**state["task"], "task_id": f"{state['task']['task_id']}-2"}}

    def call(state: Outer) -> Any:
        first, second = tasks(state)
        return {"result": inner.invoke(first)["result"], "second": inner.invoke(second)["result"]}

    async def acall(state: Outer) -> Any:
        first, second = tasks(state)
        return {"result": (await inner.ainvoke(first))["result"], "second": (await inner.ainvoke(second))["result"]}

    graph = StateGraph(Outer)
    graph.add_node("caller", RunnableLambda(call, acall))
    graph.add_edge(START, "caller")
    graph.add_edge("caller", END)
    return graph.compile(checkpointer=saver)


async def _run(graph: Any, given: Any, config: Any, *, is_sync: bool) -> Any:
    return graph.invoke(given, config) if is_sync else await graph.ainvoke(given, config)


@pytest.mark.parametrize("is_sync", [True, False])
@pytest.mark.parametrize("saver", [None, InMemorySaver()])
@pytest.mark.parametrize("outer", [_as_node, _called])
async def test_a_planner_runs_inside_another_graph(outer: Any, saver: Any, is_sync: bool) -> None:
    """As a node or called by a node's function, with and without the outer graph's checkpointer."""
    name = f"in-{outer.__name__}-{is_sync}-{saver is None}".strip("_")
    out = await _run(outer(saver), task(name), on(name), is_sync=is_sync)
    assert out["result"]["status"] == "success"


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_gate_inside_a_node_is_answered_through_the_outer_graph(is_sync: bool) -> None:
    """The nested planner parks the outer graph, whose `Command(resume=...)` answers it."""
    graph, where = _as_node(InMemorySaver()), on("t")
    given = task("gated", subtask("a", "alpha", gate=True, inputs={"x": 1}), subtask("b", "beta"))
    parked = await _run(graph, given, where, is_sync=is_sync)
    assert parked["__interrupt__"][0].value["gate"] == "a"
    out = await _run(graph, Command(resume={"decision": "edit", "inputs": {"x": 7}}), where, is_sync=is_sync)
    assert outputs(out["result"]) == {"a": {"alpha": 7}, "b": {"beta": []}}


@pytest.mark.parametrize("is_sync", [True, False])
async def test_two_planners_called_by_one_node_are_answered_in_turn(is_sync: bool) -> None:
    """A node's function that invokes two gated planners parks twice, and each gets its own answer."""
    graph, where = _called(InMemorySaver()), on("t")
    given = task("calls", subtask("a", "alpha", gate=True, inputs={"x": 1}))
    assert (await _run(graph, given, where, is_sync=is_sync))["__interrupt__"][0].value["task_id"] == "calls"
    again = await _run(graph, Command(resume={"decision": "edit", "inputs": {"x": 2}}), where, is_sync=is_sync)
    assert again["__interrupt__"][0].value["task_id"] == "calls-2"
    out = await _run(graph, Command(resume={"decision": "edit", "inputs": {"x": 3}}), where, is_sync=is_sync)
    assert (outputs(out["result"]), outputs(out["second"])) == ({"a": {"alpha": 2}}, {"a": {"alpha": 3}})


async def test_a_rejection_through_the_outer_graph_holds() -> None:
    """A nested gate that is rejected skips its subtask, and the outer graph goes on."""
    graph, where = _as_node(InMemorySaver()), on("t")
    await graph.ainvoke(task("no", subtask("a", "alpha", gate=True), subtask("b", "beta")), where)
    out = await graph.ainvoke(Command(resume={"decision": "reject", "reason": "too dear"}), where)
    assert states(out["result"]) == {"a": "skipped", "b": "completed"}


@pytest.mark.parametrize("is_sync", [True, False])
async def test_nested_events_reach_the_outer_stream(is_sync: bool) -> None:
    """The outer graph's `custom` stream carries the nested run's events under the node's namespace."""
    graph = _as_node(None)
    modes: Any = {"stream_mode": "custom", "subgraphs": True}
    if is_sync:
        chunks = list(graph.stream(task("ev"), **modes))
    else:
        chunks = [chunk async for chunk in graph.astream(task("ev"), **modes)]
    assert {namespace[0].split(":")[0] for namespace, _ in chunks} == {"planner"}
    assert chunks[-1][1]["type"] == "RUN_COMPLETED"


async def test_the_outer_limit_on_concurrency_stalls_nobody() -> None:
    """The outer graph's `max_concurrency` becomes the nested planner's slots, and its waiting instances hold none."""
    out = await _as_node(None).ainvoke(task("slots"), {"max_concurrency": 1})
    assert out["result"]["status"] == "success"


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_planner_is_a_specialist_of_another(is_sync: bool) -> None:
    """A planner handed over as a specialist takes the subtask's inputs and answers with its result."""
    inner = planner(name="inner")
    given = task("outer", subtask("sub", "inner", inputs=task("inner-task")))
    out = await _run(planner(inner), given, None, is_sync=is_sync)
    assert states(out["result"]) == {"sub": "completed"}
    assert outputs(out["result"])["sub"]["result"]["status"] == "success"


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_gate_of_a_planner_as_specialist_is_the_outer_planners(is_sync: bool) -> None:
    """The inner planner's gate is asked by the outer one as `sub.q1`, and its answer goes back in."""
    inner = planner(name="inner")
    graph, where = planner(inner, checkpointer=InMemorySaver()), on("t")
    inner_task = task("inner-task", subtask("a", "alpha", gate=True, inputs={"x": 1}))
    parked = await _run(graph, task("outer", subtask("sub", "inner", inputs=inner_task)), where, is_sync=is_sync)
    assert parked["__interrupt__"][0].value["gate"] == "sub.q1"
    out = await _run(graph, Command(resume={"decision": "accept"}), where, is_sync=is_sync)
    assert outputs(out["result"])["sub"]["result"]["status"] == "success"


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_specialist_may_call_another_planner(is_sync: bool) -> None:
    """A specialist's own function invokes a planner, without handing any config on."""
    inner = planner()

    @specialist("async_caller")
    async def async_caller(brief: Brief) -> Any:
        return (await inner.ainvoke(task(f"called-{brief.subtask_id}")))["result"]["status"]

    @specialist("sync_caller")
    def sync_caller(brief: Brief) -> Any:
        return inner.invoke(task(f"called-{brief.subtask_id}"))["result"]["status"]

    graph = planner(async_caller, sync_caller, checkpointer=InMemorySaver())
    given = task("outer", subtask("a", "async_caller"), subtask("b", "sync_caller"))
    out = await _run(graph, given, on("t"), is_sync=is_sync)
    assert outputs(out["result"]) == {"a": "success", "b": "success"}


async def test_an_outer_crash_resumes_the_nested_run() -> None:
    """When the outer graph fails after the planner, a resume does not plan again."""
    fails = [True]

    def after(state: Outer) -> Any:
        if fails.pop():
            fails.append(False)
            raise ConnectionError("after the planner")
        return {}

    graph = StateGraph(Outer)
    inner = planner()
    graph.add_node("planner", inner)
    graph.add_node("after", after)
    graph.add_edge(START, "planner")
    graph.add_edge("planner", "after")
    compiled: Any = graph.compile(checkpointer=InMemorySaver())
    with pytest.raises(ConnectionError):
        await compiled.ainvoke(task("crash"), on("t"))
    out = await compiled.ainvoke(None, on("t"))
    assert out["result"]["status"] == "success"
    assert len(inner.conductor.options.journal.runs().result()) == 1


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_fork_of_the_outer_graph_is_a_new_run_with_a_parent(is_sync: bool) -> None:
    """A task that was changed by hand in the outer graph runs anew; replayed as it was, it gives its known result."""
    graph, where = _as_node(InMemorySaver()), on("t")
    first = (await _run(graph, task("forked", subtask("a", "alpha", inputs={"x": 1})), where, is_sync=is_sync))[
        "result"
    ]
    before = next(state.config for state in graph.get_state_history(where) if state.next == ("planner",))
    assert (await _run(graph, None, before, is_sync=is_sync))["result"] == first
    changed = graph.update_state(before, task("forked", subtask("a", "alpha", inputs={"x": 2})))
    second = (await _run(graph, None, changed, is_sync=is_sync))["result"]
    assert outputs(second) == {"a": {"alpha": 2}}
    assert second["parent_run_id"] == first["run_id"]


class _Plain(typing.TypedDict, total=False):  # as most people write it; Pydantic refuses it before Python 3.12
    amount: int
    doubled: int


class _Narrow(typing.TypedDict):
    amount: int


@pytest.mark.parametrize("schema", [None, _Narrow])
@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_graph_may_have_its_state_as_a_plain_typed_dict(schema: Any, is_sync: bool) -> None:
    """It gets those inputs that its own schema names, and answers with its state."""

    def double(state: _Plain) -> dict[str, int]:
        return {"doubled": 2 * state["amount"]}

    made: Any = StateGraph(_Plain, input_schema=schema) if schema else StateGraph(_Plain)
    made.add_node("double", double)
    made.add_edge(START, "double")
    made.add_edge("double", END)
    graph = planner(made.compile(name="doubler"))
    given = task("t", subtask("s", "doubler", inputs={"amount": 4}))
    out = graph.invoke(given) if is_sync else await graph.ainvoke(given)
    assert outputs(out["result"]) == {"s": {"amount": 4, "doubled": 8}}
