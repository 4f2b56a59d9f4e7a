"""Forks, replays, restarts and second tasks: new runs get their own results, old runs keep theirs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from concertino import Brief, Planner, create_planner, specialist
from concertino.contracts.errors import InputError, PlanInvalid, RunStateError, TaskConflict
from concertino.graph.checkpoints import open_checkpoints

CONFIG: Any = {"configurable": {"thread_id": "th"}}
PLAN: dict[str, Any] = {
    "subtasks": [
        {"id": "s1", "specialist": "first", "inputs": {"k": 1}},
        {"id": "s2", "specialist": "second", "inputs": {"v": {"$from": "s1", "path": "v"}}, "needs": ["s1"]},
    ],
    "answer": ["s2"],
}
GATED: dict[str, Any] = {**PLAN, "subtasks": [PLAN["subtasks"][0], {**PLAN["subtasks"][1], "gate": True}]}


class World:
    """A planner graph whose answer is `payload.x * 10 + k + 1`, and who was called."""

    def __init__(self, saver: Any = None, **options: Any) -> None:
        self.calls: list[str] = []

        @specialist("first")
        async def first(brief: Brief) -> dict[str, Any]:
            self.calls.append(brief.subtask_id)
            payload: Any = brief.task["payload"]
            return {"v": payload["x"] * 10 + brief.inputs["k"]}

        @specialist("second")
        def second(brief: Brief) -> dict[str, Any]:
            self.calls.append(brief.subtask_id)
            given: Any = brief.inputs["v"]
            return {"v": given + 1}

        self.specialists = [first, second]
        self.graph = create_planner(specialists=self.specialists, checkpointer=saver, **options)
        self.journal = self.graph.conductor.options.journal

    def events(self, run_id: str) -> list[Any]:
        return self.journal.events("t-1", run_id=run_id).result()

    def states(self) -> list[str]:
        return [row.state for row in self.journal.runs().result()]


def task(x: int = 1, plan: Any = PLAN) -> dict[str, Any]:
    """Return the task with another payload."""
    return {"task_id": "t-1", "payload": {"x": x}, "plan": plan}


def states_of(out: Any) -> list[str]:
    """Return the subtasks' states in a result, in the plan's order."""
    return [subtask["state"] for subtask in out["subtasks"]]


@pytest.fixture(params=["langgraph-memory", "langgraph-sqlite", "ours"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Give each saver in turn."""
    if request.param == "langgraph-memory":
        yield InMemorySaver()
        return
    if request.param == "ours":
        own = open_checkpoints(tmp_path / "checkpoints.db")
        yield own
        own.close()
        return
    connection = sqlite3.connect(tmp_path / "plain.db", check_same_thread=False)
    yield SqliteSaver(connection)
    connection.close()


Invoke = Callable[[World, Any, Any], Any]


def _sync(world: World, given: Any, config: Any) -> Any:
    return world.graph.invoke(given, config)


def _in_loop(world: World, given: Any, config: Any) -> Any:
    return asyncio.run(world.graph.ainvoke(given, config))


@pytest.fixture(params=[_sync, _in_loop], ids=["sync", "async"])
def invoke(request: pytest.FixtureRequest, saver: Any) -> Invoke:
    """Give both ways of invoking; LangGraph's own synchronous SQLite saver has one only."""
    if request.param is _in_loop and type(saver) is SqliteSaver:
        pytest.skip("LangGraph's SqliteSaver has no async side")
    found: Invoke = request.param
    return found


def test_forks_at_every_checkpoint_get_their_own_results(saver: Any, invoke: Invoke) -> None:
    """A changed payload gives the changed answer, an unchanged replay the same one; the original is left alone."""
    world = World(saver)
    first = invoke(world, {"task": task()}, CONFIG)["result"]
    record = world.events(first["run_id"])
    for snapshot in list(world.graph.get_state_history(CONFIG)):
        world.calls.clear()
        changed = invoke(world, None, world.graph.update_state(snapshot.config, {"task": task(2)}))["result"]
        assert (changed["status"], changed["answer"]) == ("success", {"v": 22}), snapshot.next
        assert (changed["task_id"], changed["parent_run_id"]) == ("t-1", first["run_id"])
        assert world.calls == ["s1", "s2"]
        again = invoke(world, None, snapshot.config).get("result")
        assert again["answer"] == {"v": 12}
        if snapshot.next:
            assert again["run_id"] not in (first["run_id"], changed["run_id"])
            assert again["parent_run_id"] == first["run_id"]
    assert world.events(first["run_id"]) == record
    assert set(world.states()) == {"success"}


