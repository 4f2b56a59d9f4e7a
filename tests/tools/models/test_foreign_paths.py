"""Every way in which LangChain code calls a model passes the guard, whatever it does to its callbacks."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.runnables.config import ContextThreadPoolExecutor
from langgraph.graph import START, MessagesState, StateGraph

from concertino.contracts.errors import BudgetExceeded, DeadlineExceeded, InputError, SetupError
from concertino.tools.models.foreign import ForeignGuard, bind, guarding
from tests.loopback.openai_server import OpenAIServer, Say
from tests.tools.models.foreign_world import Capped, World, chat

SAID = Say("well", input_tokens=10, output_tokens=5)
ASKED: Any = {"messages": [{"role": "user", "content": "hello"}]}


def nested(model: Any) -> Any:
    """Return a graph around a graph around an agent."""
    inner = StateGraph(MessagesState)
    inner.add_node("agent", create_agent(model))
    inner.add_edge(START, "agent")
    outer = StateGraph(MessagesState)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    return outer.compile()


async def events(model: Any) -> None:
    async for _ in create_agent(model).astream_events(ASKED, version="v2"):
        pass


async def stream(model: Any) -> None:
    async for _ in model.astream("hello"):
        pass


async def typed_stream(model: Any) -> None:
    made = await model.astream_events("hello", version="v3")
    async for _ in made:
        pass
    await asyncio.sleep(0.01)  # its producer tells of the end after its reader has seen it


WAYS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "ainvoke": (lambda model: model.ainvoke("hello"), 1),
    "agent": (lambda model: create_agent(model).ainvoke(ASKED), 1),
    "nested graphs": (lambda model: nested(model).ainvoke(ASKED), 1),
    "chain": (lambda model: (RunnableLambda(lambda text: text) | model | (lambda said: said.text)).ainvoke("hello"), 1),
    "parallel": (lambda model: RunnableParallel(a=model, b=model).ainvoke("hello"), 2),
    "abatch": (lambda model: model.abatch(["one", "two", "three"]), 3),
    "agenerate": (lambda model: model.agenerate([[HumanMessage("one")], [HumanMessage("two")]]), 2),
    "astream": (stream, 1),
    "astream_events": (events, 1),
    "typed stream": (typed_stream, 1),
    "no callbacks": (lambda model: model.ainvoke("hello", config={"callbacks": []}), 1),
    "other callbacks": (lambda model: model.ainvoke("hello", config={"callbacks": [BaseCallbackHandler()]}), 1),
    "agent without callbacks": (lambda model: create_agent(model).ainvoke(ASKED, config={"callbacks": []}), 1),
    "bound tools": (lambda model: model.bind_tools([_tool()]).ainvoke("hello"), 1),
    "another task": (lambda model: asyncio.create_task(model.ainvoke("hello")), 1),
    "invoke in a thread": (lambda model: asyncio.to_thread(model.invoke, "hello"), 1),
    "stream in a thread": (lambda model: asyncio.to_thread(lambda: list(model.stream("hello"))), 1),
    "batch in threads": (lambda model: asyncio.to_thread(model.batch, ["one", "two", "three"]), 3),
    "generate in a thread": (
        lambda model: asyncio.to_thread(model.generate, [[HumanMessage("one")], [HumanMessage("two")]]),
        2,
    ),
    "agent in a thread": (lambda model: asyncio.to_thread(create_agent(model).invoke, ASKED), 1),
}


def _tool() -> dict[str, Any]:
    return {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}


# LangChain's own: what its beta and the provider's missing details of a usage make it warn of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Unexpected type for token usage"),
    pytest.mark.filterwarnings("ignore:.*is in beta"),
]


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_is_settled_by_its_usage(way: str) -> None:
    """Each request is reserved and settled by what the provider reports, once."""
    call, requests = WAYS[way]
    with OpenAIServer(SAID) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign()):
            await call(chat(server, stream_usage=True))
        assert server.billed.calls == requests
        assert server.billed.tokens == 15 * requests
    usage = world.ledger.usage()
    assert (usage.calls, usage.tokens) == (requests, 15 * requests)
    assert world.is_settled()
    assert world.outcomes() == ["ok"] * requests


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_is_refused_before_the_request_leaves(way: str) -> None:
    """With no budget left, nothing reaches the provider."""
    with OpenAIServer(SAID) as server:
        world = World(tokens=20)
        with pytest.raises(BudgetExceeded), guarding(world.foreign()):
            await WAYS[way][0](chat(server))
        assert server.requests == []
    assert world.ledger.usage().tokens == 0
    assert world.is_settled()


async def test_a_blocking_call_on_a_loop_takes_what_is_there() -> None:
    """It cannot wait: it is made where it fits at once, and refused with advice where others hold the budget."""
    with OpenAIServer(SAID) as server:
        world = World(tokens=300)
        model = chat(server)
        with guarding(world.foreign()):
            assert model.invoke("hello").text == "well"
            held = world.ledger.account(("work", "other")).reserve(
                world.ledger.account(("work",)).load()._replace(tokens=250), key="other"
            )
            with pytest.raises(InputError, match="ainvoke"):
                model.invoke("hello again")
            held.refund()
            assert len(list(model.stream("hello again"))) > 1
        assert server.billed.calls == 2
    assert world.is_settled()


async def test_langchains_own_thread_pool_keeps_the_guard() -> None:
    """Its executor copies the context."""
    with OpenAIServer(SAID) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign()), ContextThreadPoolExecutor(2) as pool:
            list(pool.map(chat(server).invoke, ["one", "two"]))
    assert world.ledger.usage().calls == 2


async def test_legacy_models_are_held() -> None:
    """Models of texts are told of by another callback; without a usage they are charged in full."""
    world = World(tokens=100_000)
    with guarding(world.foreign(allow_uncapped=True)):
        assert await FakeListLLM(responses=["a", "b"]).ainvoke("hello") == "a"
    assert world.ledger.usage().calls == 1
    assert world.ledger.usage().tokens > 4_000
    with pytest.raises(BudgetExceeded), guarding(World(tokens=20).foreign(allow_uncapped=True)):
        await FakeListLLM(responses=["a"]).ainvoke("hello")


async def test_two_guards_hold_one_call() -> None:
    """A planner inside a specialist of another: the call is charged in both ledgers."""
    with OpenAIServer(SAID) as server:
        outer, inner = World(tokens=100_000), World(tokens=100_000)
        with guarding(outer.foreign()):
            model = RunnableLambda(_within(inner.foreign(), chat(server)))
            await model.ainvoke("hello")
        assert server.billed.calls == 1
    assert outer.ledger.usage().tokens == inner.ledger.usage().tokens == 15


def _within(foreign: ForeignGuard, model: Any) -> Any:
    async def call(text: str) -> Any:
        with guarding(foreign):
            return await model.ainvoke(text)

    return call


async def test_a_context_can_be_bound() -> None:
    """Where the body runs in a context of its own, that is bound, and closed by whoever made it."""
    world = World(tokens=100_000)
    foreign, context = world.foreign(), contextvars.copy_context()
    context.run(bind, foreign)
    await asyncio.get_running_loop().create_task(Capped(responses=["well"]).ainvoke("hello"), context=context)
    assert world.ledger.usage().calls == 1
    foreign.close()
    with pytest.raises(DeadlineExceeded, match="over"):
        await asyncio.get_running_loop().create_task(Capped(responses=["well"]).ainvoke("hello"), context=context)
    assert world.ledger.usage().calls == 1


@pytest.mark.parametrize("is_async", [True, False])
async def test_what_is_caught_was_raised_by_us(is_async: bool) -> None:
    """A refusal is our own error, so that code may tell it from a provider's."""
    world = World(tokens=100_000)
    model = Capped(responses=["well"], max_tokens=0)
    with guarding(world.foreign()), pytest.raises(SetupError, match="sets no output cap"):
        await model.ainvoke("hello") if is_async else await asyncio.to_thread(model.invoke, "hello")
