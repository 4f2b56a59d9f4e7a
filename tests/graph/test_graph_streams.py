"""A planner streams as any other compiled graph does, in every mode."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.types import Overwrite

from concertino import Brief, specialist
from tests.graph.plans import alpha, beta, on, planner, subtask, task

NODES = ["intake", "plan", "approve", "dispatch", "alpha", "beta", "review", "synthesize", "deliver"]


def _replaced(value: Any) -> Any:
    if isinstance(value, Overwrite):
        return value.value
    raise TypeError(f"{type(value).__name__} is not JSON")


async def _chunks(graph: Any, given: Any, config: Any, *, is_sync: bool, **kwargs: Any) -> list[Any]:
    if is_sync:
        return list(graph.stream(given, config, **kwargs))
    return [chunk async for chunk in graph.astream(given, config, **kwargs)]


@pytest.mark.parametrize("is_sync", [True, False])
@pytest.mark.parametrize("saver", [None, InMemorySaver()])
async def test_updates_come_from_each_node_in_order(is_sync: bool, saver: Any) -> None:
    """The `updates` mode shows every node of the way through once."""
    graph = planner(checkpointer=saver)
    chunks = await _chunks(graph, task(f"u{is_sync}"), on(f"u{is_sync}"), is_sync=is_sync, stream_mode="updates")
    assert [next(iter(chunk)) for chunk in chunks] == NODES


@pytest.mark.parametrize("is_sync", [True, False])
async def test_values_end_with_the_result(is_sync: bool) -> None:
    """The last chunk of the `values` mode holds the result."""
    chunks = await _chunks(planner(), task("v"), None, is_sync=is_sync, stream_mode="values")
    assert chunks[-1]["result"]["status"] == "success"


@pytest.mark.parametrize("is_sync", [True, False])
@pytest.mark.parametrize("mode", ["checkpoints", "debug", "tasks"])
@pytest.mark.parametrize("subgraphs", [True, False])
async def test_what_is_streamed_is_json(is_sync: bool, mode: Any, subgraphs: bool) -> None:
    """A server can send the `checkpoints`, `debug` and `tasks` modes to clients as they are."""
    graph = planner(checkpointer=InMemorySaver())
    chunks = await _chunks(graph, task("j"), on("j"), is_sync=is_sync, stream_mode=mode, subgraphs=subgraphs)
    assert chunks
    json.dumps(chunks, default=_replaced)


@pytest.mark.parametrize("is_sync", [True, False])
async def test_several_modes_come_together(is_sync: bool) -> None:
    """A list of modes labels each chunk, and version 2 makes objects of them."""
    modes = ["updates", "custom", "tasks"]
    pairs = await _chunks(planner(), task("m"), None, is_sync=is_sync, stream_mode=modes)
    assert {mode for mode, _ in pairs} == set(modes)
    parts = await _chunks(planner(), task("m"), None, is_sync=is_sync, stream_mode=modes, version="v2")
    assert {part["type"] for part in parts} == set(modes)
    assert [part["data"] for part in parts if part["type"] == "custom"][-1]["type"] == "RUN_COMPLETED"


@pytest.mark.parametrize("is_sync", [True, False])
async def test_the_custom_stream_is_the_journal_as_it_grows(is_sync: bool) -> None:
    """The `custom` mode carries every event of the run in document 004's form, in the journal's order."""
    graph = planner()
    chunks = await _chunks(graph, task("c"), None, is_sync=is_sync, stream_mode="custom")
    kept = graph.conductor.options.journal.events("c").result()
    assert [chunk["type"] for chunk in chunks] == [event.type for event in kept]
    for chunk in chunks:
        assert {"agent_id", "task_id", "message_type", "payload", "confidence", "timestamp"} <= set(chunk)
        assert chunk["message_type"] in ("TASK", "RESULT", "ERROR", "STATUS")


@pytest.mark.parametrize("is_sync", [True, False])
async def test_specialists_write_to_the_stream(is_sync: bool) -> None:
    """LangGraph's stream writer works in coroutines and plain functions alike, under both kinds of callers."""

    @specialist("one")
    async def one(brief: Brief) -> int:
        get_stream_writer()({"said": brief.subtask_id})
        return 1

    @specialist("two")
    def two(brief: Brief) -> int:
        get_stream_writer()({"said": brief.subtask_id})
        return 2

    graph = planner(one, two)
    given = task("w", subtask("a", "one"), subtask("b", "two"))
    chunks = await _chunks(graph, given, None, is_sync=is_sync, stream_mode="custom")
    assert {chunk["said"] for chunk in chunks if "said" in chunk} == {"a", "b"}


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_model_called_inside_a_specialist_streams_its_tokens(is_sync: bool) -> None:
    """The `messages` mode sees chat models that specialists call without handing a config on."""
    said = GenericFakeChatModel(messages=iter([AIMessage("well done"), AIMessage("so well")]))

    @specialist("one")
    async def one(brief: Brief) -> Any:
        return (await said.ainvoke("?")).content

    @specialist("two")
    def two(brief: Brief) -> Any:
        return said.invoke("?").content

    given = task("t", subtask("a", "one"), subtask("b", "two", "a"))
    chunks = await _chunks(planner(one, two), given, None, is_sync=is_sync, stream_mode="messages")
    assert "".join(message.content for message, about in chunks if about["langgraph_node"] == "one") == "well done"
    assert "".join(message.content for message, about in chunks if about["langgraph_node"] == "two") == "so well"


async def test_event_streams_show_nodes_and_end() -> None:
    """`astream_events` version 2 names our nodes and ends with the graph's own end."""
    events = [event async for event in planner().astream_events(task("e"), version="v2")]
    started = [event["name"] for event in events if event["event"] == "on_chain_start"]
    assert set(NODES) <= set(started)
    assert events[-1]["event"] == "on_chain_end"
    assert events[-1]["data"]["output"]["result"]["status"] == "success"


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
async def test_the_newest_event_streams_work() -> None:
    """Version 3 of LangGraph's event streams gives the output, sync and async."""
    run = planner().stream_events(task("e3"), version="v3")
    assert run.output["result"]["status"] == "success"
    arun = await planner().astream_events(task("e3"), version="v3")
    assert (await arun.output())["result"]["status"] == "success"


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_stream_given_up_lets_the_run_go(is_sync: bool) -> None:
    """Closing a stream early frees the run's lease, and the run can be taken up again."""
    graph = planner(alpha, beta, checkpointer=InMemorySaver())
    if is_sync:
        stream = graph.stream(task("g"), on("g"))
        next(stream)
        stream.close()
    else:
        astream = graph.astream(task("g"), on("g"))
        await anext(astream)
        await astream.aclose()
    row = graph.conductor.options.journal.latest("g").result()
    assert row.owner is None
    out = await graph.ainvoke(None, on("g"))
    assert out["result"]["status"] == "success"
