"""Where a plan comes from when no model helps: the caller, else a rule, else every fitting specialist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from concertino.contracts.limits import Limits
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.fallback import fallback_plan
from concertino.nodes.planning.filling import close_holes
from concertino.nodes.planning.gate_policy import GatePolicy
from concertino.nodes.planning.rules import plan_by_rules
from concertino.nodes.planning.workflows import Workflow


def first_draft(
    task: Task,
    workflows: Sequence[Workflow],
    cards: Cards,
    *,
    standings: Standings | None = None,
    limits: Limits | None = None,
    constraints: Constraints | None = None,
    gates: Sequence[GatePolicy] = (),
) -> Draft:
    """Return the draft for `task`, holes closed by rule; its origin says which of the three it is.

    Args:
        task: what is asked.
        workflows: the rules.
        cards: the specialists there are.
        standings: how they are doing.
        limits: bounds on size.
        constraints: the planner's own, for every plan, beside a workflow's.
        gates: the planner's own policies, behind a workflow's.

    Raises:
        PlanInvalid: a rule expands past the limits, or no specialist fits the task.
    """
    if task.plan is not None:
        return under(Draft(task.plan, "caller"), constraints=constraints, gates=gates)
    ruled = plan_by_rules(task, workflows, limits=limits)
    if ruled is not None:
        whole = under(ruled, constraints=constraints, gates=gates)
        return close_holes(whole, task=task, cards=cards, standings=standings, limits=limits)
    spare = fallback_plan(task, cards, standings=standings, limits=limits, constraints=constraints)
    return under(spare, constraints=constraints, gates=gates)


def under(draft: Draft, *, constraints: Constraints | None = None, gates: Sequence[GatePolicy] = ()) -> Draft:
    """Return `draft` bound by the planner's own constraints and policies too. Done twice, they hold once."""
    both = draft.constraints.joined(constraints) if draft.constraints is not None else constraints
    return replace(draft, constraints=both, gates=tuple(dict.fromkeys((*draft.gates, *gates))))
