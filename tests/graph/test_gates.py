"""Questions to people: asked at once, answered by anybody at any time, and never forgotten."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino import Brief, InputError, Planner, RunStateError, specialist
from tests.graph.plans import alpha, beta, on, outputs, planner, states, subtask, task

BOTH = pytest.mark.parametrize("is_sync", [True, False])
GATED = subtask("a", "alpha", gate={"question": "Go?"}, inputs={"x": 1})


async def _run(graph: Any, given: Any, config: Any, *, is_sync: bool, **kwargs: Any) -> Any:
    return graph.invoke(given, config, **kwargs) if is_sync else await graph.ainvoke(given, config, **kwargs)


def _asked(out: Any) -> list[str]:
    """Return the names of the gates that a parked invocation waits for."""
    return [question["gate"] for question in out["__interrupt__"][0].value["gates"]]


# Gates of the plan.


@BOTH
@pytest.mark.parametrize(
    "answer", [{"decision": "accept"}, "accept", True, {"a": {"decision": "accept"}}, {"a": "accept"}]
)
async def test_an_accepted_gate_opens(answer: Any, is_sync: bool) -> None:
    """A parked run goes on when its gate is accepted, in any of the forms of an answer."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    out = await _run(graph, task("t", GATED), where, is_sync=is_sync)
    assert _asked(out) == ["a"]
    assert out["__interrupt__"][0].value["question"] == "Go?"
    out = await _run(graph, Command(resume=answer), where, is_sync=is_sync)
    assert states(out["result"]) == {"a": "completed"}


@BOTH
async def test_an_edit_changes_the_inputs(is_sync: bool) -> None:
    """An edited subtask runs with the inputs that the answer brought."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    await _run(graph, task("t", GATED), where, is_sync=is_sync)
    out = await _run(graph, Command(resume={"decision": "edit", "inputs": {"x": 9}}), where, is_sync=is_sync)
    assert outputs(out["result"]) == {"a": {"alpha": 9}}


@BOTH
@pytest.mark.parametrize("context", [None, {"require_approval": False}, {"tokens": 10}])
async def test_a_reject_holds_whatever_the_context_says(context: Any, is_sync: bool) -> None:
    """A rejected subtask and its dependents are skipped with the reason, with and without context on resume."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    given = task("t", GATED, subtask("b", "beta", "a"), subtask("c", "beta"))
    await _run(graph, given, where, is_sync=is_sync)
    no: Any = Command(resume={"decision": "reject", "reason": "too dear"})
    out = await _run(graph, no, where, is_sync=is_sync, context=context)
    assert states(out["result"]) == {"a": "skipped", "b": "skipped", "c": "completed"}
    reasons = {entry["subtask_id"]: entry["reason"] for entry in out["result"]["subtasks"]}
    assert reasons["a"] == "gate a rejected: too dear"
    assert reasons["b"] == "needs a, which is skipped"
    assert out["result"]["status"] == "partial_success"


@BOTH
@pytest.mark.parametrize("context", [None, {"require_approval": False}])
async def test_a_rejected_plan_runs_nothing(context: Any, is_sync: bool) -> None:
    """`require_approval` by context asks once about the plan; a reject ends the run, whatever the resume's context."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    out = await _run(graph, task("t"), where, is_sync=is_sync, context={"require_approval": True})
    assert _asked(out) == ["plan"]
    out = await _run(graph, Command(resume="reject"), where, is_sync=is_sync, context=context)
    assert set(states(out["result"]).values()) == {"skipped"}
    assert out["result"]["status"] == "failed"
    assert out["result"]["usage"]["calls"] == 0


@BOTH
async def test_a_plans_gate_can_edit_any_subtask(is_sync: bool) -> None:
    """On the plan's gate, an edit gives inputs by subtask."""
    graph, where = planner(checkpointer=InMemorySaver(), require_approval=True), on("t")
    given = task("t", subtask("a", "alpha", inputs={"x": 1}), subtask("b", "alpha", inputs={"x": 1}))
    await _run(graph, given, where, is_sync=is_sync)
    edit = {"decision": "edit", "inputs": {"b": {"x": 5}}}
    out = await _run(graph, Command(resume=edit), where, is_sync=is_sync)
    assert outputs(out["result"]) == {"a": {"alpha": 1}, "b": {"alpha": 5}}


