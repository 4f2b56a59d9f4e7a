"""How much a provider bills under a limit: 32 concurrent calls of 1,000 tokens each, worst case four times that, limit 10,000.

Whole runs: each call is a subtask of its own, in one run with the limit in tokens, calls or dollars. Plain and streamed, and
with a third of the callers cancelling their call at some moment.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from langchain_openai import ChatOpenAI

from concertino import Budget, Finding, create_planner, specialist
from tests.loopback.openai_server import OpenAIServer, Received, Say

CALLERS, LIMIT, CAP = 32, 10_000, 3_950
PRICES = {"m": {"input_usd_per_m": 1.0, "output_usd_per_m": 1.0}}
LIMITS = {"tokens": Budget(tokens=LIMIT), "calls": Budget(calls=LIMIT // 1_000), "usd": Budget(usd=LIMIT / 1e6)}
DELAYS_S = 0.2
"""A caller that leaves does so within this time; chosen by hand, longer than a call takes."""


def thousand(received: Received) -> Say:
    return Say("word " * 40, input_tokens=20, output_tokens=980)


async def ask(model: Any, how: str) -> None:
    if how == "streamed":
        async for _ in model.astream("hi"):
            pass
    else:
        await model.ainvoke("hi")


async def run(limit: str, how: str, *, seed: int) -> dict[str, Any]:
    draw = random.Random(seed)
    left = 0
    leave_after_s = [draw.random() * DELAYS_S if how == "cancelled" and n % 3 == 0 else None for n in range(CALLERS)]

    @specialist("analyst", max_concurrency=CALLERS)
    async def analyst(brief: Any) -> Finding:
        number = int(brief.subtask_id[1:])
        way = "streamed" if how == "streamed" or (how == "cancelled" and number % 2) else "plain"
        nonlocal left
        try:
            await asyncio.wait_for(ask(brief.model, way), leave_after_s[number])
        except TimeoutError:
            left += 1
            return Finding(output="left", confidence=0.5)
        return Finding(output="done", confidence=1.0)

    with OpenAIServer(thousand) as server:
        settings: dict[str, Any] = {"model": "m", "base_url": server.url, "api_key": "key", "max_tokens": CAP}
        graph = create_planner(
            specialists=[analyst],
            model=ChatOpenAI(**settings),
            prices=PRICES,
            budget=LIMITS[limit],
            concurrency=CALLERS,
        )
        subtasks = [{"id": f"t{n}", "specialist": "analyst"} for n in range(CALLERS)]
        out = await graph.ainvoke({"task": {"title": "bench", "plan": {"subtasks": subtasks}}})
        billed = server.billed.calls * 1_000 if limit == "calls" else server.billed.tokens
    result = out["result"]
    charged = {"tokens": "tokens", "calls": "calls", "usd": "usd"}[limit]
    whole = {"tokens": LIMIT, "calls": LIMIT // 1_000, "usd": LIMIT / 1e6}[limit]
    return {
        "billed": billed / LIMIT,
        "used": result["usage"][charged] / whole,
        "answered": result["status"] in ("success", "partial_success"),
        "status": result["status"],
        "left": left,
    }


async def main() -> None:
    found = {
        f"{limit}, {how}": await run(limit, how, seed=n)
        for n, (limit, how) in enumerate((limit, how) for limit in LIMITS for how in ("plain", "streamed", "cancelled"))
    }
    print(json.dumps({"at_most": 1.0, "at_least": 0.95, "runs": found}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
