"""Forks by an edit of the whole state, as Studio sends it, for any node; and by an edit of the chat."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import InvalidUpdateError
from langgraph.types import Command

from concertino import Brief, create_planner, specialist
from concertino.contracts.errors import InputError

CONFIG: Any = {"configurable": {"thread_id": "th"}}
NODES = ["intake", "plan", "approve", "dispatch", "first", "second", "review", "synthesize", "deliver"]
PLAN: dict[str, Any] = {
    "subtasks": [{"id": "s1", "specialist": "first"}, {"id": "s2", "specialist": "second", "needs": ["s1"]}],
    "answer": ["s2"],
}


def task(x: int) -> dict[str, Any]:
    return {"task_id": "t-1", "payload": {"x": x}, "plan": PLAN}


@specialist("first")
async def first(brief: Brief) -> dict[str, Any]:
    payload: Any = brief.task["payload"]
    return {"v": payload["x"] * 10}


@specialist("second")
def second(brief: Brief) -> dict[str, Any]:
    found: Any = brief.upstream["s1"].output
    return {"v": found["v"] + 1}


@specialist("echo")
async def echo(brief: Brief) -> str:
    return str(brief.task["title"]).upper()


def planner() -> Any:
    return create_planner(specialists=[first, second], checkpointer=InMemorySaver())


def finished() -> tuple[Any, dict[str, Any], list[Any]]:
    """Return a planner with a finished run, its result, and its checkpoints, newest first."""
    graph = planner()
    result = graph.invoke({"task": task(1)}, CONFIG)["result"]
    return graph, result, list(graph.get_state_history(CONFIG))


@pytest.mark.parametrize("as_node", [None, "__start__", *NODES])
def test_the_whole_state_with_another_task_is_a_new_run(as_node: str | None) -> None:
    """At every checkpoint and for any node: new results throughout, and the original's record stays as it was."""
    graph, result, history = finished()
    journal = graph.conductor.options.journal
    record = journal.events("t-1", run_id=result["run_id"]).result()
    for n, snapshot in enumerate(history, start=2):
        whole = {**snapshot.values, "task": {**snapshot.values.get("task", task(1)), "payload": {"x": n}}}
        made = graph.invoke(None, graph.update_state(snapshot.config, whole, as_node=as_node))["result"]
        assert made["answer"] == {"v": n * 10 + 1}, snapshot.next
        assert [entry["outputs"]["v"] for entry in made["subtasks"]] == [n * 10, n * 10 + 1]
        assert (made["task_id"], made["parent_run_id"]) == ("t-1", result["run_id"])
    assert journal.events("t-1", run_id=result["run_id"]).result() == record
    assert {row.state for row in journal.runs().result()} == {"success"}


@pytest.mark.parametrize("as_node", NODES)
def test_a_changed_task_starts_over_whatever_node_it_stands_for(as_node: str) -> None:
    """The task alone, for a node after intake, is planned and done anew."""
    graph, _, history = finished()
    for snapshot in history:
        made = graph.invoke(None, graph.update_state(snapshot.config, {"task": task(7)}, as_node=as_node))["result"]
        assert made["answer"] == {"v": 71}


def test_the_whole_state_with_another_plan_is_approved_and_run_anew() -> None:
    """The old run's records, which come along, are no findings of the new one."""
    graph, result, history = finished()
    for snapshot in history:
        if not snapshot.values.get("plan"):
            continue
        plan = {**snapshot.values["plan"], "answer": ["s1"]}
        made = graph.update_state(snapshot.config, {**snapshot.values, "plan": plan}, as_node="deliver")
        assert graph.get_state(made).next == ("approve",)
        assert graph.get_state(made).values["records"] == {}
        assert graph.invoke(None, made)["result"]["answer"] == {"v": 10}
    assert result["answer"] == {"v": 11}


def test_the_whole_state_unchanged_is_a_fork_as_it_stands() -> None:
    """Nothing starts over for it."""
    graph, result, history = finished()
    snapshot = next(one for one in history if one.next == ("synthesize",))
    made = graph.update_state(snapshot.config, dict(snapshot.values), as_node="review")
    again = graph.invoke(None, made)["result"]
    assert (again["answer"], again["parent_run_id"]) == ({"v": 11}, result["run_id"])


