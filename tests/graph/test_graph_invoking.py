"""A planner is invoked as any other compiled graph is: config, callbacks, context, threads, loops."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.types import Command

from concertino import Brief, InputError, specialist
from tests.graph.plans import on, planner, states, subtask, task

BOTH = pytest.mark.parametrize("is_sync", [True, False])


async def _run(graph: Any, given: Any, config: Any = None, *, is_sync: bool, **kwargs: Any) -> Any:
    """Invoke; the synchronous face from inside a running loop, as a notebook does."""
    return graph.invoke(given, config, **kwargs) if is_sync else await graph.ainvoke(given, config, **kwargs)


class Seen(BaseCallbackHandler):
    """What callbacks were told."""

    run_inline = True

    def __init__(self) -> None:
        self.chains: list[tuple[str | None, list[str], dict[str, Any]]] = []
        self.models: list[tuple[list[str], dict[str, Any]]] = []

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, tags: Any = None, metadata: Any = None, **kw: Any
    ) -> None:
        self.chains.append((kw.get("name"), list(tags or ()), dict(metadata or {})))

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, tags: Any = None, metadata: Any = None, **kw: Any
    ) -> None:
        self.models.append((list(tags or ()), dict(metadata or {})))


@BOTH
async def test_batches_keep_their_order(is_sync: bool) -> None:
    """`batch` and `abatch` answer each input in its place."""
    graph, given = planner(), [task(f"b{number}") for number in range(5)]
    found = graph.batch(given) if is_sync else await graph.abatch(given)
    assert [out["result"]["task_id"] for out in found] == ["b0", "b1", "b2", "b3", "b4"]


@BOTH
async def test_one_broken_input_of_a_batch_breaks_no_other(is_sync: bool) -> None:
    """With `return_exceptions`, a refused task stands beside results."""
    graph, given = planner(), [task("good"), task("../../x")]
    found: list[Any] = (
        graph.batch(given, return_exceptions=True) if is_sync else await graph.abatch(given, return_exceptions=True)
    )
    assert found[0]["result"]["status"] == "success"
    assert isinstance(found[1], InputError)


@BOTH
async def test_max_concurrency_bounds_the_slots(is_sync: bool) -> None:
    """LangGraph's `max_concurrency` is how many subtasks run at once, also where it comes by `with_config`."""
    running, most = [0], [0]
    lock = threading.Lock()

    @specialist("counted")
    def counted(brief: Brief) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.002)
        with lock:
            running[0] -= 1
        return 1

    many = [subtask(f"s{number}", "counted") for number in range(12)]
    graph = planner(counted)
    await _run(graph, task("bounded", *many), {"max_concurrency": 2}, is_sync=is_sync)
    assert most[0] <= 2
    most[0] = 0
    await _run(graph.with_config(max_concurrency=1), task("by-with-config", *many), is_sync=is_sync)
    assert most[0] == 1


@BOTH
async def test_instances_that_wait_hold_no_slot(is_sync: bool) -> None:
    """One slot is enough for a chain whose instances all wait at the same time."""
    chain = [subtask("s0", "alpha"), *(subtask(f"s{n}", "alpha", f"s{n - 1}") for n in range(1, 20))]
    out = await _run(planner(), task("chain", *reversed(chain)), {"max_concurrency": 1}, is_sync=is_sync)
    assert set(states(out["result"]).values()) == {"completed"}


@BOTH
@pytest.mark.parametrize("slots", [0, -1, "four", 1.5])
async def test_an_impossible_max_concurrency_is_refused(is_sync: bool, slots: Any) -> None:
    """The config's slot count is checked like any other input, before anything is recorded."""
    graph = planner()
    with pytest.raises(InputError) as caught:
        await _run(graph, task("slots"), {"max_concurrency": slots}, is_sync=is_sync)
    assert caught.value.field == "config.max_concurrency"
    assert graph.conductor.options.journal.runs().result() == []


@BOTH
async def test_the_recursion_limit_is_langgraphs_own(is_sync: bool) -> None:
    """A recursion limit below the eight supersteps of a plain run ends it, and it can be resumed."""
    graph = planner()
    with pytest.raises(GraphRecursionError):
        await _run(graph, task("rec"), {"recursion_limit": 3}, is_sync=is_sync)
    assert graph.conductor.options.journal.latest("rec").result().owner is None


@BOTH
async def test_callbacks_tags_and_metadata_reach_specialists(is_sync: bool) -> None:
    """What a caller sets in the config arrives in models and Runnables called inside specialists, once."""
    model = GenericFakeChatModel(messages=iter([AIMessage("x") for _ in range(2)]))

    @specialist("asked")
    async def asked(brief: Brief) -> str:
        return str((await model.ainvoke("?")).content)

    @specialist("plain")
    def plain(brief: Brief) -> str:
        return str(model.invoke("?").content)

    def chain(given: Any) -> Any:
        return {"got": given["objective"]}

    graph = planner(asked, plain, RunnableLambda(chain, name="chain"))
    given = task("cb", subtask("a", "asked"), subtask("b", "plain"), subtask("c", "chain", objective="o"))
    seen = Seen()
    config = {"callbacks": [seen], "tags": ["mine"], "metadata": {"who": "me"}}
    await _run(graph, given, config, is_sync=is_sync)
    assert len(seen.models) == 2
    assert all(tags.count("mine") == 1 and metadata["who"] == "me" for tags, metadata in seen.models)
    names = [name for name, _, _ in seen.chains]
    assert (names.count("concertino"), names.count("asked")) == (1, 1)
    assert names.count("chain") == 2, "the node, and the Runnable in it"


