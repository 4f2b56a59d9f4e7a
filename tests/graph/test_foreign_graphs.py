"""Compiled graphs and agents as specialists: what they say, where they stop, what they write to the stream."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain.agents import AgentState, create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from concertino import Planner, specialist
from concertino.graph.dataflow.bodies import Raised, finish
from concertino.graph.dataflow.nested import Asked, start_graph
from concertino.graph.runs.entry import CHECKPOINTER, ENTRY, Entry
from concertino.nodes.specialists.brief import Assignment
from tests.graph.plans import on, outputs, planner, states, subtask, task

ACCEPT: Any = Command(resume={"decision": "accept"})
either = pytest.mark.parametrize("is_sync", [True, False])


class Sum(TypedDict, total=False):
    x: int
    y: int
    z: int


class Shown(TypedDict, total=False):
    z: int


class Customer(AgentState):
    user_id: str


class Spoken(MessagesState):
    risk: float


class Speaker(GenericFakeChatModel):
    """A model that takes tools and calls what it was told to."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def _sum(**compiled: Any) -> Any:
    graph = StateGraph(Sum, output_schema=compiled.pop("shown", Sum))
    graph.add_node("add", lambda state: {"y": state["x"] + 1})
    graph.add_node("times", lambda state: {"z": state["y"] * 10})
    graph.add_edge(START, "add")
    graph.add_edge("add", "times")
    return graph.compile(name="sum", **compiled)


def _deep(**compiled: Any) -> Any:
    graph = StateGraph(Sum)
    graph.add_node("below", _sum(**compiled))
    graph.add_edge(START, "below")
    return graph.compile(name="sum")


@tool
def look(x: int) -> int:
    """Look something up, and say so."""
    get_stream_writer()({"looked_at": x})
    return x


def _agent() -> Any:
    calls = AIMessage("", tool_calls=[{"name": "look", "args": {"x": 1}, "id": "1"}])
    model = Speaker(messages=iter([calls, AIMessage("it is 43")]))
    return create_agent(model, [look], state_schema=Customer, name="agent")


async def _run(graph: Any, given: Any, config: Any, *, is_sync: bool) -> Any:
    return graph.invoke(given, config) if is_sync else await graph.ainvoke(given, config)


@either
async def test_an_agent_with_state_of_its_own_answers_with_its_last_message(is_sync: bool) -> None:
    """What else is in its state (who asks, a list of things to do) is not its answer."""
    given = task("t", subtask("a", "agent", inputs={"user_id": "u-1"}))
    assert outputs((await _run(planner(_agent()), given, None, is_sync=is_sync))["result"]) == {"a": "it is 43"}


@either
async def test_a_graph_that_speaks_and_finds_loses_neither(is_sync: bool) -> None:
    """Its last message stands beside the rest of its output."""
    graph = StateGraph(Spoken)
    graph.add_node("work", lambda _: {"risk": 0.2, "messages": [AIMessage("hardly any")]})
    graph.add_edge(START, "work")
    out = await _run(planner(graph.compile(name="spoken")), task("t", subtask("a", "spoken")), None, is_sync=is_sync)
    assert outputs(out["result"]) == {"a": {"risk": 0.2, "messages": "hardly any"}}


@either
@pytest.mark.parametrize(
    ("made", "where", "asked"),
    [
        (_sum, {"interrupt_before": ["times"]}, ["Go on with times?"]),
        (_sum, {"interrupt_after": ["add"]}, ["Go on with times?"]),
        (_sum, {"interrupt_before": "*"}, ["Go on with add?", "Go on with times?"]),
        (_deep, {"interrupt_before": "*"}, ["Go on with below?", "Go on with below?"]),
    ],
)
async def test_a_graphs_own_breakpoints_are_gates(made: Any, where: Any, asked: list[str], is_sync: bool) -> None:
    """Each is asked once, and the graph goes to its end only then."""
    graph, config = planner(made(**where), checkpointer=InMemorySaver()), on("t")
    out = await _run(graph, task("t", subtask("a", "sum", inputs={"x": 4})), config, is_sync=is_sync)
    for n, question in enumerate(asked, start=1):
        (interrupt,) = out["__interrupt__"]
        assert (interrupt.value["gate"], interrupt.value["question"]) == (f"a.q{n}", question)
        out = await _run(graph, ACCEPT, config, is_sync=is_sync)
    assert outputs(out["result"]) == {"a": {"x": 4, "y": 5, "z": 50}}


