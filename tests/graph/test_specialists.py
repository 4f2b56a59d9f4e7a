"""What a specialist may be made of: functions, objects, Runnables, agents, compiled graphs, child processes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda, RunnableSequence
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict

from concertino import Brief, Budget, Finding, specialist
from tests.graph import isolated
from tests.graph.askers import says
from tests.graph.plans import on, outputs, planner, states, subtask, task

BOTH = pytest.mark.parametrize("is_sync", [True, False])


async def only(
    specialist_: Any, *, is_sync: bool, config: Any = None, graph: dict[str, Any] | None = None, **fields: Any
) -> Any:
    """Run a plan of one subtask `s` and return its entry in the result."""
    made = planner(specialist_, **(graph or {}))
    name = next(iter(made.conductor.options.specialists))
    given = task("t", subtask("s", name, **fields))
    out = made.invoke(given, config) if is_sync else await made.ainvoke(given, config)
    return out["result"]["subtasks"][0]


class AsyncObject:
    name = "object"

    async def __call__(self, brief: Brief) -> Any:
        return brief.objective


class PlainObject:
    name = "object"

    def __call__(self, brief: Brief) -> Any:
        return brief.objective


def _partial() -> Any:
    def body(brief: Brief, *, suffix: str) -> str:
        return brief.objective + suffix

    return specialist("partial")(functools.partial(body, suffix=""))


async def _shout(given: Any) -> Any:
    return given["objective"]


KINDS = {
    "async object": AsyncObject(),
    "plain object": PlainObject(),
    "partial": _partial(),
    "lambda": RunnableLambda(lambda given: given["objective"], name="runnable"),
    "async lambda": RunnableLambda(_shout, name="runnable"),
    "sequence": RunnableSequence(
        RunnableLambda(lambda given: given["objective"]), RunnableLambda(lambda text: text), name="sequence"
    ),
    "async sequence": RunnableSequence(RunnableLambda(_shout), RunnableLambda(lambda text: text), name="sequence"),
}


@BOTH
@pytest.mark.parametrize("kind", KINDS)
async def test_anything_that_can_be_called_is_a_specialist(kind: str, is_sync: bool) -> None:
    """Objects, partial functions and Runnables answer, under `invoke` also those that are coroutines only."""
    entry = await only(KINDS[kind], is_sync=is_sync, objective="hear")
    assert (entry["state"], entry["outputs"]) == ("completed", "hear")


@BOTH
async def test_a_runnable_gets_objective_inputs_and_upstream(is_sync: bool) -> None:
    """A Runnable's input has the objective, the inputs by name, and the outputs it builds on."""
    echo = RunnableLambda(lambda given: given, name="echo")
    graph = planner(RunnableLambda(lambda _: 7, name="first"), echo)
    given = task("t", subtask("f", "first"), subtask("e", "echo", "f", objective="o", inputs={"x": 1}))
    out = graph.invoke(given) if is_sync else await graph.ainvoke(given)
    assert outputs(out["result"])["e"] == {"objective": "o", "x": 1, "upstream": {"f": 7}}


class Ask(BaseModel):
    """What an agent is to answer with."""

    total: int


@BOTH
async def test_an_agent_answers_with_its_last_message(is_sync: bool) -> None:
    """A LangChain agent calls its tools and its last words are the output."""
    called = []

    def add(a: int, b: int) -> int:
        """Add."""
        called.append((a, b))
        return a + b

    call: Any = {"name": "add", "args": {"a": 2, "b": 3}, "id": "c1", "type": "tool_call"}
    agent = create_agent(says(AIMessage("", tool_calls=[call]), AIMessage("it is 5")), tools=[add], name="adder")
    entry = await only(agent, is_sync=is_sync, objective="2+3?")
    assert (entry["outputs"], called) == ("it is 5", [(2, 3)])


@BOTH
async def test_an_agent_answers_with_its_structured_response(is_sync: bool) -> None:
    """A response format goes before the last message."""
    call: Any = {"name": "Ask", "args": {"total": 5}, "id": "c1", "type": "tool_call"}
    agent = create_agent(says(AIMessage("", tool_calls=[call])), response_format=Ask, name="asker")
    entry = await only(agent, is_sync=is_sync, objective="2+3?")
    assert entry["outputs"] == {"total": 5}


