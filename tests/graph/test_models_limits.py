"""Whole runs whose specialists call models all at once: judged by what the provider bills."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent

from concertino import Brief, Budget, create_planner, specialist
from tests.graph.plans import states, subtask, task
from tests.graph.providers import PRICES, Provider, thousand

CALLERS, LIMIT = 32, 10_000
CAP = 3_950
"""Worst case of a call, its input with it: four times its bill."""
BUDGETS = {"tokens": Budget(tokens=LIMIT), "calls": Budget(calls=10), "usd": Budget(usd=LIMIT / 1e6)}
TASK = task("t", *(subtask(f"s{n}", "analyst") for n in range(CALLERS)))


@specialist("analyst", max_attempts=1)
async def asks(brief: Brief) -> int:
    return len((await brief.model.ainvoke("hi")).text)


@specialist("analyst", max_attempts=1)
async def streams(brief: Brief) -> int:
    return sum([len(piece.text) async for piece in brief.model.astream("hi")])


@specialist("analyst", max_attempts=1)
def waits(brief: Brief) -> int:
    return len(brief.model.invoke("hi").text)


@specialist("analyst", max_attempts=1)
def reads(brief: Brief) -> int:
    return sum(len(piece.text) for piece in brief.model.stream("hi"))


@specialist("analyst", max_attempts=1)
async def changes_its_mind(brief: Brief) -> int:
    """Every third leaves its call at some moment, streaming or not."""
    number = int(brief.subtask_id.rpartition("s")[2])

    async def stream() -> None:
        async for _ in brief.model.astream("hi"):
            pass

    calling = asyncio.ensure_future(stream() if number % 2 else brief.model.ainvoke("hi"))
    if number % 3 == 0:
        for _ in range(number):
            await asyncio.sleep(0)
        calling.cancel()
    try:
        await calling
    except asyncio.CancelledError:
        return 0
    return 1


def bill(server: Provider) -> dict[str, float]:
    return {"tokens": server.billed.tokens, "calls": server.billed.calls, "usd": server.nano_usd / 1e9}


@pytest.mark.parametrize("way", [asks, streams, waits, reads], ids=["asks", "streams", "waits", "reads"])
@pytest.mark.parametrize("limit", BUDGETS)
async def test_the_bill_of_a_run_keeps_its_limit_and_nearly_fills_it(limit: str, way: Any) -> None:
    """32 specialists of 1,000 tokens each, four times that at worst: the run answers with what the money paid for."""
    async with Provider(thousand) as server:
        graph = create_planner(
            specialists=[way], models={"analyst": server.chat(max_tokens=CAP)}, prices=PRICES, budget=BUDGETS[limit]
        )
        result = (await graph.ainvoke(TASK))["result"]
        most = getattr(BUDGETS[limit], limit)
        assert 0.95 * most <= bill(server)[limit] <= most
        ended = list(states(result).values())
        assert (result["status"], ended.count("completed"), ended.count("failed")) == ("partial_success", 10, 22)
        assert {one["error"]["type"] for one in result["subtasks"] if one["error"]} == {"BudgetExceeded"}
        assert (result["usage"]["tokens"], result["usage"]["calls"]) == (server.billed.tokens, server.billed.calls)
        assert round(result["usage"]["usd"] * 1e9) == server.nano_usd
        assert result["answer"] is not None


@pytest.mark.parametrize("way", [asks, reads], ids=["asks", "reads"])
@pytest.mark.parametrize("budget", [Budget(tokens=LIMIT + 500), Budget(usd=(LIMIT + 500) / 1e6)], ids=["tokens", "usd"])
async def test_what_is_left_over_pays_for_a_shorter_answer(budget: Budget, way: Any) -> None:
    """The last request goes out with a cap that the rest of the money pays for, whatever cap its model has."""
    async with Provider(thousand) as server:
        graph = create_planner(
            specialists=[way], models={"analyst": server.chat(max_tokens=CAP)}, prices=PRICES, budget=budget
        )
        result = (await graph.ainvoke(TASK))["result"]
        assert list(states(result).values()).count("completed") == 11
        assert LIMIT + 300 <= server.billed.tokens == result["usage"]["tokens"] <= LIMIT + 500


@pytest.mark.parametrize("limit", BUDGETS)
async def test_who_leaves_a_call_leaves_the_limit_whole(limit: str) -> None:
    """A call that was left may be billed, and is charged so: never more than the limit, and nearly all of it used."""
    async with Provider(thousand) as server:
        graph = create_planner(
            specialists=[changes_its_mind],
            models={"analyst": server.chat(max_tokens=CAP)},
            prices=PRICES,
            budget=BUDGETS[limit],
        )
        result = (await graph.ainvoke(TASK))["result"]
        most = getattr(BUDGETS[limit], limit)
        assert bill(server)[limit] <= result["usage"][limit] <= most
        assert result["usage"][limit] >= 0.95 * most
        assert result["status"] in ("success", "partial_success")
        assert len(states(result)) == CALLERS


async def test_what_is_kept_for_synthesis_is_not_the_specialists() -> None:
    """The floor is left over, and all but it is used."""
    async with Provider(thousand) as server:
        graph = create_planner(
            specialists=[asks],
            models={"analyst": server.chat(max_tokens=CAP)},
            budget=BUDGETS["tokens"],
            floor=Budget(tokens=2_000),
        )
        await graph.ainvoke(TASK)
        assert 0.95 * 8_000 <= server.billed.tokens <= 8_000


@pytest.mark.parametrize("limit", BUDGETS)
async def test_agents_with_models_of_their_own_keep_the_limit(limit: str) -> None:
    """`create_agent` around a capped model that nobody governs: what does not fit is refused before it leaves."""
    async with Provider(thousand) as server:
        agent: Any = create_agent(server.chat(max_tokens=CAP))

        @specialist("analyst", max_attempts=1)
        async def foreign(brief: Brief) -> int:
            return len((await agent.ainvoke({"messages": [{"role": "user", "content": "hi"}]}))["messages"][-1].text)

        graph = create_planner(specialists=[foreign], prices=PRICES, budget=BUDGETS[limit])
        result = (await graph.ainvoke(TASK))["result"]
        assert 0 < bill(server)[limit] <= getattr(BUDGETS[limit], limit)
        assert result["status"] == "partial_success"
        assert (result["usage"]["tokens"], result["usage"]["calls"]) == (server.billed.tokens, server.billed.calls)
        assert result["answer"] is not None


async def test_a_cancelled_run_is_charged_for_what_is_out() -> None:
    """Cancelled while its calls are out, it bills and charges no more than the limit, and answers."""
    async with Provider(thousand) as server:
        begun = asyncio.Event()

        @specialist("analyst", max_attempts=1)
        async def begins(brief: Brief) -> int:
            answer = await brief.model.ainvoke("hi")
            begun.set()
            return len(answer.text)

        graph = create_planner(
            specialists=[begins], models={"analyst": server.chat(max_tokens=CAP)}, budget=BUDGETS["tokens"]
        )
        running = asyncio.ensure_future(graph.ainvoke(TASK))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        again = (await graph.ainvoke(TASK))["result"]
        assert server.billed.tokens <= again["usage"]["tokens"] <= LIMIT
        assert len(states(again)) == CALLERS