@either
async def test_a_breakpoint_is_edited_or_rejected(is_sync: bool) -> None:
    """An edit changes the graph's state; a rejection ends it there."""
    for answer, ended in (({"decision": "edit", "inputs": {"y": 7}}, {"x": 4, "y": 7, "z": 70}), ("reject", None)):
        graph, config = planner(_sum(interrupt_before=["times"]), checkpointer=InMemorySaver()), on("t")
        await _run(graph, task("t", subtask("a", "sum", inputs={"x": 4})), config, is_sync=is_sync)
        result = (await _run(graph, Command(resume=answer), config, is_sync=is_sync))["result"]
        assert (outputs(result), states(result)["a"]) == ({"a": ended}, "completed" if ended else "skipped")


def test_a_breakpoint_waits_over_a_restart_of_the_process(tmp_path: Any) -> None:
    """It is answered to another planner on the same database, and what was done before it is not done again."""
    database = f"sqlite:///{tmp_path / 'c.db'}"
    with Planner(specialists=[_sum(interrupt_before=["times"])], database=database) as first:
        first.run(task("t", subtask("a", "sum", inputs={"x": 4}))["task"])
    with Planner(specialists=[_sum(interrupt_before=["times"])], database=database) as second:
        second.answer("t", "a.q1", {"decision": "accept"})
        assert outputs(second.resume("t")) == {"a": {"x": 4, "y": 5, "z": 50}}


@either
async def test_a_graph_compiled_without_checkpoints_runs(is_sync: bool) -> None:
    """`checkpointer=False` is its own wish; the planner keeps its place all the same."""
    given = task("t", subtask("a", "sum", inputs={"x": 4}))
    out = await _run(planner(_sum(checkpointer=False)), given, None, is_sync=is_sync)
    assert outputs(out["result"]) == {"a": {"x": 4, "y": 5, "z": 50}}


@either
async def test_a_function_of_the_functional_api_gets_the_whole_assignment(is_sync: bool) -> None:
    """One that takes a text gets the objective."""

    def untyped(given: Any) -> Any:
        return {"got": sorted(given)}

    def typed(given: str) -> Any:
        return given.split("\n")[0]

    bodies = [specialist("untyped")(entrypoint()(untyped)), specialist("typed")(entrypoint()(typed))]
    subtasks = [subtask(name, name, inputs={"x": 4}, objective="do it") for name in ("untyped", "typed")]
    out = await _run(planner(*bodies), task("t", *subtasks), None, is_sync=is_sync)
    assert outputs(out["result"]) == {"untyped": {"got": ["objective", "upstream", "x"]}, "typed": "do it"}


@either
async def test_what_a_graph_writes_to_its_stream_reaches_the_runs(is_sync: bool) -> None:
    """A tool of an agent, in the planner's `custom` mode; the answer is the same."""
    graph, given = planner(_agent()), task("t", subtask("a", "agent"))
    modes = ["custom", "values"]
    chunks = (
        list(graph.stream(given, stream_mode=modes))
        if is_sync
        else [chunk async for chunk in graph.astream(given, stream_mode=modes)]
    )
    assert {"looked_at": 1} in [chunk for mode, chunk in chunks if mode == "custom"]
    assert outputs(chunks[-1][1]["result"]) == {"a": "it is 43"}


@either
async def test_a_listened_graph_still_asks(is_sync: bool) -> None:
    """Its question is heard and answered while somebody takes the `custom` stream."""
    graph, config = planner(_sum(interrupt_before=["times"]), checkpointer=InMemorySaver()), on("t")
    for given in (task("t", subtask("a", "sum", inputs={"x": 4})), ACCEPT):
        if is_sync:
            list(graph.stream(given, config, stream_mode="custom"))
        else:
            async for _ in graph.astream(given, config, stream_mode="custom"):
                pass
    assert outputs(graph.get_state(config).values["result"]) == {"a": {"x": 4, "y": 5, "z": 50}}