@BOTH
async def test_configuration_bound_to_the_graph_holds(is_sync: bool) -> None:
    """`with_config` keeps the door: tags and callbacks arrive once, and runs are recorded."""
    seen = Seen()
    graph = planner().with_config(tags=["bound"], callbacks=[seen])
    out = await _run(graph, task("wc"), {"tags": ["called"]}, is_sync=is_sync)
    assert out["result"]["status"] == "success"
    named = [tags for name, tags, _ in seen.chains if name == "concertino"]
    assert [sorted(tags) for tags in named] == [["bound", "called"]]


@BOTH
async def test_a_runnable_gets_the_callers_own_configurables(is_sync: bool) -> None:
    """A Runnable specialist sees what the caller put under `configurable`."""
    given: list[Any] = []

    def look(_: Any, config: RunnableConfig) -> int:
        given.append((config.get("configurable") or {}).get("tenant"))
        return 1

    await _run(
        planner(RunnableLambda(look, name="look")),
        task("conf", subtask("a", "look")),
        {"configurable": {"tenant": "acme"}},
        is_sync=is_sync,
    )
    assert given == ["acme"]


@BOTH
async def test_the_callers_context_variables_are_visible_in_specialists(is_sync: bool) -> None:
    """Coroutines and plain functions see the context variables of whoever invoked the graph."""
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")

    @specialist("one")
    async def one(brief: Brief) -> str:
        return who.get()

    @specialist("two")
    def two(brief: Brief) -> str:
        return who.get()

    who.set("me")
    out = await _run(planner(one, two), task("cv", subtask("a", "one"), subtask("b", "two")), is_sync=is_sync)
    assert [entry["outputs"] for entry in out["result"]["subtasks"]] == ["me", "me"]


async def test_coroutines_run_on_their_callers_loop() -> None:
    """A specialist awaited through `ainvoke` shares its caller's event loop, so loop-bound clients work."""
    loops = []

    @specialist("one")
    async def one(brief: Brief) -> int:
        loops.append(asyncio.get_running_loop())
        return 1

    await planner(one).ainvoke(task("loop", subtask("a", "one")))
    assert loops == [asyncio.get_running_loop()]


async def test_many_runs_go_on_at_once() -> None:
    """Fifty concurrent invocations of one graph each get their own result."""
    graph = planner()
    found = await asyncio.gather(*(graph.ainvoke(task(f"c{number}")) for number in range(50)))
    assert [out["result"]["task_id"] for out in found] == [f"c{number}" for number in range(50)]


def test_threads_and_loops_share_one_graph() -> None:
    """`invoke` from several threads and `ainvoke` from several loops work on one graph at the same time."""
    graph = planner()

    def call(number: int) -> Any:
        if number % 2:
            return graph.invoke(task(f"t{number}"))
        return asyncio.run(graph.ainvoke(task(f"t{number}")))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(call, range(16)))
    assert [out["result"]["task_id"] for out in found] == [f"t{number}" for number in range(16)]


@BOTH
async def test_the_same_task_submitted_at_once_runs_once(is_sync: bool) -> None:
    """Concurrent submissions of one task make one run; everybody gets its result or its status."""
    calls: list[int] = []

    @specialist("one")
    async def one(brief: Brief) -> int:
        calls.append(1)
        await asyncio.sleep(0)
        return 1

    graph, given = planner(one), task("same", subtask("a", "one"))
    if is_sync:
        found = await asyncio.gather(*(asyncio.to_thread(graph.invoke, given) for _ in range(8)))
    else:
        found = await asyncio.gather(*(graph.ainvoke(given) for _ in range(8)))
    assert len(calls) == 1
    assert len({out["result"]["run_id"] for out in found}) == 1


@BOTH
async def test_a_context_configures_one_invocation(is_sync: bool) -> None:
    """`context` narrows the budget and asks for approval, for this run alone."""
    graph = planner()
    out = await _run(graph, task("ctx"), context={"tokens": 5, "concurrency": 1}, is_sync=is_sync)
    assert out["result"]["limits"] == {"tokens": 5}
    assert (await _run(graph, task("ctx2"), is_sync=is_sync))["result"]["limits"] == {}


@BOTH
async def test_the_thread_id_may_be_a_number(is_sync: bool) -> None:
    """LangGraph takes any thread id; the run is found again under it."""
    graph = planner(checkpointer=InMemorySaver())
    where = {"configurable": {"thread_id": 7}}
    parked = await _run(graph, task("num", subtask("a", "alpha", gate=True)), where, is_sync=is_sync)
    assert "__interrupt__" in parked
    out = await _run(graph, Command(resume="accept"), where, is_sync=is_sync)
    assert out["result"]["status"] == "success"


@BOTH
async def test_interrupts_before_and_after_nodes_are_langgraphs_own(is_sync: bool) -> None:
    """A debugging breakpoint stops the run, which goes on where it stood."""
    graph = planner(checkpointer=InMemorySaver())
    stopped = await _run(graph, task("brk"), on("brk"), is_sync=is_sync, interrupt_before=["synthesize"])
    assert not stopped.get("result")
    out = await _run(graph, None, on("brk"), is_sync=is_sync)
    assert out["result"]["status"] == "success"
