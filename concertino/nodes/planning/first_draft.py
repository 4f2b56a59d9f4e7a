"""Where a plan comes from when no model helps: the caller, else a rule, else every fitting specialist."""

from __future__ import annotations

from collections.abc import Sequence

from concertino.contracts.limits import Limits
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.fallback import fallback_plan
from concertino.nodes.planning.rules import plan_by_rules
from concertino.nodes.planning.workflows import Workflow


def first_draft(
    task: Task,
    workflows: Sequence[Workflow],
    cards: Cards,
    *,
    standings: Standings | None = None,
    limits: Limits | None = None,
) -> Draft:
    """Return the draft for `task`; its origin says which of the three it is.

    Raises:
        PlanInvalid: a rule expands past the limits, or no specialist fits the task.
    """
    if task.plan is not None:
        return Draft(task.plan, "caller")
    ruled = plan_by_rules(task, workflows, limits=limits)
    return ruled if ruled is not None else fallback_plan(task, cards, standings=standings, limits=limits)