async def test_a_graph_that_had_ended_before_a_crash_gives_the_same_answer() -> None:
    """The state that it ended in has more than its output shows."""
    saver = InMemorySaver()
    for _ in range(2):
        assert await finish(_started(_sum(shown=Shown), saver, is_sync=False), timeout_s=5) == {"z": 50}


def _started(graph: Any, saver: Any, *, is_sync: bool) -> Any:
    """Return the work of a specialist's graph on a thread of `saver`, where nobody answers."""
    facts = Assignment("t", "r", "a", 1, objective="", inputs={"x": 4}, upstream={}, task={}, deadline=None)
    config: Any = {"configurable": {ENTRY: Entry(is_watched=False), CHECKPOINTER: saver}}
    return start_graph(graph, facts, config=config, is_sync=is_sync, thread_id="th", answer=lambda _: None)


@either
@pytest.mark.parametrize("made", [_sum, _deep])
async def test_a_breakpoint_that_nobody_heard_of_is_asked_again(made: Any, is_sync: bool) -> None:
    """A process that died before its question was on record has not been told to go on."""
    saver = InMemorySaver()
    for _ in range(2):
        work = _started(made(interrupt_before=["times"]), saver, is_sync=is_sync)
        assert isinstance(await finish(work, timeout_s=5), Asked)


@either
async def test_a_graph_that_died_elsewhere_asks_at_its_breakpoint_only(is_sync: bool) -> None:
    """Where its process died, people are asked nothing."""
    reached, saver = threading.Event(), InMemorySaver()

    def add(state: Any) -> Any:
        if not reached.is_set():
            reached.set()
            raise SystemExit  # no end of an attempt: LangGraph keeps nothing of it
        return {"y": state["x"] + 1}

    graph = StateGraph(Sum)
    graph.add_node("add", add)
    graph.add_node("times", lambda state: {"z": state["y"] * 10})
    graph.add_edge(START, "add")
    graph.add_edge("add", "times")
    made = graph.compile(name="sum", interrupt_before=["times"])
    assert isinstance(await finish(_started(made, saver, is_sync=is_sync), timeout_s=5), Raised)
    asked = await finish(_started(made, saver, is_sync=is_sync), timeout_s=5)
    assert [one.value["next"] for one in asked.interrupts] == [["times"]]


@either
async def test_what_a_node_found_before_its_process_died_is_no_end(is_sync: bool) -> None:
    """LangGraph has kept what the node wrote and no checkpoint after it; the graph goes on from there."""
    saver = InMemorySaver()
    graph = _sum(interrupt_before=["add"], checkpointer=saver)
    assert isinstance(await finish(_started(graph, saver, is_sync=is_sync), timeout_s=5), Asked)
    standing = graph.get_state({"configurable": {"thread_id": "th"}})
    saver.put_writes(standing.config, [("y", 5), ("branch:to:times", None)], standing.tasks[0].id)
    assert await finish(_started(graph, saver, is_sync=is_sync), timeout_s=5) == {"x": 4, "y": 5, "z": 50}


@either
async def test_an_edit_changes_the_graph_inside_that_stopped(is_sync: bool) -> None:
    """People are asked about its state, not about that of the graph around it."""
    graph, config = planner(_deep(interrupt_before=["times"]), checkpointer=InMemorySaver()), on("t")
    await _run(graph, task("t", subtask("a", "sum", inputs={"x": 4})), config, is_sync=is_sync)
    edit: Any = Command(resume={"decision": "edit", "inputs": {"y": 7}})
    result = (await _run(graph, edit, config, is_sync=is_sync))["result"]
    assert outputs(result) == {"a": {"x": 4, "y": 7, "z": 70}}


class Counted(TypedDict, total=False):
    messages: int


def test_messages_that_are_no_chat_are_an_output_like_any_other() -> None:
    """A graph may count its messages."""
    graph = StateGraph(Counted)
    graph.add_node("count", lambda _: {"messages": 3})
    graph.add_edge(START, "count")
    out = planner(graph.compile(name="counter")).invoke(task("t", subtask("a", "counter", inputs={"messages": 1})))
    assert outputs(out["result"]) == {"a": {"messages": 3}}
