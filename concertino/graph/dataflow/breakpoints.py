"""Where a compiled graph stands on its thread when it has neither ended nor asked: at a breakpoint, or where its process died."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Interrupt

from concertino.graph.runs.entry import configurable


def is_under_way(snapshot: Any) -> bool:
    """Say whether a graph is on its way without asking anything."""
    # `next` leaves out nodes whose writes were kept and not yet applied when their process died.
    return bool(snapshot.tasks) and not snapshot.interrupts


def breakpoint_of(snapshot: Any) -> Interrupt:
    """Return the question of a graph that stopped by itself (`interrupt_before`, `interrupt_after`), known by where it stands."""
    ahead = list(snapshot.next)
    return Interrupt(value={"question": f"Go on with {', '.join(ahead)}?", "next": ahead}, id=_place(snapshot))


def stops(graph: Any, snapshot: Any) -> list[RunnableConfig]:
    """Return the checkpoints of a graph, or of those inside it, that stopped there or may have.

    The state does not tell which nodes ran last, and so whether `interrupt_after` was meant.
    """
    inside = dict(graph.get_subgraphs())
    below = [
        place
        for task in snapshot.tasks
        if task.name in inside and hasattr(task.state, "tasks")
        for place in stops(inside[task.name], task.state)
    ]
    if below or not snapshot.next:
        return below
    before = graph.interrupt_before_nodes
    may_stop = graph.interrupt_after_nodes or before == "*" or not set(before).isdisjoint(snapshot.next)
    return [snapshot.config] if may_stop else []


def _place(snapshot: Any) -> str:
    """Return the ids of the checkpoints of a graph and of the subgraphs in which it stands."""
    below = [task.state for task in snapshot.tasks if hasattr(task.state, "tasks")]
    return ".".join([str(configurable(snapshot.config).get("checkpoint_id")), *map(_place, below)])