def test_a_fork_leaves_the_task_its_own_run() -> None:
    """Status, resume and resubmission go by the original; the fork answers to its run's id."""
    with Planner(specialists=World().specialists) as planner:
        first = planner.run(task())
        before = planner.status("t-1")
        config: Any = {"configurable": {"thread_id": "t-1"}}
        fork = planner.graph.invoke(None, planner.graph.update_state(config, {"task": task(3)}))["result"]
        assert fork["answer"] == {"v": 32}
        assert {**planner.status("t-1"), "time": 0} == {**before, "time": 0}
        assert planner.resume("t-1") == first
        assert planner.run(task())["run_id"] == first["run_id"]
        assert planner.resume(fork["run_id"])["answer"] == {"v": 32}
        with pytest.raises(TaskConflict):
            planner.run(task(4))


def test_an_edited_plan_runs_anew_from_its_approval(saver: Any, invoke: Invoke) -> None:
    """Inputs changed in the plan give new findings throughout, from any checkpoint that has a plan."""
    world = World(saver)
    first = invoke(world, {"task": task()}, CONFIG)["result"]
    for snapshot in list(world.graph.get_state_history(CONFIG)):
        plan = snapshot.values.get("plan")
        if not plan:
            continue
        subtasks = [{**sub, "inputs": {"k": 5}} if sub["id"] == "s1" else sub for sub in plan["subtasks"]]
        world.calls.clear()
        out = invoke(world, None, world.graph.update_state(snapshot.config, {"plan": {**plan, "subtasks": subtasks}}))
        assert (out["result"]["answer"], world.calls) == ({"v": 16}, ["s1", "s2"]), snapshot.next
        assert out["result"]["parent_run_id"] == first["run_id"]


def test_a_faulty_edit_is_refused_and_changes_nothing(saver: Any) -> None:
    """A plan with a cycle or a task with an unknown field never reaches the state."""
    world = World(saver)
    world.graph.invoke({"task": task()}, CONFIG)
    snapshot = world.graph.get_state(CONFIG)
    plan = snapshot.values["plan"]
    cyclic = [{**sub, "needs": ["s2" if sub["id"] == "s1" else "s1"]} for sub in plan["subtasks"]]
    with pytest.raises(PlanInvalid):
        world.graph.update_state(CONFIG, {"plan": {**plan, "subtasks": cyclic}})
    with pytest.raises(InputError):
        world.graph.update_state(CONFIG, {"task": {**task(), "nonsense": 1}})
    assert world.graph.get_state(CONFIG).config == snapshot.config


def test_the_newest_checkpoint_named_is_a_plain_resume(saver: Any, invoke: Invoke) -> None:
    """Answering a parked run at its own newest checkpoint goes on with that run."""
    world = World(saver)
    invoke(world, {"task": task(plan=GATED)}, CONFIG)
    run_id = world.journal.runs().result()[0].run_id
    newest = world.graph.get_state(CONFIG).config
    out = invoke(world, Command(resume="accept"), newest)
    assert (out["result"]["run_id"], out["result"]["answer"]) == (run_id, {"v": 12})
    assert world.calls == ["s1", "s2"]
    assert world.states() == ["success"]


def test_a_parked_run_survives_its_forks() -> None:
    """A fork with a changed task asks its own gate; the original still waits, and goes on with its own results."""
    with Planner(specialists=World().specialists) as planner:
        parked = planner.run(task(plan=GATED))
        assert parked["status"] == "waiting"
        config: Any = {"configurable": {"thread_id": "t-1"}}
        out = planner.graph.invoke(None, planner.graph.update_state(config, {"task": task(2, GATED)}))
        assert "__interrupt__" in out
        done = planner.graph.invoke(Command(resume="accept"), config)["result"]
        assert done["answer"] == {"v": 22}
        assert planner.status("t-1")["state"] == "waiting"
        planner.answer("t-1", "s2", "accept")
        original = planner.resume("t-1")
        assert (original["answer"], original["parent_run_id"]) == ({"v": 12}, None)
        assert done["parent_run_id"] == original["run_id"]


