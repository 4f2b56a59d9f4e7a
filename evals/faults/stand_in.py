"""A model that always answers well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from concertino.evals.cases import Case
from concertino.evals.scripted import Said, ScriptedModel


def answer(messages: Sequence[BaseMessage], tools: Sequence[str]) -> Said:
    """Answer in words, or by the one tool that is offered."""
    asked = str(messages[-1].content)
    if tools:
        return Said(calls=[(tools[0], {"grade": 2, "reason": f"because of {asked}"})], seconds=1.5)
    return Said(text=f"Once upon a time there was this: {asked} It ended well.", seconds=2.0)


class Streaming(ScriptedModel):
    """Streams word by word, a quarter of a second each."""

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        import asyncio

        words = answer(messages, ()).text.split(" ")
        for at, word in enumerate(words):
            await asyncio.sleep(0.25)
            yield ChatGenerationChunk(message=AIMessageChunk(content=word if at == 0 else f" {word}"))
        usage: Any = {"input_tokens": 10, "output_tokens": len(words), "total_tokens": 10 + len(words)}
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=usage, response_metadata={"finish_reason": "stop"})
        )


def steady(case: Case) -> ScriptedModel:
    """Return the model of any case."""
    return Streaming(script=answer, max_tokens=400)