@pytest.mark.parametrize(
    ("leads_to", "as_node", "lacks"),
    [("plan", "approve", "plan"), ("approve", "dispatch", "dispatch"), ("approve", "first", "dispatch"),
     ("dispatch", "synthesize", "synthesis"), ("intake", "plan", "run")],
)  # fmt: skip
@pytest.mark.parametrize("values", [None, {"verdict": {}}])
def test_a_node_whose_successor_lacks_something_is_refused(
    leads_to: str, as_node: str, lacks: str, values: dict[str, Any] | None
) -> None:
    """The error says what is missing; nothing is written."""
    graph, _, history = finished()
    snapshot = next(one for one in history if one.next == (leads_to,))
    with pytest.raises(InputError, match=f"as_node: '{as_node}' refused: the state has no {lacks} yet"):
        graph.update_state(snapshot.config, values, as_node=as_node)
    assert len(list(graph.get_state_history(CONFIG))) == len(history)


def _chat() -> tuple[Any, list[Any]]:
    graph = create_planner(specialists=[echo], checkpointer=InMemorySaver())
    for said in ("first", "second"):
        graph.invoke({"messages": [HumanMessage(said)]}, CONFIG)
    return graph, list(graph.get_state_history(CONFIG))


def _texts(out: Any) -> list[str]:
    return [message.content for message in out["messages"]]


def test_a_replayed_turn_of_a_chat_answers_its_own_question() -> None:
    """At intake the thread still has the task of the turn before; what is asked is the newer message."""
    graph, history = _chat()
    for snapshot in history:
        if snapshot.next:
            said = (
                ["first", "FIRST", "second", "SECOND"]
                if snapshot.metadata["step"] >= history[0].metadata["step"] / 2
                else ["first", "FIRST"]
            )
            assert _texts(graph.invoke(None, snapshot.config)) == said, snapshot.next


def test_an_edited_question_is_asked_anew() -> None:
    """At every checkpoint that has one; the chat ends with it, and goes on with its answer."""
    graph, history = _chat()
    for snapshot in history:
        asked = [one for one in snapshot.values["messages"] if one.type == "human"]
        if not asked:
            continue
        edited = [HumanMessage("edited", id=asked[-1].id)]
        before = _texts(snapshot.values)[: 2 * len(asked) - 2]
        assert _texts(graph.invoke(None, graph.update_state(snapshot.config, {"messages": edited}))) == [
            *before,
            "edited",
            "EDITED",
        ]


def test_the_whole_state_with_an_edited_question_ends_the_chat_there() -> None:
    """What was answered to the old one is gone, also where messages come as a client has them."""
    graph, history = _chat()
    messages = [{"role": one.type, "content": one.content, "id": one.id} for one in history[0].values["messages"]]
    messages[2]["content"] = "edited"
    made = graph.update_state(history[0].config, {**history[0].values, "messages": messages}, as_node="deliver")
    assert _texts(graph.invoke(None, made)) == ["first", "FIRST", "edited", "EDITED"]


def test_a_node_that_is_not_there_is_refused_whatever_was_changed() -> None:
    """By LangGraph itself."""
    graph, _, history = finished()
    with pytest.raises(InvalidUpdateError, match="Node nope does not exist"):
        graph.update_state(history[0].config, {"task": task(2)}, as_node="nope")


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_checkpointer_needs_a_thread(is_sync: bool) -> None:
    """Its name is asked for before anything is recorded."""
    graph = planner()
    with pytest.raises(InputError, match=r"config\.configurable.thread_id: None refused: must name a thread"):
        graph.invoke({"task": task(1)}) if is_sync else await graph.ainvoke({"task": task(1)})
    assert graph.conductor.options.journal.runs().result() == []
    assert (await graph.conduct({"task": task(1)}))["result"]["status"] == "success"  # it takes no checkpoints


@pytest.mark.parametrize(
    "given", [Command(), Command(resume=None), Command(goto="deliver"), Command(update={"plan": {}})]
)
def test_a_command_without_an_answer_is_refused(given: Command[Any]) -> None:
    """It would be ignored, or end in an error of LangGraph's; the run goes on waiting."""
    graph = planner()
    plan = {"subtasks": [{"id": "s1", "specialist": "first", "gate": True}]}
    graph.invoke({"task": {**task(1), "plan": plan}}, CONFIG)
    with pytest.raises(InputError, match="must bring an answer"):
        graph.invoke(given, CONFIG)
    assert graph.invoke(Command(resume={"decision": "accept"}), CONFIG)["result"]["status"] == "success"
