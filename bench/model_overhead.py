"""What accounting adds to a call of a model: governed against the bare client, at one loopback server, in pairs.

Alone: reservation, breaker, cap, settlement and events, as a run has them, without a journal. In a run: the same with
every reservation committed to the journal before its request leaves.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

from concertino import Budget, Finding, create_planner, specialist
from concertino.budgets import Ledger
from concertino.contracts.clock import SystemClock
from concertino.tools.attempt import Desk
from concertino.tools.breaker import Breakers
from concertino.tools.guard import Guard
from concertino.tools.models.governed import govern
from concertino.tools.models.prices import price_of
from concertino.tools.models.sources import as_model
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.retry import RetryBudget
from tests.loopback.openai_server import OpenAIServer, Say

AT_MOST = 1.10
PAIRS = 400
MESSAGES = [SystemMessage("You are a careful analyst. " * 40), HumanMessage("Assess the figures. " * 100)]

Ask = Callable[[], Awaitable[object]]


def bare_client(server: OpenAIServer) -> ChatOpenAI:
    settings: dict[str, Any] = {"model": "gpt-5-mini", "base_url": server.url, "api_key": "key", "max_tokens": 3_500}
    return ChatOpenAI(**settings, max_retries=0, stream_usage=True)


async def streamed(model: Any) -> None:
    async for _ in model.astream(MESSAGES):
        pass


async def paired(bare: Ask, governed: Ask) -> dict[str, float]:
    """Return medians in ms; the two take turns, so that whatever disturbs one disturbs the other."""
    taken: tuple[list[float], list[float]] = ([], [])
    for n in range(PAIRS + 40):
        for ask, times in zip((bare, governed), taken, strict=True):
            began = time.perf_counter()
            await ask()
            if n >= 40:
                times.append(time.perf_counter() - began)
    ours, theirs = statistics.median(taken[1]), statistics.median(taken[0])
    added = statistics.median(b - a for a, b in zip(*taken, strict=True))
    return {"bare_ms": theirs * 1e3, "governed_ms": ours * 1e3, "added_ms": added * 1e3, "ratio": 1 + added / theirs}


async def alone(server: OpenAIServer) -> dict[str, Any]:
    clock = SystemClock()
    desk = Desk(breakers=Breakers(clock=clock), clock=clock, emit=lambda kind, payload: None)
    guard = Guard(desk, retries=RetryBudget(), random=random.random)
    ledger = Ledger(Budget(tokens=10**12, usd=10**6))
    bare = bare_client(server)
    model = govern(
        as_model(bare, field="model"), guard=guard, account=ledger.account(("work", "analyst", "t", "model")), key="t",
        counter=TokenCounter(), price=price_of("openai", "gpt-5-mini"), deadline=clock.monotonic() + 10_000,
    )  # fmt: skip
    return {
        "plain": await paired(lambda: bare.ainvoke(MESSAGES), lambda: model.ainvoke(MESSAGES)),
        "streamed": await paired(lambda: streamed(bare), lambda: streamed(model)),
    }


async def in_a_run(server: OpenAIServer) -> dict[str, float]:
    found: dict[str, float] = {}
    bare = bare_client(server)

    @specialist("analyst")
    async def analyst(brief: Any) -> Finding:
        # The bare client is called outside the run's context, in which it would be held as a foreign model.
        def alone() -> Awaitable[object]:
            return asyncio.get_running_loop().create_task(bare.ainvoke(MESSAGES), context=contextvars.Context())

        found.update(await paired(alone, lambda: brief.model.ainvoke(MESSAGES)))
        return Finding(output="done", confidence=1.0)

    with tempfile.TemporaryDirectory() as folder:
        graph = create_planner(
            specialists=[analyst], model=bare_client(server), journal=f"sqlite:///{folder}/bench.db",
            budget=Budget(tokens=10**9, usd=1_000, seconds=600),
        )  # fmt: skip
        plan = {"subtasks": [{"id": "t", "specialist": "analyst"}]}
        out = await graph.ainvoke({"task": {"title": "bench", "plan": plan}})
        assert out["result"]["status"] == "success", out["result"]
    return found


def main() -> None:
    with OpenAIServer(Say("word " * 100, input_tokens=700, output_tokens=100)) as server:
        found = asyncio.run(alone(server))
        found["in_a_run"] = asyncio.run(in_a_run(server))
    print(json.dumps({"at_most": AT_MOST, **found}, indent=2))


if __name__ == "__main__":
    main()
