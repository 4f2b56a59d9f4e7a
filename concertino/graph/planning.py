"""Planning inside a run, by its model: every request is charged to the node `plan` and every step is on the record."""

from __future__ import annotations

import asyncio
from typing import cast

from concertino.contracts.event import EventType
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan
from concertino.graph.dataflow.dispatch import standings
from concertino.graph.runs.gates import check_names
from concertino.graph.runs.money import PLANNING_SHARE, for_work
from concertino.graph.runs.run import Run
from concertino.journal.awaiting import wait
from concertino.nodes.planning.complexity import assess
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.drafting import draft_plan
from concertino.nodes.planning.first_draft import first_draft
from concertino.nodes.planning.rules import plan_by_rules
from concertino.tools.models.roster import PLAN


class Interrupted:
    """Planning that a cancelled run stops."""

    def __init__(self, task: asyncio.Task[Plan]) -> None:
        self._task = task

    def halt(self, reason: str | None = None) -> None:
        """Stop it; the fallback plan takes its place."""
        self._task.cancel(reason)


async def plan_by_model(run: Run) -> tuple[Plan, JsonObject]:
    """Return the run's plan and its complexity: drafted by the model, else the fallback plan.

    Raises:
        PlanInvalid: neither the model nor the rules made a plan that can be carried out.
        StaleLease: another process took the run over.
    """
    options, task = run.options, run.task
    source = run.models.roster.of_node(PLAN)
    known = standings(options, await wait(options.journal.record()))
    cards, bounds = options.cards, options.limits

    def fallback() -> Draft:
        return first_draft(
            task,
            options.workflows,
            cards,
            standings=known,
            limits=bounds,
            constraints=options.constraints,
            gates=options.gates,
        )

    def on_step(kind: EventType, payload: JsonObject) -> None:
        run.emit(kind, payload=payload)

    drafted = await draft_plan(
        task,
        model=run.models.of_node(PLAN, deadline=_deadline(run)),
        cards=cards,
        limits=bounds,
        budget=for_work(options, run.policy.budget),
        standings=known,
        skeleton=plan_by_rules(task, options.workflows, limits=bounds),
        fallback=fallback,
        on_step=on_step,
        cache=options.plan_cache,
        model_name=source.name if source is not None else "",
        constraints=options.constraints,
        gates=options.gates,
    )
    run.models.prompts.update(drafted.prompts)
    check_names(drafted.plan)
    run.check()
    return drafted.plan, cast(
        "JsonObject", assess(task, drafted.plan, cards, budget=run.policy.budget).model_dump(mode="json")
    )


def _deadline(run: Run) -> float | None:
    left_s = run.remaining_s()
    return None if left_s is None else run.deadline_within(left_s * PLANNING_SHARE)