def test_a_second_task_on_one_thread_starts_clean(saver: Any, invoke: Invoke) -> None:
    """Neither results nor records of the first task are in the second one's state."""
    world = World(saver)
    invoke(world, {"task": task()}, CONFIG)
    other = {"task_id": "t-2", "payload": {"x": 5}, "plan": {"subtasks": [PLAN["subtasks"][0]]}}
    out = invoke(world, {"task": other}, CONFIG)["result"]
    assert (out["task_id"], out["answer"], out["parent_run_id"]) == ("t-2", {"v": 51}, None)
    assert list(world.graph.get_state(CONFIG).values["records"]) == ["s1"]


def test_a_second_task_takes_the_thread_of_a_parked_one(saver: Any, invoke: Invoke) -> None:
    """The parked run's gate does not stop it and its answer is not taken for the new task's."""
    world = World(saver)
    invoke(world, {"task": task(plan=GATED)}, CONFIG)
    other = {"task_id": "t-2", "payload": {"x": 5}, "plan": GATED}
    invoke(world, {"task": other}, CONFIG)
    out = invoke(world, Command(resume="accept"), CONFIG)["result"]
    assert (out["task_id"], out["answer"]) == ("t-2", {"v": 52})


def test_a_duplicate_leaves_every_thread_alone(saver: Any, invoke: Invoke) -> None:
    """Submitted again on the same thread, on another, or on none, it gives the result and writes nothing."""
    world = World(saver)
    first = invoke(world, {"task": task()}, CONFIG)["result"]
    before = [snapshot.config for snapshot in world.graph.get_state_history(CONFIG)]
    elsewhere: Any = {"configurable": {"thread_id": "other"}}
    for config in (CONFIG, elsewhere):
        assert invoke(world, {"task": task()}, config)["result"] == first
    assert [snapshot.config for snapshot in world.graph.get_state_history(CONFIG)] == before
    assert list(world.graph.get_state_history(elsewhere)) == []
    assert world.calls == ["s1", "s2"]


def test_a_duplicate_without_checkpointer_gives_the_result() -> None:
    """The journal alone knows the task."""
    world = World()
    first = world.graph.invoke({"task": task()})["result"]
    assert world.graph.invoke({"task": task()})["result"] == first
    assert world.calls == ["s1", "s2"]


@pytest.mark.parametrize("context", [None, {"require_approval": True}, {"require_approval": False}])
def test_a_reject_holds_with_and_without_context(saver: Any, invoke: Invoke, context: Any) -> None:
    """A rejected subtask stays undone whatever the resume says of approvals."""
    world = World(saver)
    invoke(world, {"task": task(plan=GATED)}, CONFIG)
    if invoke is _in_loop:
        out = asyncio.run(world.graph.ainvoke(Command(resume="reject"), CONFIG, context=context))
    else:
        out = world.graph.invoke(Command(resume="reject"), CONFIG, context=context)
    assert [sub["state"] for sub in out["result"]["subtasks"]] == ["completed", "skipped"]
    assert world.calls == ["s1"]


def test_a_rejected_plan_holds_after_a_fork(saver: Any, invoke: Invoke) -> None:
    """Going back behind the rejection without changing the task meets it again; it runs nothing."""
    world = World(saver)
    invoke(world, {"task": task(plan={**PLAN, "gate": True})}, CONFIG)
    out = invoke(world, Command(resume="reject"), CONFIG)["result"]
    assert out["status"] == "failed"
    for snapshot in list(world.graph.get_state_history(CONFIG)):
        again = invoke(world, None, snapshot.config).get("result")
        assert again["status"] == "failed", snapshot.next
    assert world.calls == []


def test_a_reject_holds_after_a_new_process_and_after_restart(tmp_path: Path) -> None:
    """The record keeps it: for a planner opened anew, for a restart, and for the restart's own resume."""
    database = f"sqlite:///{tmp_path / 'x.db'}"
    world = World()
    with Planner(specialists=world.specialists, database=database) as planner:
        assert planner.run(task(plan=GATED))["status"] == "waiting"
        planner.answer("t-1", "s2", {"decision": "reject", "reason": "no"})
    with Planner(specialists=world.specialists, database=database) as planner:
        out: Any = planner.resume("t-1")
        assert states_of(out) == ["completed", "skipped"]
        with pytest.raises(RunStateError):
            planner.answer("t-1", "s2", "accept")
        again = planner.restart("t-1")
        assert states_of(again) == ["completed", "skipped"]
        assert again["parent_run_id"] == out["run_id"]
        gates = [
            e.payload["gate"] for e in planner.events("t-1") if e.run_id == again["run_id"] and "gate" in e.payload
        ]
        assert gates == ["s2"]
    assert world.calls == ["s1"]
