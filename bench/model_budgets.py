"""How much a provider bills under a limit: 32 concurrent calls of 1,000 tokens each, worst case four times that, limit 10,000.

Whole runs: each call is a subtask of its own, in one run with the limit in tokens, calls or dollars. Plain and streamed, and
with a third of the callers cancelling their call at some moment; through governed models, and through models of the
specialists' own, as agents and in threads. Prompts of several sizes show what the byte bound of the input costs.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

from concertino import Budget, Finding, create_planner, specialist
from tests.loopback.openai_server import OpenAIServer, Received, Say

CALLERS, LIMIT, BILL = 32, 10_000, 1_000
PRICES = {"m": {"input_usd_per_m": 1.0, "output_usd_per_m": 1.0}}
LIMITS = {"tokens": Budget(tokens=LIMIT), "calls": Budget(calls=LIMIT // BILL), "usd": Budget(usd=LIMIT / 1e6)}
TELLING = "streamed with usage"
"""Streams of a foreign client that asks for their usage, as `ChatOpenAI` does at OpenAI's own address only."""
DELAYS_S = 0.2
"""A caller that leaves does so within this time; chosen by hand, longer than a call takes."""


@dataclass(frozen=True)
class Case:
    """What each call says and is billed; its input is billed with the rest of 1,000 tokens."""

    prompt_bytes: int = 2
    cap: int = 3_950
    output_tokens: int = 980

    def answer(self, received: Received) -> Say:
        return Say("word " * 40, input_tokens=BILL - self.output_tokens, output_tokens=self.output_tokens)


PLAIN = Case()
PROMPTS = (Case(300, 3_700, 900), Case(900, 3_000, 700), Case(1_800, 2_200, 400), Case(3_000, 800, 200))
"""Chosen by hand: with the bytes of the prompt, the worst case of each is about 4,000."""


async def ask(model: Any, how: str, text: str) -> None:
    if how == "streamed":
        async for _ in model.astream(text):
            pass
    elif how == "threads":
        await asyncio.get_running_loop().run_in_executor(None, model.invoke, text)
    else:
        await model.ainvoke(text)


async def ask_agent(agent: Any, how: str, text: str) -> None:
    asked = {"messages": [{"role": "user", "content": text}]}
    if how.startswith("streamed"):
        async for _ in agent.astream(asked, stream_mode="messages"):
            pass
    else:
        await agent.ainvoke(asked)


async def run(limit: str, how: str, *, seed: int, is_ours: bool = True, case: Case = PLAIN) -> dict[str, Any]:
    draw = random.Random(seed)
    left = 0
    leave_after_s = [draw.random() * DELAYS_S if how == "cancelled" and n % 3 == 0 else None for n in range(CALLERS)]
    text = "x" * case.prompt_bytes

    with OpenAIServer(case.answer) as server:
        settings: dict[str, Any] = {"model": "m", "base_url": server.url, "api_key": "key", "max_tokens": case.cap}
        if how == TELLING:
            settings["stream_usage"] = True
        model = ChatOpenAI(**settings)
        agent: Any = create_agent(model)

        @specialist("analyst", max_concurrency=CALLERS)
        async def analyst(brief: Any) -> Finding:
            number = int(brief.subtask_id[1:])
            way = ("streamed" if number % 2 else "plain") if how == "cancelled" else how
            if is_ours:
                asking = ask(brief.model, way, text)
            else:
                asking = ask(model, way, text) if way == "threads" else ask_agent(agent, way, text)
            nonlocal left
            try:
                await asyncio.wait_for(asking, leave_after_s[number])
            except TimeoutError:
                left += 1
                return Finding(output="left", confidence=0.5)
            return Finding(output="done", confidence=1.0)

        graph = create_planner(
            specialists=[analyst],
            models={"analyst": model} if is_ours else None,
            prices=PRICES,
            budget=LIMITS[limit],
            concurrency=CALLERS,
        )
        subtasks = [{"id": f"t{n}", "specialist": "analyst"} for n in range(CALLERS)]
        out = await graph.ainvoke({"task": {"title": "bench", "plan": {"subtasks": subtasks}}})
        billed = server.billed.calls * BILL if limit == "calls" else server.billed.tokens
    result = out["result"]
    charged = {"tokens": "tokens", "calls": "calls", "usd": "usd"}[limit]
    whole = {"tokens": LIMIT, "calls": LIMIT // BILL, "usd": LIMIT / 1e6}[limit]
    return {
        "billed": billed / LIMIT,
        "used": result["usage"][charged] / whole,
        "answered": result["status"] in ("success", "partial_success"),
        "status": result["status"],
        "left": left,
    }


async def main() -> None:
    hows = ("plain", "streamed", "cancelled")
    ours = {
        f"{limit}, {how}": await run(limit, how, seed=n)
        for n, (limit, how) in enumerate((limit, how) for limit in LIMITS for how in hows)
    }
    theirs = {
        f"{limit}, {how}": await run(limit, how, seed=n, is_ours=False)
        for n, (limit, how) in enumerate((limit, how) for limit in LIMITS for how in (*hows, TELLING, "threads"))
    }
    prompts = {
        f"tokens, {who}, prompt {case.prompt_bytes} bytes, cap {case.cap}, output {case.output_tokens}": await run(
            "tokens", "plain", seed=0, is_ours=who == "governed", case=case
        )
        for who in ("governed", "foreign")
        for case in PROMPTS
    }
    found = {"at_most": 1.0, "at_least": 0.95, "runs": ours, "foreign": theirs, "prompts": prompts}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
