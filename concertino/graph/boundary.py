"""A planner's boundary: everything by which the outside reaches a run, or a run the outside.

The same planner at another boundary is how a run is recorded, replayed or simulated: nothing inside knows of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from concertino.contracts.clock import Clock
from concertino.contracts.ids import Ids
from concertino.contracts.journal import Journal
from concertino.graph.load import Load
from concertino.graph.options import Options
from concertino.nodes.specialists.declare import Specialist
from concertino.tools.breaker import Breakers
from concertino.tools.models.sources import ModelSource
from concertino.tools.registry import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """What takes the place of a planner's own; what is left out stays as it is."""

    clock: Clock | None = None
    journal: Journal | None = None
    ids: Ids | None = None
    """Makes ids of tasks, runs, threads, dispatches and calls."""
    random: Callable[[], float] | None = None
    """Jitter of waits, 0-1."""
    readings: Callable[[Callable[[], float]], Callable[[], float]] | None = None
    """Given the wall clock that specialists look at: what they read there may be part of what they say."""
    models: Callable[[ModelSource], ModelSource] | None = None
    """Given every model of the planner and its specialists, and one that an invocation's context names."""
    doubles: Callable[[Any], Any] | None = None
    """Given every model of LangChain's that code inside a specialist calls by itself, within `foreign_doubles.doubling`."""
    tools: Callable[[Tool], Tool] | None = None
    """Given every tool of the planner and its specialists; must keep the name."""
    specialists: Callable[[Specialist], Specialist] | None = None
    """Given every specialist; must keep the card."""
    checkpointer: Any = None
    """LangGraph's saver; without one a run keeps no checkpoints, whatever the planner was given."""


ambient: ContextVar[Boundary | None] = ContextVar("concertino_boundary", default=None)
"""Where every planner stands that is made in this context: for those that make their planners themselves, as packs do."""


def options_at(boundary: Boundary, options: Options) -> Options:
    """Return a planner's parts at another boundary, with breakers, plans and memories of its own."""
    clock, through, instead = boundary.clock or options.clock, boundary.tools, boundary.specialists
    tools, specialists = options.tools, options.specialists
    if through is not None:
        tools = {name: through(tool) for name, tool in tools.items()}
        specialists = {name: _with_tools(known, through) for name, known in specialists.items()}
    if instead is not None:
        specialists = {name: instead(known) for name, known in specialists.items()}
    journal = boundary.journal or options.journal
    return replace(
        options,
        clock=clock,
        journal=journal,
        trust=None if options.trust is None else options.trust.at(journal),
        ids=boundary.ids or options.ids,
        random=boundary.random or options.random,
        double=boundary.doubles or options.double,
        now=None if boundary.readings is None else boundary.readings(clock.now),
        models=options.models if boundary.models is None else options.models.changed(boundary.models),
        tools=tools,
        specialists=specialists,
        breakers=Breakers(clock=clock),
        load=Load(),
        plan_cache=None if options.plan_cache is None else options.plan_cache.anew(),
        nested=InMemorySaver(),
    )


def _with_tools(specialist: Specialist, through: Callable[[Tool], Tool]) -> Specialist:
    if not specialist.tools:
        return specialist
    return replace(specialist, tools=tuple(through(tool) for tool in specialist.tools))