@BOTH
async def test_several_gates_are_answered_by_name(is_sync: bool) -> None:
    """What stays open is asked again, and no gate gets another's answer."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    gates = [subtask(name, "alpha", gate=True, inputs={"x": 0}) for name in ("a", "b", "c")]
    out = await _run(graph, task("t", *gates), where, is_sync=is_sync)
    assert _asked(out) == ["a", "b", "c"]
    first = {"b": {"decision": "edit", "inputs": {"x": 2}}}
    out = await _run(graph, Command(resume=first), where, is_sync=is_sync)
    assert _asked(out) == ["a", "c"]
    second = {"c": {"decision": "edit", "inputs": {"x": 3}}, "a": "reject"}
    out = await _run(graph, Command(resume=second), where, is_sync=is_sync)
    assert outputs(out["result"]) == {"a": None, "b": {"alpha": 2}, "c": {"alpha": 3}}


@BOTH
@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("maybe", "decision"),
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "edit"}, "inputs"),
        ({"decision": "accept", "colour": "red"}, "colour"),
        (7, "decision"),
    ],
)
async def test_a_malformed_answer_asks_again_and_says_why(answer: Any, word: str, is_sync: bool) -> None:
    """The run stays parked, the question comes back with the error, and a proper answer is taken."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    await _run(graph, task("t", GATED), where, is_sync=is_sync)
    out = await _run(graph, Command(resume=answer), where, is_sync=is_sync)
    assert _asked(out) == ["a"]
    assert word in out["__interrupt__"][0].value["error"]
    out = await _run(graph, Command(resume="accept"), where, is_sync=is_sync)
    assert out["result"]["status"] == "success"


@BOTH
async def test_messages_in_give_a_message_out_after_parking_too(is_sync: bool) -> None:
    """A chat client gets an `AIMessage` at the end, also when the run had to ask first."""
    graph, where = planner(RunnableLambda(lambda _: "hello", name="greeter"), checkpointer=InMemorySaver()), on("t")
    given = {"messages": [("user", "greet me")]}
    out = await _run(graph, given, where, is_sync=is_sync)
    assert [type(message).__name__ for message in out["messages"]] == ["HumanMessage", "AIMessage"]
    assert out["messages"][-1].text == "hello"
    parked = await _run(graph, given, on("u"), is_sync=is_sync, context={"require_approval": True})
    assert _asked(parked) == ["plan"]
    out = await _run(graph, Command(resume="accept"), on("u"), is_sync=is_sync)
    assert out["messages"][-1].text == "hello"
    assert isinstance(out["messages"][-1], AIMessage)


# When questions are asked, and when a run parks.


@BOTH
async def test_a_question_is_streamed_while_others_still_run(is_sync: bool) -> None:
    """The gate is on the custom stream before a running sibling has ended."""
    asked = threading.Event()

    @specialist("slow")
    def slow(brief: Brief) -> int:
        assert asked.wait(10)
        return 1

    graph = planner(alpha, slow, checkpointer=InMemorySaver())
    given = task("t", subtask("s", "slow"), GATED)
    seen = []

    def look(event: Any) -> None:
        seen.append(event["type"])
        if event["type"] == "GATE_OPENED":
            asked.set()

    if is_sync:
        for event in graph.stream(given, on("t"), stream_mode="custom"):
            look(event)
    else:
        async for event in graph.astream(given, on("t"), stream_mode="custom"):
            look(event)
    assert seen.index("GATE_OPENED") < seen.index("TASK_COMPLETED")


@BOTH
async def test_a_run_parks_only_when_nothing_else_can_run(is_sync: bool) -> None:
    """Everything that does not hang on the gate is done before the run asks its caller."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    given = task("t", GATED, subtask("b", "beta", "a"), subtask("c", "alpha"), subtask("d", "beta", "c"))
    out = await _run(graph, given, where, is_sync=is_sync)
    assert _asked(out) == ["a"]
    done = graph.get_state(where).values["records"]
    assert sorted(done) == ["c", "d"]


@BOTH
async def test_what_was_answered_goes_on_while_another_question_is_open(is_sync: bool) -> None:
    """An answer to one of several gates lets everything that hangs on it be done before the run asks again."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    given = task("t", GATED, subtask("b", "beta", "a"), subtask("c", "alpha", gate=True), subtask("d", "beta", "c"))
    assert _asked(await _run(graph, given, where, is_sync=is_sync)) == ["a", "c"]
    out = await _run(graph, Command(resume={"a": "accept"}), where, is_sync=is_sync)
    assert _asked(out) == ["c"]
    found = graph.get_state(where).values["records"]
    assert {name: one["state"] for name, one in found.items()} == {"a": "completed", "b": "completed"}
    out = await _run(graph, Command(resume={"c": "reject"}), where, is_sync=is_sync)
    assert states(out["result"]) == {"a": "completed", "b": "completed", "c": "skipped", "d": "skipped"}