@BOTH
async def test_an_agent_is_told_objective_inputs_and_findings(is_sync: bool) -> None:
    """An agent's one message carries the objective, and inputs and upstream findings marked as data."""

    def echo(state: MessagesState) -> Any:
        return {"messages": [AIMessage(state["messages"][-1].text)]}

    graph = StateGraph(MessagesState)
    graph.add_node("echo", echo)
    graph.add_edge(START, "echo")
    made = planner(graph.compile(name="echoer"), RunnableLambda(lambda _: {"v": 7}, name="first"))
    given = task("t", subtask("f", "first"), subtask("e", "echoer", "f", objective="look", inputs={"x": 1}))
    out = made.invoke(given) if is_sync else await made.ainvoke(given)
    said = outputs(out["result"])["e"]
    assert said.startswith("look\n")
    assert '"x": 1' in said
    assert '"v": 7' in said


class In(TypedDict, total=False):
    objective: str
    x: int
    doubled: int


class Out(TypedDict):
    doubled: int


@BOTH
@pytest.mark.parametrize("saver", [None, InMemorySaver()])
async def test_a_compiled_graph_gets_what_its_schema_asks_for(is_sync: bool, saver: Any) -> None:
    """A graph's input schema picks from inputs and objective; its output schema is the answer."""
    graph = StateGraph(In, output_schema=Out)
    graph.add_node("double", lambda state: {"doubled": state["x"] * 2})
    graph.add_edge(START, "double")
    graph.add_edge("double", END)
    options = {"checkpointer": saver}
    compiled = graph.compile(name="doubler")
    where = on(f"t{is_sync}{saver is None}")
    entry = await only(compiled, is_sync=is_sync, config=where, graph=options, objective="o", inputs={"x": 4, "y": 1})
    assert entry["outputs"] == {"doubled": 8}


@BOTH
async def test_a_graph_of_coroutines_works_for_synchronous_callers(is_sync: bool) -> None:
    """Nodes that are coroutines only run on a loop of ours when the planner is invoked synchronously."""

    async def double(state: In) -> Any:
        return {"doubled": state["x"] * 2}

    graph = StateGraph(In, output_schema=Out)
    graph.add_node("double", double)
    graph.add_edge(START, "double")
    entry = await only(graph.compile(name="doubler"), is_sync=is_sync, inputs={"x": 4})
    assert entry["outputs"] == {"doubled": 8}


def test_synchronous_callers_may_use_langgraphs_sqlite_saver(tmp_path: Path) -> None:
    """`invoke` works with `SqliteSaver`, nested graphs included."""
    graph = StateGraph(In, output_schema=Out)
    graph.add_node("double", lambda state: {"doubled": state["x"] * 2})
    graph.add_edge(START, "double")
    with SqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
        made = planner(graph.compile(name="doubler"), checkpointer=saver)
        out = made.invoke(task("t", subtask("s", "doubler", inputs={"x": 1}, gate=True)), on("t"))
        assert "__interrupt__" in out
        assert made.get_state(on("t")).next == ("approve",)


async def test_asynchronous_callers_may_use_langgraphs_sqlite_saver(tmp_path: Path) -> None:
    """`ainvoke` works with `AsyncSqliteSaver`, nested graphs included."""
    graph = StateGraph(In, output_schema=Out)
    graph.add_node("double", lambda state: {"doubled": state["x"] * 2})
    graph.add_edge(START, "double")
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
        made = planner(graph.compile(name="doubler"), checkpointer=saver)
        out = await made.ainvoke(task("t", subtask("s", "doubler", inputs={"x": 1})), on("t"))
        assert outputs(out["result"]) == {"s": {"doubled": 2}}
        assert (await made.aget_state(on("t"))).values["result"]["status"] == "success"


