"""A planner that the tests serve beside ours: specialists that are slow, that speak, and that ask."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from concertino import Brief, Finding, create_planner, specialist


@specialist("slow")
async def slow(brief: Brief) -> Finding:
    """Take `seconds`, which may be long."""
    await asyncio.sleep(float(brief.inputs.get("seconds", 60)))  # type: ignore[arg-type]
    return Finding(output={"x": brief.inputs.get("x")})


@specialist("blocking")
def blocking(brief: Brief) -> Finding:
    """Block a thread, which must not be the loop's."""
    time.sleep(0.05)
    return Finding(output={"blocked": True})


@specialist("speaking")
async def speaking(brief: Brief) -> Finding:
    """Let a model speak token by token."""
    model = GenericFakeChatModel(messages=iter([AIMessage(content="one two three")]))
    said = [chunk.content async for chunk in model.astream("speak")]
    return Finding(output={"said": "".join(map(str, said))})


@specialist("failing", max_attempts=1)
async def failing(brief: Brief) -> Finding:
    """Fail."""
    raise OSError("no such thing")


class Asking(TypedDict, total=False):
    """State of a graph that asks."""

    answer: Any


def ask(state: Asking) -> Asking:
    """Ask a person from inside a graph."""
    return {"answer": interrupt({"question": "Which colour?"})}


_asking: Any = StateGraph(Asking)
_asking.add_node("ask", ask)
_asking.add_edge(START, "ask")
_asking.add_edge("ask", END)
asking = _asking.compile(name="asking")

graph = create_planner(
    specialists=[slow, blocking, speaking, failing, asking],
    journal="sqlite:///served.db",
    name="served",
)
