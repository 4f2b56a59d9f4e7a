"""Whatever is wrong with an input or a planner's parts is said once, by field, value and rule, before anything is kept."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from concertino import (
    Brief,
    Budget,
    InputError,
    Limits,
    PlanInvalid,
    SetupError,
    TaskConflict,
    create_planner,
    specialist,
)
from concertino.nodes.planning.workflows import Workflow
from tests.graph.plans import alpha, on, planner, states, subtask, task

BOTH = pytest.mark.parametrize("is_sync", [True, False])


def _deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = {"x": found}
    return found


def _cyclic() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


def _of(**fields: Any) -> Any:
    return {"task": {"task_id": "t", **fields}}


def _plan(*subtasks: Any, **fields: Any) -> Any:
    return _of(plan={"subtasks": list(subtasks), **fields})


BAD: dict[str, tuple[Any, str]] = {
    "nothing": ({}, "input"),
    "no object": ("hello", "input"),
    "task is text": ({"task": "x"}, "task"),
    "path as id": (_of(task_id="../../x"), "task.task_id"),
    "empty id": (_of(task_id=""), "task.task_id"),
    "id with newline": (_of(task_id="a\n"), "task.task_id"),
    "id is a number": (_of(task_id=5), "task.task_id"),
    "long id": (_of(task_id="a" * 65), "task.task_id"),
    "unknown field": (_of(colour="red"), "task.colour"),
    "wrong type": (_of(title=5), "task.title"),
    "unknown priority": (_of(priority="urgent"), "task.priority"),
    "NaN": (_of(payload={"a": [float("nan")]}), "task.payload.a[0]"),
    "infinity": (_of(payload={"a": float("inf")}), "task.payload.a"),
    "huge integer": (_of(payload={"a": 2**80}), "task.payload.a"),
    "oversized": (_of(payload={"a": "x" * 300_000}), "task"),
    "too deep": (_of(payload=_deep(60)), "task.payload.x"),
    "recursive": (_of(payload=_cyclic()), "task.payload.self"),
    "recursive plan": (_of(plan=_cyclic()), "task.plan.self"),
    "no JSON": (_of(payload={"a": object()}), "task.payload.a"),
    "key is a number": (_of(payload={1: 2}), "task.payload"),
    "plan is text": (_of(plan="x"), "task.plan"),
    "plan without subtasks": (_of(plan={}), "plan.subtasks"),
    "empty plan": (_plan(), "plan.subtasks"),
    "unknown field of a plan": (_plan(subtask("a", "alpha"), colour=1), "plan.colour"),
    "unknown field of a subtask": (_plan(subtask("a", "alpha", colour=1)), "plan.subtasks[0].colour"),
    "cyclic plan": (_plan(subtask("a", "alpha", "b"), subtask("b", "alpha", "a")), "plan.subtasks[0].needs"),
    "need of itself": (_plan(subtask("a", "alpha", "a")), "plan.subtasks[0].needs"),
    "unknown need": (_plan(subtask("a", "alpha", "z")), "plan.subtasks[0].needs[0]"),
    "unknown specialist": (_plan(subtask("a", "nobody")), "plan.subtasks[0].specialist"),
    "unknown capability": (_plan({"id": "a", "capability": "none"}), "plan.subtasks[0].capability"),
    "duplicate id": (_plan(subtask("a", "alpha"), subtask("a", "alpha")), "plan.subtasks[1].id"),
    "path as subtask id": (_plan(subtask("../x", "alpha")), "plan.subtasks[0].id"),
    "name of the plan's gate": (_plan(subtask("plan", "alpha")), "plan.subtasks[0].id"),
    "unknown reference": (_plan(subtask("a", "alpha", inputs={"x": "${z.y}"})), "plan.subtasks[0].inputs.x"),
    "negative estimate": (_plan(subtask("a", "alpha", estimate_s=-1)), "plan.subtasks[0].estimate_s"),
    "too many attempts": (_plan(subtask("a", "alpha", max_attempts=9)), "plan.subtasks[0].max_attempts"),
    "gate is a word": (_plan(subtask("a", "alpha", gate="yes")), "plan.subtasks[0].gate"),
    "budget of unknown coins": (_plan(subtask("a", "alpha", budget={"coins": 1})), "plan.subtasks[0].budget.coins"),
    "over budget": (_plan(subtask("a", "alpha", budget={"tokens": 5_000})), "plan.subtasks[0].budget.tokens"),
    "plan bomb": (_plan(*(subtask(f"a{n}", "alpha") for n in range(300))), "plan.subtasks"),
    "broken condition": (_plan(subtask("a", "alpha", stage="s"), stop_when={"s": "((("}), "plan.stop_when.s"),
    "no messages": ({"messages": []}, "input"),
    "message without text": ({"messages": [("user", " ")]}, "messages[-1].content"),
    "message of nobody": ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[-1]"),
}


@BOTH
@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_input_is_refused_before_anything_is_kept(kind: str, is_sync: bool) -> None:
    """One error names the field; neither journal nor thread know of it, and the corrected task runs under its id."""
    given, field = BAD[kind]
    graph, where = planner(checkpointer=InMemorySaver(), budget=Budget(tokens=1_000)), on("t")
    with pytest.raises(InputError) as caught:
        _ = graph.invoke(given, where) if is_sync else await graph.ainvoke(given, where)
    assert caught.value.field.startswith(field)
    assert len(str(caught.value).splitlines()[0]) < 800
    assert graph.conductor.options.journal.runs().result() == []
    assert graph.get_state(where).values == {}
    out = graph.invoke(task("t"), where) if is_sync else await graph.ainvoke(task("t"), where)
    assert out["result"]["status"] == "success"


def test_every_fault_of_a_plan_is_named() -> None:
    """A plan with several faults is refused once, with each fault's place, reason and fix."""
    with pytest.raises(PlanInvalid) as caught:
        planner().invoke(_plan(subtask("a", "nobody", "z"), subtask("a", "alpha", colour=1)))
    assert {fault.code for fault in caught.value.faults} >= {"unknown_specialist", "unknown_need", "bad_field"}
    assert all(fault.place and fault.fix for fault in caught.value.faults)


