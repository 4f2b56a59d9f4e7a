"""Specialists between a model and two tools, which a case makes fail."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel

from concertino import Brief, Budget, Declined, Finding, create_planner, specialist, tool


class Verdict(BaseModel):
    """What the judge is asked for."""

    grade: int
    reason: str


@tool("lookup", timeout_s=5, endpoint="archive")
async def lookup(word: str) -> dict[str, Any]:
    """Look a word up in the archive."""
    await asyncio.sleep(0.4)
    return {"word": word, "hits": len(word)}


@tool("store", attempts=1, timeout_s=5)
async def store(text: str) -> str:
    """Put a text away; must not happen twice."""
    await asyncio.sleep(0.2)
    return f"kept {len(text)}"


@specialist("teller", capabilities={"telling"}, max_attempts=1)
async def teller(brief: Brief) -> Finding | Declined:
    """Ask the model once, and say when it refuses or is cut off."""
    said = await brief.model.ainvoke(f"Tell of {brief.objective}.")
    if said.additional_kwargs.get("refusal"):
        return Declined(reason=said.additional_kwargs["refusal"])
    is_whole = said.response_metadata.get("finish_reason") == "stop"
    return Finding(output={"text": said.text, "whole": is_whole}, confidence=0.8 if is_whole else 0.3)


@specialist("understudy", capabilities={"telling"}, authority=0.5, max_attempts=1)
async def understudy(brief: Brief) -> Finding:
    """Stand in without a model."""
    await asyncio.sleep(0.1)
    return Finding(output={"text": "in short", "whole": True}, confidence=0.4)


@specialist("narrator", max_attempts=2)
async def narrator(brief: Brief) -> Finding:
    """Stream from the model."""
    text = "".join([piece.text async for piece in brief.model.astream(f"Narrate {brief.objective}.")])
    return Finding(output={"text": text}, confidence=0.8)


@specialist("judge", max_attempts=2)
async def judge(brief: Brief) -> Finding:
    """Ask the model for a form."""
    verdict = await brief.model.with_structured_output(Verdict).ainvoke(f"Judge {brief.objective}.")
    if verdict is None:
        raise ValueError("the verdict could not be read")
    return Finding(output=verdict.model_dump(), confidence=0.9)


@specialist("seeker", max_attempts=1)
async def seeker(brief: Brief) -> Finding:
    """Look one word up."""
    found = await brief.tools.lookup(word=brief.objective)
    return Finding(output=found, confidence=0.7)


@specialist("keeper", max_attempts=1)
async def keeper(brief: Brief) -> Finding:
    """Put a text away."""
    return Finding(output=await brief.tools.store(text=brief.objective), confidence=0.9)


def create(model: Any = None, *, seconds: float = 120.0) -> Any:
    """Return the planner."""
    return create_planner(
        specialists=[teller, understudy, narrator, judge, seeker, keeper],
        tools=[lookup, store],
        model=model,
        budget=Budget(tokens=50_000, seconds=seconds, calls=60),
        replans=0,  # what a model would plan in another world is on no tape
    )
