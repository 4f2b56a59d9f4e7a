"""What accounting adds to a call of a model: held against bare, at one loopback server, in turns.

Governed models and foreign ones (LangChain models of a specialist's own, under the callback guard). Alone: reservation,
breaker, cap, settlement and events, as a run has them, without a journal. In a run: the same with every reservation
committed to the SQLite journal before its request leaves. The server is a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
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
from concertino.tools.models.foreign import ForeignGuard, binding
from concertino.tools.models.foreign_callbacks import untold
from concertino.tools.models.governed import govern
from concertino.tools.models.prices import price_of
from concertino.tools.models.sources import as_model
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.retry import RetryBudget
from tests.loopback.openai_server import OpenAIServer, Say

AT_MOST = 1.10
ROUNDS, WARM, BLOCK = 120, 10, 5
MESSAGES = [SystemMessage("You are a careful analyst. " * 40), HumanMessage("Assess the figures. " * 100)]
SERVE = "serve"

Ask = Callable[[], Awaitable[object]]


@contextmanager
def server() -> Iterator[str]:
    """Run the loopback server in a process of its own; yield its URL."""
    with subprocess.Popen(
        [sys.executable, __file__, SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.stdin.close()


def serve() -> None:
    with OpenAIServer(Say("word " * 100, input_tokens=700, output_tokens=100)) as own:
        print(own.url, flush=True)
        sys.stdin.read()


def bare_client(url: str) -> ChatOpenAI:
    settings: dict[str, Any] = {"model": "gpt-5-mini", "base_url": url, "api_key": "key", "max_tokens": 3_500}
    return ChatOpenAI(**settings, max_retries=0, stream_usage=True)


async def streamed(model: Any) -> None:
    async for _ in model.astream(MESSAGES):
        pass


async def in_turns(bare: Ask, **held: Ask) -> dict[str, dict[str, float]]:
    """Return medians in ms of each against bare; all take turns, so that whatever disturbs one disturbs the others."""
    asks = {"": bare, **held}
    taken: dict[str, list[float]] = {name: [] for name in asks}
    for n in range(ROUNDS + WARM):
        for name in asks if n % 2 else reversed(asks):
            began = time.perf_counter()
            for _ in range(BLOCK):  # what a call leaves to be written falls on the next of its kind
                await asks[name]()
            if n >= WARM:
                taken[name].append((time.perf_counter() - began) / BLOCK)
    base = statistics.median(taken[""])
    found: dict[str, dict[str, float]] = {}
    for name in held:
        added = statistics.median(b - a for a, b in zip(taken[""], taken[name], strict=True))
        ours = statistics.median(taken[name])
        found[name] = {
            "bare_ms": base * 1e3, "held_ms": ours * 1e3, "added_ms": added * 1e3, "ratio": ours / base,
            "ratio_of_pairs": 1 + added / base,
        }  # fmt: skip
    return found


async def alone(url: str) -> dict[str, Any]:
    clock = SystemClock()
    desk = Desk(breakers=Breakers(clock=clock), clock=clock, emit=lambda kind, payload: None)
    guard = Guard(desk, retries=RetryBudget(), random=random.random)
    ledger = Ledger(Budget(tokens=10**12, usd=10**6))
    bare = bare_client(url)
    model = govern(
        as_model(bare, field="model"), guard=guard, account=ledger.account(("work", "analyst", "t", "model")), key="t",
        counter=TokenCounter(), price=price_of("openai", "gpt-5-mini"), deadline=clock.monotonic() + 10_000,
    )  # fmt: skip
    foreign = ForeignGuard(
        guard, account=ledger.account(("work", "analyst", "u", "model")), key="u", deadline=clock.monotonic() + 10_000
    )

    async def held() -> None:
        with binding(foreign):
            await bare.ainvoke(MESSAGES)

    plain = await in_turns(lambda: bare.ainvoke(MESSAGES), plain=lambda: model.ainvoke(MESSAGES), foreign=held)
    foreign.close()
    return {**plain, **await in_turns(lambda: streamed(bare), streamed=lambda: streamed(model))}


async def in_a_run(url: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bare = bare_client(url)

    @specialist("analyst")
    async def analyst(brief: Any) -> Finding:
        async def unheld() -> None:
            with untold():  # in the same place, with LangGraph's callbacks as the others, but without the guard
                await bare.ainvoke(MESSAGES)

        async def foreign() -> None:
            await bare.ainvoke(MESSAGES)

        async def governed() -> None:
            await brief.model.ainvoke(MESSAGES)

        found.update(await in_turns(unheld, in_a_run=governed, foreign_in_a_run=foreign))
        return Finding(output="done", confidence=1.0)

    with tempfile.TemporaryDirectory() as folder:
        graph = create_planner(
            specialists=[analyst], model=bare_client(url), journal=f"sqlite:///{folder}/bench.db",
            budget=Budget(tokens=10**9, usd=1_000, seconds=600),
        )  # fmt: skip
        plan = {"subtasks": [{"id": "t", "specialist": "analyst"}]}
        out = await graph.ainvoke({"task": {"title": "bench", "plan": plan}})
        assert out["result"]["status"] == "success", out["result"]
    return found


def main() -> None:
    with server() as url:
        found = asyncio.run(alone(url))
        found.update(asyncio.run(in_a_run(url)))
    print(json.dumps({"at_most": AT_MOST, **found}, indent=2))


if __name__ == "__main__":
    serve() if sys.argv[1:] == [SERVE] else main()
