"""Whatever foreign agents do together, what the provider bills stays within the limit."""

import asyncio
import itertools
from typing import Any

import pytest
from langchain.agents import create_agent

from concertino.budgets import Ledger
from concertino.contracts.errors import BudgetExceeded
from concertino.tools.models.foreign import guarding
from concertino.tools.models.prices import price_of
from tests.loopback.openai_server import Cut, Fail, OpenAIServer, Received, Reply, Say
from tests.tools.models.foreign_world import World, chat, together

AGENTS = 32
LIMITS: dict[str, float] = {"tokens": 10_000, "calls": 10, "usd": 0.01}


def bill_usd(server: OpenAIServer) -> float:
    price = price_of("openai", "gpt-5-mini")
    assert price is not None
    usage = {"input_tokens": server.billed.input_tokens, "output_tokens": server.billed.output_tokens}
    return price.actual(usage) / 1e9


def billed(server: OpenAIServer) -> dict[str, float]:
    return {"tokens": server.billed.tokens, "calls": server.billed.calls, "usd": bill_usd(server)}


@pytest.mark.parametrize("dimension", LIMITS)
@pytest.mark.parametrize("worst", [1, 4])
async def test_the_bill_stays_within_the_limit(dimension: str, worst: int) -> None:
    """32 agents at once, each call 1,000 tokens and up to four times that at worst: some get on, none overruns."""
    with OpenAIServer(Say("word " * 2_000, input_tokens=600, output_tokens=400)) as server:
        world = World(**{dimension: LIMITS[dimension]})
        agent = create_agent(chat(server, max_tokens=400 * worst))

        async def work(n: int) -> Any:
            with guarding(world.foreign(f"s{n}", needs_price=dimension == "usd")):
                return await agent.ainvoke({"messages": [{"role": "user", "content": "data " * 150}]})

        ended = await together(AGENTS, work)
        assert 0 < billed(server)[dimension] <= LIMITS[dimension]
        assert world.ledger.usage().tokens == server.billed.tokens
    assert {type(one).__name__ for one in ended} == {"dict", "BudgetExceeded"}
    assert all(isinstance(one, BudgetExceeded) for one in ended if isinstance(one, Exception))
    assert world.is_settled()


@pytest.mark.parametrize("dimension", LIMITS)
async def test_the_bill_stays_within_the_limit_when_much_goes_wrong(dimension: str) -> None:
    """Errors, cut answers, streams without usage, retries and cancelled agents: still not one token over."""
    turn = itertools.count()
    ends: list[Reply] = [
        Say("word " * 2_000, input_tokens=600, output_tokens=400),
        Fail(500, retry_after="0.001"),
        Cut("word " * 100, output_tokens=400),
        Fail(429, retry_after="0.001"),
        Say("word " * 2_000, input_tokens=600, output_tokens=400, usage=False),
    ]

    def answer(_: Received) -> Reply:
        return ends[next(turn) % len(ends)]

    with OpenAIServer(answer) as server:
        world = World(**{dimension: LIMITS[dimension]})
        model = chat(server, max_tokens=400)
        agent: Any = create_agent(model)
        said = {"messages": [{"role": "user", "content": "data " * 150}]}

        async def work(n: int) -> Any:
            with guarding(world.foreign(f"s{n}")):
                if n % 4 == 0:
                    return [piece async for piece in model.astream("data " * 150)]
                if n % 4 == 1:
                    return await asyncio.to_thread(agent.invoke, said)
                running = asyncio.ensure_future(agent.ainvoke(said))
                if n % 4 == 2:
                    asyncio.get_running_loop().call_later(0.01, running.cancel)
                return await running

        await together(AGENTS, work)
        assert 0 < billed(server)[dimension] <= LIMITS[dimension]
        usage = world.ledger.usage()
        assert usage.tokens >= server.billed.tokens
        assert usage.calls >= server.billed.calls
    assert world.is_settled()
    assert world.ledger.breaches() == ()


async def test_who_waits_gets_on_when_others_settle() -> None:
    """Calls that do not fit together, but one after the other, are all made; the loop is never blocked."""
    with OpenAIServer(Say("well", input_tokens=10, output_tokens=5)) as server:
        world = World(tokens=600)
        model = chat(server, max_tokens=100)

        async def work(n: int) -> str:
            with guarding(world.foreign(f"s{n}")):
                return (await model.ainvoke("hello")).text

        assert list(await together(20, work)) == ["well"] * 20
    assert isinstance(world.ledger, Ledger)
    assert world.ledger.usage().tokens == 300
