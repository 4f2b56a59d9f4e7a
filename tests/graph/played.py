"""A planner at a boundary that repeats itself: virtual time, counted ids, one number for chance, a journal in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.types import Command

from concertino.evals.virtual import VirtualClock, VirtualLoop, run_virtually
from concertino.graph.boundary import Boundary
from concertino.graph.compiled import PlannerGraph
from concertino.journal import MemoryJournal

START = 1_700_000_000.0
Way = Callable[[PlannerGraph], Callable[..., Awaitable[dict[str, Any]]]]
"""How a planner is run: `conduct`, or LangGraph's own `ainvoke`."""


def conducted(planner: PlannerGraph) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Run it without LangGraph's machinery."""
    return planner.conduct


def invoked(planner: PlannerGraph) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Run it as the compiled graph."""
    return planner.ainvoke


def virtual_clock() -> VirtualClock:
    """Return the clock of the virtual loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return VirtualClock(loop, START)


class Ids:
    """Counts, by prefix."""

    def __init__(self) -> None:
        self._made: Counter[str] = Counter()

    def __call__(self, prefix: str) -> str:
        self._made[prefix] += 1
        return f"{prefix}-{self._made[prefix]:020x}"


class Echo(BaseChatModel):
    """Answers with what it was asked last, and says what that cost."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        text = str(messages[-1].content)
        usage = {"input_tokens": len(text), "output_tokens": len(text), "total_tokens": 2 * len(text)}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text, usage_metadata=usage))])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self._generate(messages)


def played(
    planner: PlannerGraph, given: Any, *, way: Way = conducted, answers: Any = "accept", saver: Any = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run a task to its end in virtual time, answering whatever is asked, and return its result and events."""

    async def main() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        clock = virtual_clock()
        journal = MemoryJournal(clock=clock)
        here = planner.at(
            Boundary(clock=clock, journal=journal, ids=Ids(), random=lambda: 0.5, checkpointer=saver and saver())
        )
        config: Any = {"configurable": {"thread_id": "thread"}}
        out = await way(here)(given, config)
        for _ in range(20):
            if "__interrupt__" not in out:
                break
            out = await way(here)(Command(resume=answers), config)
        result: dict[str, Any] = out["result"]
        events = journal.events(result["task_id"]).result()
        return result, [event.model_dump() for event in events]

    return run_virtually(main)