@BOTH
async def test_a_function_may_call_an_agent_itself(is_sync: bool) -> None:
    """A specialist that invokes an agent without handing a config on gets its answer, on each of its attempts."""
    agent: Any = create_agent(says(AIMessage("one"), AIMessage("two")), name="inner")

    @specialist("caller")
    async def caller(brief: Brief) -> Any:
        said = (await agent.ainvoke({"messages": [("user", "?")]}))["messages"]
        if brief.attempt == 1:
            raise ConnectionError("try again")
        return [message.text for message in said]

    options = {"checkpointer": InMemorySaver()}
    entry = await only(caller, is_sync=is_sync, config=on("t"), graph=options)
    assert (entry["attempts"], entry["outputs"]) == (2, ["?", "two"])


def _add(a: int, b: int) -> int:
    return a + b


@BOTH
async def test_a_child_process_spends_and_calls_tools_through_its_parent(is_sync: bool) -> None:
    """With `isolation="process"`, `brief.tools` and `brief.spend` are the parent's, and the limits hold."""
    options = {"tools": {"add": _add}, "budget": Budget(tokens=100, calls=10)}
    graph = planner(isolated.spender, **options)
    given = task("t", subtask("s", "spender", inputs={"tokens": 60}))
    out = graph.invoke(given) if is_sync else await graph.ainvoke(given)
    entry = out["result"]["subtasks"][0]
    assert entry["outputs"]["sum"] == 5
    assert entry["outputs"]["pid"] != isolated.PID
    assert out["result"]["usage"]["tokens"] == 60
    assert out["result"]["usage"]["calls"] == 1


@BOTH
async def test_a_child_process_cannot_overspend(is_sync: bool) -> None:
    """A child's spending over the limit raises in the child and fails the subtask with the reason."""
    graph = planner(isolated.spender, tools={"add": _add}, budget=Budget(tokens=50))
    given = task("t", subtask("s", "spender", inputs={"tokens": 60}))
    out = graph.invoke(given) if is_sync else await graph.ainvoke(given)
    assert states(out["result"]) == {"s": "failed"}
    assert out["result"]["subtasks"][0]["error"]["type"] == "BudgetExceeded"
    assert out["result"]["usage"]["tokens"] == 0


@BOTH
async def test_upstream_findings_go_by_id(is_sync: bool) -> None:
    """`brief.upstream` has whole findings; references in inputs are replaced by what they refer to."""

    @specialist("source")
    def source(brief: Brief) -> Finding:
        return Finding(output={"deep": {"v": 5}}, confidence=0.5)

    @specialist("reader")
    async def reader(brief: Brief) -> Any:
        return [brief.upstream["s"].confidence, brief.inputs]

    inputs = {"whole": {"$from": "s", "path": "deep"}, "path": "${s.deep.v}"}
    graph = planner(source, reader)
    given = task("t", subtask("s", "source"), subtask("r", "reader", inputs=inputs))
    out = graph.invoke(given) if is_sync else await graph.ainvoke(given)
    assert outputs(out["result"])["r"] == [0.5, {"whole": {"v": 5}, "path": 5}]


MODELS: dict[str, Any] = {
    "model": lambda model: model,
    "bound": lambda model: model.bind(stop=["x"]),
    "retrying": lambda model: model.with_retry(),
    "sequence": lambda model: model | StrOutputParser(),
}


@BOTH
@pytest.mark.parametrize("kind", MODELS)
async def test_a_chat_model_gets_one_message(kind: str, is_sync: bool) -> None:
    """A model that stands for itself is asked with objective, inputs and findings as text, and its text is the answer."""
    seen: list[Any] = []

    class Model(GenericFakeChatModel):
        def _generate(self, messages: list[Any], *args: Any, **kwargs: Any) -> Any:
            seen.extend(messages)
            return super()._generate(messages, *args, **kwargs)

    model = specialist("model")(MODELS[kind](Model(messages=iter([AIMessage("hello")]))))
    entry = await only(model, is_sync=is_sync, objective="greet", inputs={"whom": "you"})
    assert (entry["state"], entry["outputs"]) == ("completed", "hello")
    assert len(seen) == 1
    assert seen[0].content.startswith("greet\n\n")
    assert '"whom": "you"' in seen[0].content
