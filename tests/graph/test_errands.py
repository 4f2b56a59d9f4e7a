"""What dispatch sends: a LangGraph task for each subtask where somebody follows them, else one for each specialist."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import ParentCommand
from langgraph.func import task as step
from langgraph.graph import START, StateGraph
from langgraph.runtime import get_runtime
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from concertino import Brief, specialist
from concertino.graph.dataflow.errands import side_by_side
from tests.graph.plans import beta, on, outputs, planner, states, subtask, task

WIDE = [*(subtask(f"a{at}", "alpha") for at in range(3)), subtask("b", "beta", "a0", "a2")]


async def sent(graph: Any, thread: str) -> list[str]:
    """Return the nodes that a thread's dispatch went to, a name for each LangGraph task."""
    return [
        pending.name
        async for state in graph.aget_state_history(on(thread))
        for pending in state.tasks
        if pending.name in ("alpha", "beta")
    ]


class Silent(AsyncCallbackHandler):
    """A tracer that keeps nothing."""


async def _streamed(graph: Any) -> None:
    async for _ in graph.astream(task("t", *WIDE), on("t")):
        pass


CALLERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "ainvoke": (lambda graph: graph.ainvoke(task("t", *WIDE), on("t")), 1),
    "invoke": (lambda graph: asyncio.to_thread(graph.invoke, task("t", *WIDE), on("t")), 1),
    "ainvoke for updates": (lambda graph: graph.ainvoke(task("t", *WIDE), on("t"), stream_mode="updates"), 3),
    "with callbacks": (lambda graph: graph.ainvoke(task("t", *WIDE), on("t", callbacks=[Silent()])), 3),
    "astream": (_streamed, 3),
}


@pytest.mark.parametrize("name", CALLERS)
async def test_who_follows_the_tasks_sees_one_for_each_subtask(name: str) -> None:
    """Whoever streams or traces sees each subtask end; whoever waits for the end pays for one task a specialist."""
    call, times = CALLERS[name]
    graph = planner(checkpointer=InMemorySaver())
    await call(graph)
    assert await sent(graph, "t") == ["alpha"] * times + ["beta"]
    result = (await graph.aget_state(on("t"))).values["result"]
    assert outputs(result) == {**{f"a{at}": {"alpha": 1} for at in range(3)}, "b": {"beta": [{"alpha": 1}] * 2}}


async def test_a_caller_inside_a_stream_is_followed() -> None:
    """A planner that is a node of a graph whose stream takes subgraphs sends each subtask on its own."""
    outer = StateGraph(Outer)
    outer.add_node("plan", planner())
    outer.add_edge(START, "plan")
    made: Any = outer.compile()
    updates = [
        name
        async for _, update in made.astream(task("t", *WIDE), on("t"), subgraphs=True, stream_mode="updates")
        for name in update
    ]
    assert updates.count("alpha") == 3


class Outer(TypedDict, total=False):
    task: dict[str, Any]
    result: dict[str, Any]


async def test_calls_of_tasks_are_never_given_to_another_subtask() -> None:
    """LangGraph keeps a `@task`'s result by the order of calls; after a resume each subtask gets its own."""
    called: list[str] = []
    reached, go_on = asyncio.Event(), asyncio.Event()

    @step
    async def fetched(what: str) -> str:
        called.append(what)
        return what

    @specialist("caller")
    async def caller(brief: Brief) -> list[str]:
        first = await fetched(f"{brief.subtask_id} 1")
        if brief.subtask_id == "slow" and not go_on.is_set():
            reached.set()
            await asyncio.Event().wait()
        return [first, await fetched(f"{brief.subtask_id} 2")]

    graph = planner(caller, checkpointer=InMemorySaver())
    given = task("t", subtask("quick", "caller"), subtask("slow", "caller", "quick"))
    running = asyncio.create_task(graph.ainvoke(given, on("t")))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    go_on.set()
    found = await graph.ainvoke(None, on("t"))
    assert outputs(found["result"]) == {"quick": ["quick 1", "quick 2"], "slow": ["slow 1", "slow 2"]}
    assert called == ["quick 1", "quick 2", "slow 1", "slow 2"], "what LangGraph has kept is not called again"


