"""Giving LangGraph our nodes, every branch labelled."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Hashable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph

from concertino.graph import routes, steps
from concertino.graph.options import Options
from concertino.graph.runs.entry import entry_of
from concertino.graph.runs.voice import stream_writer
from concertino.graph.state import PlannerContext, PlannerInput, PlannerOutput, PlannerState, SubtaskInput
from concertino.tools.background import conducting


class Node(Runnable[Any, Any]):
    """A node of the graph."""

    def __init__(self, name: str, body: routes.Step) -> None:
        self.name, self._body = name, body

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run the node for a synchronous caller; `PlannerGraph` itself conducts such runs on a loop."""
        return conducting().run(self.ainvoke(input, config), context=contextvars.copy_context())

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run the node."""
        if entry_of(config or {}).is_watched:
            stream_writer.set(get_stream_writer())
        return await self._body(input, config or {})


class Way(Runnable[Any, Any]):
    """The way on from a node, found without giving up control.

    LangGraph keeps what a node wrote until it was cancelled. Cancelled between its state and the way on, a run would be
    taken for ended.
    """

    def __init__(self, choose: Callable[[Any, RunnableConfig], Any], *, name: str) -> None:
        self.name, self._choose = name, choose

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Return where the node leads."""
        return self._choose(input, config or {})

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Return where the node leads."""
        return self._choose(input, config or {})


def wire(options: Options) -> StateGraph[Any, Any, Any, Any]:
    """Return the planner's graph: one literal node for each specialist, every branch labelled."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        PlannerState, context_schema=PlannerContext, input_schema=PlannerInput, output_schema=PlannerOutput
    )
    for name, body in routes.STEPS.items():
        graph.add_node(name, Node(name, body))
    for name, specialist in options.specialists.items():
        about: dict[str, Any] = {"authority": specialist.card.authority}
        if specialist.card.description:
            about["description"] = specialist.card.description
        graph.add_node(name, Node(name, steps.work), input_schema=SubtaskInput, metadata=about)
        graph.add_edge(name, routes.JOIN)
    graph.add_edge(START, routes.FIRST)
    for name, branch in routes.BRANCHES.items():
        ways: dict[Hashable, str] = dict(branch.ways.items())
        graph.add_conditional_edges(name, Way(branch.chosen, name=f"after_{name}"), ways)
    sends: dict[Hashable, str] = {f"subtasks for {name}": name for name in options.specialists}
    sending = Way(steps.after_dispatch, name=f"after_{routes.DISPATCH}")
    graph.add_conditional_edges(routes.DISPATCH, sending, {**sends, "nothing left": routes.JOIN})
    for name, following in routes.EDGES.items():
        graph.add_edge(name, following)
    return graph