def test_a_resume_does_what_was_answered_and_leaves_the_rest_open(tmp_path: Path) -> None:
    """An answer given from elsewhere takes effect at the next resume, whatever else is open."""
    database = f"sqlite:///{tmp_path / 'x.db'}"
    given = task("t", GATED, subtask("b", "beta", "a"), subtask("c", "alpha", gate=True))["task"]
    with Planner(specialists=[alpha, beta], database=database) as made:
        assert made.run(given)["status"] == "waiting"
    with Planner(specialists=[alpha, beta], database=database) as made:
        made.answer("t", "a", "reject")
        known: Any = made.resume("t")
        assert (known["status"], states(known)) == ("waiting", {"a": "skipped", "b": "skipped", "c": "waiting"})
        assert [gate["gate"] for gate in known["gates"]["open"]] == ["c"]
        made.answer("t", "c", "accept")
        assert states(made.resume("t")) == {"a": "skipped", "b": "skipped", "c": "completed"}


def test_an_answer_to_an_unknown_gate_among_known_ones_is_refused_by_name() -> None:
    """None of the answers counts then, and the run asks again."""
    graph, where = planner(checkpointer=InMemorySaver()), on("t")
    graph.invoke(task("t", GATED, subtask("c", "alpha", gate=True)), where)
    out = graph.invoke(Command(resume={"a": "accept", "cc": "reject"}), where)
    assert _asked(out) == ["a", "c"]
    assert out["__interrupt__"][0].value["error"].startswith("gate: 'cc' refused: must be one of the gates that were")


def test_a_gate_can_be_answered_while_the_run_goes_on() -> None:
    """`Planner.answer` opens a gate of a live run, which then never parks."""
    asked, answered = threading.Event(), threading.Event()

    @specialist("slow")
    def slow(brief: Brief) -> int:
        assert answered.wait(10)
        return 1

    def look(event: Any) -> None:
        if event.type == "GATE_OPENED":
            asked.set()

    with Planner(specialists=[alpha, slow], on_event=look) as made:

        def answer() -> None:
            assert asked.wait(10)
            made.answer("t", "a", {"decision": "edit", "inputs": {"x": 4}})
            answered.set()

        helper = threading.Thread(target=answer)
        helper.start()
        result = made.run(task("t", subtask("s", "slow"), GATED)["task"])
        helper.join()
        assert outputs(result) == {"s": 1, "a": {"alpha": 4}}
        assert "RUN_PARKED" not in [event.type for event in made.events("t")]


def test_an_answer_may_come_before_its_question() -> None:
    """A gate that was answered early never asks."""
    started, go = threading.Event(), threading.Event()

    @specialist("first")
    def first(brief: Brief) -> int:
        started.set()
        assert go.wait(10)
        return 1

    with Planner(specialists=[first, alpha]) as made:
        given = task("t", subtask("f", "first"), subtask("a", "alpha", "f", gate=True, inputs={"x": 1}))["task"]
        found: list[Any] = []
        runner = threading.Thread(target=lambda: found.append(made.run(given)))
        runner.start()
        assert started.wait(10)
        made.answer("t", "a", {"decision": "edit", "inputs": {"x": 3}})
        go.set()
        runner.join()
        assert outputs(found[0])["a"] == {"alpha": 3}
        assert "GATE_OPENED" not in [event.type for event in made.events("t")]


def test_answers_are_checked_where_they_come_in() -> None:
    """An unknown gate, a malformed answer and a second answer are each refused by name."""
    with Planner(specialists=[alpha, beta]) as made:
        assert made.run(task("t", GATED)["task"])["status"] == "waiting"
        with pytest.raises(InputError, match="gate: 'zz' refused"):
            made.answer("t", "zz", "accept")
        with pytest.raises(InputError, match="answer"):
            made.answer("t", "a", {"decision": "perhaps"})
        made.answer("t", "a", "accept")
        with pytest.raises(RunStateError, match="past gate a"):
            made.answer("t", "a", "reject")
        assert made.resume("t")["status"] == "success"