def test_limits_can_be_set() -> None:
    """A planner's own limits go before the defaults."""
    graph = planner(alpha, limits=Limits(subtasks=2))
    with pytest.raises(PlanInvalid, match="at most 2"):
        graph.invoke(_plan(*(subtask(f"a{n}", "alpha") for n in range(3))))


@BOTH
async def test_a_known_task_gives_its_result_and_leaves_the_thread_alone(is_sync: bool) -> None:
    """The same task again runs nothing and gives the same result, on any thread; another content is a conflict."""
    ran: list[int] = []

    @specialist("one")
    async def one(brief: Brief) -> int:
        ran.append(1)
        return 1

    graph, given = planner(one, checkpointer=InMemorySaver()), task("t", subtask("s", "one"))

    async def run(given: Any, thread: str) -> Any:
        config = on(thread)
        return (graph.invoke(given, config) if is_sync else await graph.ainvoke(given, config))["result"]

    first = await run(given, "x")
    before = graph.get_state(on("x")).config
    assert await run(given, "x") == first
    assert await run(given, "y") == first
    assert ran == [1]
    assert graph.get_state(on("x")).config == before
    assert graph.get_state(on("y")).values == {}
    with pytest.raises(TaskConflict):
        await run(task("t", subtask("s", "one", objective="other")), "x")
    assert await run(given, "x") == first


async def test_a_task_that_runs_gives_its_plan_and_status() -> None:
    """A submission beside a live run tells how far it is, and does not wait."""
    started, go = asyncio.Event(), asyncio.Event()

    @specialist("slow")
    async def slow(brief: Brief) -> int:
        started.set()
        await go.wait()
        return 1

    graph, given = planner(slow), task("t", subtask("s", "slow"))
    running = asyncio.create_task(graph.ainvoke(given))
    await started.wait()
    known = (await graph.ainvoke(given))["result"]
    assert known["status"] == "running"
    assert known["plan"]["subtasks"][0]["id"] == "s"
    go.set()
    assert (await running)["result"]["run_id"] == known["run_id"]


@BOTH
async def test_a_second_task_on_one_thread_starts_clean(is_sync: bool) -> None:
    """Nothing of a thread's first task is seen in its second."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    for name, ids in (("one", ["a", "b"]), ("two", ["c"])):
        given = task(name, *(subtask(sid, "alpha") for sid in ids))
        out = graph.invoke(given, where) if is_sync else await graph.ainvoke(given, where)
        assert list(states(out["result"])) == ids
        assert sorted(graph.get_state(where).values["records"]) == ids


CONTEXTS: dict[str, tuple[Any, str]] = {
    "unknown field": ({"colour": 1}, "context.colour"),
    "negative tokens": ({"tokens": -1}, "context.tokens"),
    "no concurrency": ({"concurrency": 0}, "context.concurrency"),
    "half a slot": ({"concurrency": 2.5}, "context.concurrency"),
    "NaN dollars": ({"usd": float("nan")}, "context.usd"),
    "no object": (5, "context"),
    "below the floor": ({"tokens": 5}, "context"),
}


@BOTH
@pytest.mark.parametrize("kind", CONTEXTS)
async def test_a_bad_context_is_refused_before_anything_is_kept(kind: str, is_sync: bool) -> None:
    """What an invocation's context may not set is named, and nothing was recorded."""
    context, field = CONTEXTS[kind]
    graph = planner(budget=Budget(tokens=100), floor=Budget(tokens=10))
    with pytest.raises(InputError) as caught:
        _ = graph.invoke(task("t"), context=context) if is_sync else await graph.ainvoke(task("t"), context=context)
    assert caught.value.field == field
    assert graph.conductor.options.journal.runs().result() == []


