"""Specialists that ask people by LangGraph's `interrupt()`, and a chat model that says what it is told to."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from concertino import Brief, specialist

QUESTIONS = 6
"""How many the inquirers ask, one after another."""


class Model(FakeMessagesListChatModel):
    """A chat model that says what it was told to, and takes tools."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def says(*messages: AIMessage) -> Model:
    """Return a model that answers with the messages in turn."""
    return Model(responses=list(messages))


class Words(TypedDict, total=False):
    objective: str
    left: str
    right: str


class Answers(TypedDict, total=False):
    objective: str
    left: list[str]


def two_in_a_row() -> Any:
    """Return a graph with two questions in one node."""
    graph = StateGraph(Words)
    graph.add_node("ask", lambda _: {"left": interrupt("first?"), "right": interrupt({"question": "second?"})})
    graph.add_edge(START, "ask")
    return graph.compile(name="asker")


def two_at_once() -> Any:
    """Return a graph whose two parallel nodes ask."""
    graph = StateGraph(Words)
    graph.add_node("l", lambda _: {"left": interrupt("left?")})
    graph.add_node("r", lambda _: {"right": interrupt("right?")})
    graph.add_edge(START, "l")
    graph.add_edge(START, "r")
    return graph.compile(name="asker")


@specialist("asker")
def plain_asker(brief: Brief) -> Any:
    return {"left": interrupt("first?"), "right": interrupt({"question": "second?"})}


@specialist("asker")
async def async_asker(brief: Brief) -> Any:
    return {"left": interrupt("first?"), "right": interrupt({"question": "second?"})}


RUNNABLE_ASKER: Any = RunnableLambda(
    lambda _: {"left": interrupt("first?"), "right": interrupt("second?")}, name="asker"
)


def inquiring_graph() -> Any:
    """Return a graph with many questions in one node."""
    graph = StateGraph(Answers)
    graph.add_node("ask", lambda _: {"left": [interrupt(f"{number}?") for number in range(QUESTIONS)]})
    graph.add_edge(START, "ask")
    return graph.compile(name="asker")


@specialist("asker")
def inquirer(brief: Brief) -> Any:
    return {"left": [interrupt(f"{number}?") for number in range(QUESTIONS)]}
