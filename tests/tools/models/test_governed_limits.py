"""Many callers at once against one limit: the provider never bills more, and nearly all of it is used."""

import asyncio
import random
from typing import Any

import pytest

from concertino.contracts.budget import Budget
from concertino.contracts.errors import BudgetExceeded
from tests.loopback.openai_server import OpenAIServer, Received, Reply, Say
from tests.tools.models.governing import PRICE, Governing, client

CALLERS, LIMIT = 32, 10_000
CAP = 3_950
"""Worst case of a call, its input with it: four times its bill."""


def thousand(received: Received) -> Reply:
    """Bill 1,000 tokens."""
    return Say("word " * 40, input_tokens=20, output_tokens=980)


async def ask(model: Any, how: str) -> None:
    if how == "ainvoke":
        await model.ainvoke("hi")
    elif how == "astream":
        async for _ in model.astream("hi"):
            pass
    else:
        await asyncio.to_thread(model.invoke if how == "invoke" else lambda said: list(model.stream(said)), "hi")


@pytest.mark.parametrize("way", [{}, {"use_responses_api": True}], ids=["chat", "responses"])
@pytest.mark.parametrize("how", ["ainvoke", "astream", "invoke", "stream"])
@pytest.mark.parametrize("limit", ["tokens", "calls", "usd"])
async def test_provider_bills_no_more_than_the_limit(limit: str, how: str, way: dict[str, Any]) -> None:
    """32 callers of 1,000 tokens with 10,000: at most that is billed, and at least 95 % of it."""
    budgets = {"tokens": Budget(tokens=LIMIT), "calls": Budget(calls=10), "usd": Budget(usd=LIMIT / 1e6)}
    with OpenAIServer(thousand) as server:
        run = Governing(budgets[limit])
        given = client(server, max_tokens=CAP, **way)
        models = [run.model(given, price=PRICE) for _ in range(CALLERS)]
        ends = await asyncio.gather(*(ask(model, how) for model in models), return_exceptions=True)
        assert {type(end).__name__ for end in ends} == {"NoneType", "BudgetExceeded"}
        billed = server.billed.calls * 1_000 if limit == "calls" else server.billed.tokens
        assert 0.95 * LIMIT <= billed <= LIMIT
        assert run.tokens == server.billed.tokens
        assert run.breaches() == []


@pytest.mark.parametrize("seed", range(4))
async def test_cancelled_callers_never_break_the_limit(seed: int) -> None:
    """Callers that leave at any moment, streaming or not: what was billed stays within what is charged and the limit."""
    draw = random.Random(seed)
    with OpenAIServer(thousand) as server:
        run = Governing(Budget(tokens=LIMIT))
        given = client(server, max_tokens=CAP)
        models = [run.model(given) for _ in range(CALLERS)]
        calls = [asyncio.create_task(ask(model, draw.choice(["ainvoke", "astream"]))) for model in models]
        for call in draw.sample(calls, 12):
            for _ in range(draw.randrange(40)):
                await asyncio.sleep(0)
            call.cancel()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert all(end is None or isinstance(end, BudgetExceeded | asyncio.CancelledError) for end in ends)
        assert server.billed.tokens <= run.tokens <= LIMIT
        assert run.tokens >= 0.95 * LIMIT
