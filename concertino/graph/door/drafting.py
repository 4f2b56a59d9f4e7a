"""The plan that a run begins with, made and validated at the door."""

from __future__ import annotations

from typing import cast

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan
from concertino.contracts.task import Task
from concertino.graph.dataflow.dispatch import standings
from concertino.graph.options import Options
from concertino.graph.runs.gates import check_names
from concertino.graph.state import Policy
from concertino.journal.awaiting import wait
from concertino.nodes.planning.complexity import assess
from concertino.nodes.planning.first_draft import first_draft
from concertino.nodes.planning.validate import validate_draft


async def draft(options: Options, task: Task, policy: Policy) -> tuple[Plan, JsonObject]:
    """Return the plan of a task and its complexity.

    Raises:
        InputError: a faulty plan.
        PlanInvalid: a plan that cannot be carried out.
    """
    known = standings(options, await wait(options.journal.record()), {})
    cards = options.cards
    made = first_draft(task, options.workflows, cards, standings=known, limits=options.limits)
    plan = validate_draft(made, task=task, cards=cards, limits=options.limits, budget=policy.budget, standings=known)
    check_names(plan)
    return plan, cast("JsonObject", assess(task, plan, cards).model_dump(mode="json"))
