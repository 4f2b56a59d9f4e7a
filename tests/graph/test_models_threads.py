"""Whole runs whose specialists call models of their own in threads and pools: judged by what the provider bills."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from concertino import Brief, Budget, create_planner, specialist
from tests.graph.plans import states, subtask, task
from tests.graph.providers import Provider, thousand

LIMIT, CAP, CALLS = 5_000, 3_950, 8
"""Each call's worst case, its input with it, is four times its bill."""


def asked(model: Any) -> str:
    return str(model.invoke("hi").text)


def mapping(model: Any) -> Any:
    @specialist("analyst", max_attempts=1)
    def maps(brief: Brief) -> int:
        with ThreadPoolExecutor(CALLS) as pool:
            return len(list(pool.map(lambda _: asked(model), range(CALLS))))

    return maps


def handing_over(model: Any) -> Any:
    @specialist("analyst", max_attempts=1)
    async def hands_over(brief: Brief) -> int:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(None, asked, model) for _ in range(CALLS)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        if errors := [one for one in ended if isinstance(one, Exception)]:
            raise errors[0]
        return len(ended)

    return hands_over


def threading_(model: Any) -> Any:
    @specialist("analyst", max_attempts=1)
    def starts_threads(brief: Brief) -> int:
        errors: list[Exception] = []

        def ask() -> None:
            try:
                asked(model)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(CALLS)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        if errors:
            raise errors[0]
        return CALLS

    return starts_threads


WAYS = {"map": mapping, "run_in_executor": handing_over, "threads": threading_}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attempts", [1, 2])
async def test_the_limit_holds_in_threads(way: str, attempts: int) -> None:
    """One attempt or two at once: what does not fit does not leave, and what was billed is what was used."""
    async with Provider(thousand) as server:
        body = WAYS[way](server.chat(max_tokens=CAP))
        graph = create_planner(specialists=[body], budget=Budget(tokens=LIMIT))
        tasks = task("t", *(subtask(f"s{n}", "analyst") for n in range(attempts)))
        result = (await graph.ainvoke(tasks))["result"]
        assert 0 < server.billed.tokens <= LIMIT
        assert (result["usage"]["tokens"], result["usage"]["calls"]) == (server.billed.tokens, server.billed.calls)
        assert len(server.requests) == server.billed.calls
        assert set(states(result).values()) == {"failed"}
        assert {one["error"]["type"] for one in result["subtasks"]} == {"BudgetExceeded"}


@pytest.mark.parametrize("way", WAYS)
async def test_planners_that_share_a_model_pay_each_for_their_own(way: str) -> None:
    """Both at once, with the same model object and the same threads: one is out of budget, the other is not."""
    async with Provider(thousand) as server:
        body = WAYS[way](server.chat(max_tokens=CAP))
        short = create_planner(specialists=[body], budget=Budget(tokens=LIMIT))
        ample = create_planner(specialists=[body], budget=Budget(tokens=100_000))
        graphs = [short.ainvoke(task("a", subtask("s", "analyst"))), ample.ainvoke(task("b", subtask("s", "analyst")))]
        first, second = [out["result"] for out in await asyncio.gather(*graphs)]
        assert (second["status"], second["usage"]["tokens"]) == ("success", CALLS * 1_000)
        assert states(first) == {"s": "failed"}
        assert 0 < first["usage"]["tokens"] <= LIMIT
        assert first["usage"]["tokens"] + second["usage"]["tokens"] == server.billed.tokens
