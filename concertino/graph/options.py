"""What a planner was built from, checked once."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from concertino.contracts.budget import Budget
from concertino.contracts.clock import Clock
from concertino.contracts.event import Event
from concertino.contracts.ids import Ids, new_id
from concertino.contracts.journal import Journal
from concertino.contracts.limits import Limits
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task
from concertino.graph.load import Load
from concertino.graph.state import Policy
from concertino.graph.trust import Trust
from concertino.nodes.planning.cone import Replan
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.drafting import PlanCache
from concertino.nodes.planning.gate_policy import GatePolicy
from concertino.nodes.planning.workflows import Workflow
from concertino.nodes.specialists.declare import Specialist
from concertino.tools.breaker import Breakers
from concertino.tools.models.prices import Price
from concertino.tools.models.roster import Roster
from concertino.tools.registry import Tool

Aggregate = Callable[..., Any]
"""`(findings by subtask id, task) -> answer`: a pack's own merging; synthesis still reports shares and dissent."""

Prepare = Callable[[Task], Task]
"""A pack's own completion of a task; gives the same for what it gave."""


@dataclass(frozen=True, slots=True)
class Options:
    """A planner's parts. Shared by all its runs; nothing in it changes but breakers, load and journal."""

    specialists: Mapping[str, Specialist]
    tools: Mapping[str, Tool]
    workflows: tuple[Workflow, ...]
    policy: Policy
    limits: Limits
    journal: Journal
    clock: Clock
    breakers: Breakers
    load: Load
    authority: Mapping[str, float]
    trust: Trust | None = None
    """What the synthesis learns from; `None` merges by the formula."""
    floor: Budget | None = None
    node_budgets: Mapping[str, Budget] = field(default_factory=dict)
    aggregate: Aggregate | None = None
    prepare: Prepare | None = None
    escalate: str = "flag"
    """What happens to a required subtask that stays failed: `flag` it for review, or `ask` a person before going on."""
    replans: int = 1
    """How often a run's plan may be changed for what stayed failed."""
    replan: Replan | None = None
    """Drafts another plan for what stayed failed where no rule does."""
    reallocate: str = "shares"
    """What of specialists that are done flows to the others: their `shares`, also their `budgets`, or `nothing`."""
    listeners: tuple[Callable[[Event], None], ...] = ()
    models: Roster = field(default_factory=Roster)
    prices: Mapping[str, Price] = field(default_factory=dict)
    """Prices of models by name, before those of the offline snapshot."""
    constraints: Constraints | None = None
    """What holds for every plan, beside a workflow's own."""
    gates: tuple[GatePolicy, ...] = ()
    """Policies that place gates in every plan."""
    plan_cache: PlanCache | None = None
    """Plans that models drafted before; `None` keeps none."""
    allow_uncapped: bool = False
    """Whether foreign models without an output cap may be called; what they use over their hold is a recorded breach."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Parts of the run's budget by node or specialist."""
    name: str = "concertino"
    nested: BaseCheckpointSaver[Any] = field(default_factory=InMemorySaver)
    """Keeps specialists that are graphs where the run has no checkpointer: what they ask can be answered while this lives."""
    ids: Ids = new_id
    """Makes the ids of tasks, runs, threads, dispatches and calls."""
    random: Callable[[], float] = random.random
    """Where the jitter of waits comes from, 0-1."""
    double: Callable[[Any], Any] | None = None
    """Given a model of LangChain's that code inside a specialist calls, returns the one that is called instead."""

    now: Callable[[], float] | None = None
    """What specialists read as the time, in seconds since 1970-01-01 UTC; `None` is the clock's."""

    @property
    def cards(self) -> dict[str, SpecialistCard]:
        """Return the specialists' declarations by name."""
        return {name: known.card for name, known in self.specialists.items()}