def _plain(brief: Brief) -> int:
    return 1


SETUPS: dict[str, tuple[dict[str, Any], str]] = {
    "nobody": ({"specialists": []}, "specialists"),
    "no list": ({"specialists": alpha}, "specialists"),
    "no function": ({"specialists": [5]}, "specialists[0]"),
    "no name": ({"specialists": [lambda brief: 1]}, "specialists[0]"),
    "one name twice": ({"specialists": [alpha, specialist("alpha")(_plain)]}, "specialists[1]"),
    "a node's name": ({"specialists": [specialist("review")(_plain)]}, "specialists[0]"),
    "variant of nobody": ({"specialists": [specialist("v", variant_of="z")(_plain)]}, "specialists.v.variant_of"),
    "no slots": ({"concurrency": 0}, "create_planner.concurrency"),
    "slots as text": ({"concurrency": "3"}, "create_planner.concurrency"),
    "unknown budget": ({"budget": {"coins": 1}}, "create_planner.budget.coins"),
    "unknown node": ({"node_budgets": {"z": Budget()}}, "node_budgets"),
    "floor over budget": ({"budget": Budget(tokens=1), "floor": Budget(tokens=2)}, "floor.tokens"),
    "too much trust": ({"authority": {"alpha": 7}}, "authority.alpha"),
    "unknown escalation": ({"escalate": "shout"}, "escalate"),
    "a model": ({"model": "openai:x"}, "model"),
    "another database": ({"journal": "mysql://x"}, "journal"),
    "no journal": ({"journal": 5}, "journal"),
    "no saver": ({"checkpointer": "x"}, "checkpointer"),
    "no limits": ({"limits": 5}, "limits"),
    "no tool": ({"tools": [5]}, "tools"),
    "missing workflow": ({"workflows": ["/nowhere.yaml"]}, "/nowhere.yaml"),
    "missing single workflow": ({"workflows": "/nowhere.yaml"}, "/nowhere.yaml"),
    "no workflows": ({"workflows": 5}, "workflows"),
    "authority by place": ({"authority": [1.0]}, "authority"),
    "no function for events": ({"on_event": 5}, "on_event"),
}


@pytest.mark.parametrize("kind", SETUPS)
def test_a_planner_that_cannot_work_is_refused(kind: str) -> None:
    """`create_planner` names what it cannot work with."""
    options, field = SETUPS[kind]
    with pytest.raises((SetupError, InputError)) as caught:
        create_planner(**{"specialists": [alpha], **options})
    assert caught.value.fields()["field"] == field


def test_a_single_workflow_needs_no_list(tmp_path: Path) -> None:
    """A file by name or path, and an object."""
    rule: dict[str, Any] = {"name": "only", "plan": {"subtasks": [{"id": "x", "specialist": "alpha"}]}}
    file = tmp_path / "rule.json"
    file.write_text(json.dumps(rule))
    for given in (rule, file, str(file), Workflow.model_validate(rule)):
        out = create_planner(specialists=[alpha], workflows=given).invoke({"task": {"title": "t"}})
        assert out["result"]["plan"]["workflow"] == "only"


@pytest.mark.parametrize("field", ["task_id", "parent_task_id"])
@pytest.mark.parametrize("given", ["t\0", "\0", "t\ud800"])
def test_an_id_is_not_bent_into_anothers(field: str, given: str) -> None:
    """What no store accepts is taken out of texts, but not out of a key."""
    with pytest.raises(InputError) as caught:
        create_planner(specialists=[alpha]).invoke({"task": {field: given}})
    assert caught.value.field == f"task.{field}"


def test_keys_that_no_store_can_tell_apart_are_refused() -> None:
    """Neither value is lost in silence."""
    with pytest.raises(InputError, match="duplicate key"):
        create_planner(specialists=[alpha]).invoke({"task": {"payload": {"a": 1, "a\0": 2}}})


DECLARED: dict[str, Any] = {
    "authority": 7,
    "sla_s": "x",
    "max_concurrency": "2",
    "max_attempts": 4,
    "delivery": "maybe",
    "isolation": "vm",
    "capabilities": {"a b"},
    "budget": {"coins": 1},
    "input_schema": {"type": "nothing"},
    "output_schema": 5,
    "version": 5,
    "breaker": 5,
}


@pytest.mark.parametrize("field", DECLARED)
def test_a_declaration_that_cannot_hold_is_refused(field: str) -> None:
    """`@specialist` names the option that is wrong."""
    with pytest.raises((SetupError, InputError)) as caught:
        specialist("s", **{field: DECLARED[field]})(_plain)
    assert str(caught.value.fields()["field"]).startswith(f"specialists.s.{field}")
