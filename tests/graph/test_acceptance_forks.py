"""Forks by input: a task put at a checkpoint of its own thread is a new run with a parent, changed or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino import Brief, create_planner, specialist
from concertino.contracts.errors import TaskConflict

CONFIG: Any = {"configurable": {"thread_id": "th"}}
PLAN: dict[str, Any] = {"subtasks": [{"id": "s1", "specialist": "first"}, {"id": "s2", "specialist": "first"}]}
GATED: dict[str, Any] = {"subtasks": [PLAN["subtasks"][0], {**PLAN["subtasks"][1], "gate": True}], "answer": ["s2"]}


class World:
    """A planner graph whose answer is ten times `payload.x`, and who was called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

        @specialist("first")
        async def first(brief: Brief) -> dict[str, Any]:
            self.calls.append(brief.subtask_id)
            payload: Any = brief.task["payload"]
            return {"v": payload["x"] * 10}

        self.graph = create_planner(specialists=[first], checkpointer=InMemorySaver())


def task(x: int = 1, plan: Any = PLAN, task_id: str = "t-1") -> dict[str, Any]:
    """Return the task with another payload."""
    return {"task_id": task_id, "payload": {"x": x}, "plan": plan}


Invoke = Callable[..., Any]


def _sync(world: World, given: Any, config: Any, **kwargs: Any) -> Any:
    return world.graph.invoke(given, config, **kwargs)


def _in_loop(world: World, given: Any, config: Any, **kwargs: Any) -> Any:
    return asyncio.run(world.graph.ainvoke(given, config, **kwargs))


def _streamed(world: World, given: Any, config: Any, **kwargs: Any) -> Any:
    async def last() -> Any:
        found = None
        async for chunk in world.graph.astream(given, config, stream_mode="values", **kwargs):
            found = chunk
        return found

    request = {"metadata": {"run_id": "request-2"}, "configurable": {"checkpoint_ns": "", **config["configurable"]}}
    config = request
    return asyncio.run(last())


@pytest.fixture(params=[_sync, _in_loop, _streamed], ids=["sync", "async", "studio"])
def invoke(request: pytest.FixtureRequest) -> Invoke:
    """Give each way of invoking."""
    found: Invoke = request.param
    return found


@pytest.mark.parametrize("x", [1, 2], ids=["unchanged", "changed"])
def test_a_task_put_at_any_checkpoint_is_a_fork(invoke: Invoke, x: int) -> None:
    """Everything is done anew in a run with a parent; the first run's record is left alone."""
    world = World()
    first = world.graph.invoke({"task": task()}, CONFIG)["result"]
    journal = world.graph.conductor.options.journal
    record = journal.events("t-1", run_id=first["run_id"]).result()
    seen = {first["run_id"]}
    for snapshot in list(world.graph.get_state_history(CONFIG)):
        world.calls.clear()
        out = invoke(world, {"task": task(x)}, snapshot.config)["result"]
        assert (out["status"], out["answer"]) == ("success", {"v": x * 10}), snapshot.next
        assert out["parent_run_id"] == first["run_id"]
        assert out["run_id"] not in seen
        assert sorted(world.calls) == ["s1", "s2"]
        seen.add(out["run_id"])
    assert journal.events("t-1", run_id=first["run_id"]).result() == record


def test_without_a_checkpoint_a_submission_stays_idempotent(invoke: Invoke) -> None:
    """The same task gives its own result and a changed one conflicts, also after a fork."""
    world = World()
    first = world.graph.invoke({"task": task()}, CONFIG)["result"]
    fork = invoke(world, {"task": task(2)}, world.graph.get_state(CONFIG).config)["result"]
    assert fork["run_id"] != first["run_id"]
    assert world.graph.invoke({"task": task()}, CONFIG)["result"] == first
    with pytest.raises(TaskConflict):
        world.graph.invoke({"task": task(3)}, CONFIG)


def test_a_fork_of_a_parked_run_asks_its_own_gate(invoke: Invoke) -> None:
    """The answer goes to the fork, whose state the thread now has."""
    world = World()
    world.graph.invoke({"task": task(plan=GATED)}, CONFIG)
    journal = world.graph.conductor.options.journal
    (parked,) = journal.runs().result()
    invoke(world, {"task": task(2, GATED)}, world.graph.get_state(CONFIG).config)
    out = world.graph.invoke(Command(resume="accept"), CONFIG)["result"]
    assert (out["answer"], out["parent_run_id"]) == ({"v": 20}, parked.run_id)
    assert journal.run(parked.run_id).result() == parked


def test_a_fork_has_the_run_of_its_own_task_as_parent(invoke: Invoke) -> None:
    """On a thread of two tasks, the checkpoint says whose run it is."""
    world = World()
    first = world.graph.invoke({"task": task()}, CONFIG)["result"]
    old = world.graph.get_state(CONFIG).config
    world.graph.invoke({"task": task(5, task_id="t-2")}, CONFIG)
    assert invoke(world, {"task": task(2)}, old)["result"]["parent_run_id"] == first["run_id"]
    new = invoke(world, {"task": task(2, task_id="t-3")}, old)["result"]
    assert (new["task_id"], new["parent_run_id"]) == ("t-3", None)


def test_a_fork_keeps_its_parents_policy_and_takes_a_narrower_one() -> None:
    """Approval that the parent was planned under is asked for again; the context may add to it."""
    world = World()
    world.graph.invoke({"task": task()}, CONFIG)
    old = world.graph.get_state(CONFIG).config
    out = world.graph.invoke({"task": task(2)}, old, context={"require_approval": True})
    assert "__interrupt__" in out
    out = world.graph.invoke({"task": task(3)}, world.graph.get_state(CONFIG).config)
    assert "__interrupt__" in out


def test_a_fork_that_died_before_intake_goes_on() -> None:
    """LangGraph has kept its input, and the run that was admitted for it is taken up."""
    world = World()
    first = world.graph.invoke({"task": task()}, CONFIG)["result"]
    old = next(s for s in world.graph.get_state_history(CONFIG) if "dispatch" in s.next).config
    node: Any = world.graph.nodes["intake"].bound
    node._body, intake = _fails, node._body
    with pytest.raises(ConnectionError):
        asyncio.run(world.graph.ainvoke({"task": task(2)}, old))
    node._body = intake
    out = world.graph.invoke(None, CONFIG)["result"]
    assert (out["answer"], out["parent_run_id"]) == ({"v": 20}, first["run_id"])
    assert len(world.graph.conductor.options.journal.runs().result()) == 2


async def _fails(*args: Any, **kwargs: Any) -> Any:
    raise ConnectionError("the process died")
