"""The plan that a run begins with, made and validated at the door."""

from __future__ import annotations

from typing import cast

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan
from concertino.contracts.task import Task
from concertino.graph.dataflow.dispatch import standings
from concertino.graph.options import Options
from concertino.graph.runs.gates import check_names
from concertino.graph.runs.money import for_work
from concertino.graph.state import Policy
from concertino.journal.awaiting import wait
from concertino.nodes.planning.complexity import assess
from concertino.nodes.planning.drafting import requirements_of
from concertino.nodes.planning.first_draft import first_draft
from concertino.nodes.planning.rules import plan_by_rules
from concertino.nodes.planning.validate import validate_draft
from concertino.tools.models.roster import PLAN


async def draft(options: Options, task: Task, policy: Policy) -> tuple[Plan | None, JsonObject]:
    """Return the plan of a task and its complexity; no plan where a model has to make it.

    That happens inside the run, where its requests are charged and every step is on the record.

    Raises:
        InputError: a faulty plan.
        PlanInvalid: a plan that cannot be carried out.
    """
    known = standings(options, await wait(options.journal.record()))
    cards = options.cards
    if task.plan is None and options.models.led_by(policy.model).of_node(PLAN) is not None:
        ruled = plan_by_rules(task, options.workflows, limits=options.limits)
        if ruled is None or ruled.holes:
            return None, cast("JsonObject", assess(task, None, cards, budget=policy.budget).model_dump(mode="json"))
    made = first_draft(
        task, options.workflows, cards, standings=known, limits=options.limits, constraints=options.constraints,
        gates=options.gates,
    )  # fmt: skip
    plan = validate_draft(
        made, task=task, cards=cards, limits=options.limits, budget=for_work(options, policy.budget), standings=known
    )
    if plan.origin != "caller" and plan.requirements is None:
        plan = plan.model_copy(update={"requirements": requirements_of(task)})
    check_names(plan)
    return plan, cast("JsonObject", assess(task, plan, cards, budget=policy.budget).model_dump(mode="json"))