async def test_a_body_is_told_a_task_of_its_own() -> None:
    """What a specialist reads of its LangGraph task is no other subtask's."""
    seen: set[str] = set()

    @specialist("reader")
    async def reader(brief: Brief) -> str:
        info = get_runtime().execution_info
        assert info is not None
        seen.update((info.task_id, info.checkpoint_ns))
        return "read"

    await planner(reader).ainvoke(task("t", *(subtask(f"r{at}", "reader") for at in range(5))))
    assert len(seen) == 10


async def test_graphs_that_two_subtasks_call_keep_their_state_apart() -> None:
    """A graph without a checkpointer of its own uses the run's: under a name of the subtask's."""

    class Words(TypedDict, total=False):
        who: str
        said: str

    inner = StateGraph(Words)
    inner.add_node("ask", lambda state: {"said": f"{state['who']} {interrupt(state['who'])}"})
    inner.add_edge(START, "ask")
    asking = inner.compile()

    @specialist("asker")
    async def asker(brief: Brief) -> Any:
        return (await asking.ainvoke({"who": brief.subtask_id}))["said"]

    graph = planner(asker, checkpointer=InMemorySaver())
    out = await graph.ainvoke(task("t", subtask("a", "asker"), subtask("b", "asker")), on("t"))
    (question,) = out["__interrupt__"]
    answers = {gate["gate"]: f"hears {gate['details']['value']}" for gate in question.value["gates"]}
    assert len(answers) == 2
    out = await graph.ainvoke(Command(resume=answers), on("t"))
    assert outputs(out["result"]) == {"a": "a hears a", "b": "b hears b"}


async def test_control_flow_of_one_lets_the_others_end_first() -> None:
    """LangGraph's own control flow leaves the node once its other subtasks are over, and none of them is lost."""
    calls: list[str] = []

    @specialist("one")
    async def one(brief: Brief) -> str:
        calls.append(brief.subtask_id)
        if brief.subtask_id == "up" and calls.count("up") == 1:
            raise ParentCommand(Command(graph="nowhere"))
        await asyncio.sleep(0)
        return "done"

    graph = planner(one, checkpointer=InMemorySaver())
    given = task("t", *(subtask(name, "one") for name in ("a", "up", "b")))
    with pytest.raises(ParentCommand):
        await graph.ainvoke(given, on("t"))
    out = await graph.ainvoke(None, on("t"))
    assert states(out["result"]) == dict.fromkeys(("a", "up", "b"), "completed")
    assert sorted(calls) == ["a", "b", "up", "up"]


async def test_what_others_raise_while_they_are_stopped_is_reported_to_nobody() -> None:
    """The first error is the caller's; asyncio is not left with another one that nobody looked at."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: reported.append(about))
    begun = asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("second")

    async def failing() -> None:
        await begun.wait()
        raise LookupError("first")

    with pytest.raises(LookupError):
        await side_by_side([stubborn(), failing()])
    gc.collect()
    assert reported == []


async def test_a_stream_goes_on_with_what_a_silent_caller_began() -> None:
    """What was sent together stays together after a resume, whoever resumes it."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    @specialist("alpha")
    async def halting(brief: Brief) -> str:
        if brief.subtask_id == "a2" and not go_on.is_set():
            reached.set()
            await asyncio.Event().wait()
        return brief.subtask_id

    graph = planner(halting, beta, checkpointer=InMemorySaver())
    running = asyncio.create_task(graph.ainvoke(task("t", *WIDE), on("t")))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    go_on.set()
    chunks = [chunk async for chunk in graph.astream(None, on("t"), stream_mode="updates")]
    (records,) = [chunk["alpha"]["records"] for chunk in chunks if "alpha" in chunk]
    assert sorted(records) == ["a0", "a1", "a2"]


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_specialist_calls_tasks_from_whatever_loop_it_runs_on(is_sync: bool) -> None:
    """LangGraph's `@task` gives futures of the graph's loop; a coroutine of a synchronous caller runs on another."""

    @step
    async def fetched(what: str) -> str:
        return what

    @step
    def failed(what: str) -> str:
        raise ValueError(what)

    @specialist("waiter")
    async def waiter(brief: Brief) -> str:
        with pytest.raises(ValueError, match="no"):
            await failed("no")
        return await fetched("found")

    @specialist("blocker")
    def blocker(brief: Brief) -> str:
        return fetched("found").result()

    graph, given = planner(waiter, blocker), task("t", subtask("w", "waiter"), subtask("b", "blocker"))
    out = graph.invoke(given) if is_sync else await graph.ainvoke(given)
    assert outputs(out["result"]) == {"w": "found", "b": "found"}
