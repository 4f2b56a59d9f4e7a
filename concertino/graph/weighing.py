"""What one more specialist would be worth, asked before a refinement or an optional subtask is started.

Source: Howard 1966, "Information value theory"; the figure is `nodes.synthesis.worth_of_one_more`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan, Subtask
from concertino.graph.dataflow import bodies
from concertino.graph.dataflow.dispatch import plan_of
from concertino.graph.trust import answer_of
from concertino.nodes.refinement import answering
from concertino.nodes.synthesis import Missing

if TYPE_CHECKING:
    from concertino.graph.runs.run import Run


async def weigh(run: Run, going: Sequence[str]) -> list[JsonObject]:
    """Return what was found for those of the subtasks that go out now and may be left out for it, and keep it for the run.

    Nothing is found without a track record that knows such answers, without `refine` in the plan, or before anything is found.
    What has to be known is known when a stage begins: what others find within it may come too late, so it is not waited for.
    """
    trust, plan = run.options.trust, plan_of(run)
    if trust is None or plan.refine is None or run.refinement is None:
        return []
    asked = [run.planned(subtask_id) for subtask_id in going if not run.history.started.get(subtask_id)]
    asked = [one for one in asked if not one.required or run.refinement.refined(one)]
    found = [finding for sid in answering(_heard(plan, run), run.records) if (finding := run.finding(sid)) is not None]
    heard = [answer for finding in found if (answer := answer_of(finding, run.task_id)) is not None]
    if not asked or not heard:
        return []
    cards = run.options.cards
    gains: dict[str, float | None] = {}
    told: list[JsonObject] = []
    for subtask in asked:
        name = subtask.specialist or ""
        if name not in gains:
            missing = Missing(specialist=name, authority=cards[name].authority)
            left_s = run.remaining_s()
            outcome = await bodies.finish(
                bodies.ThreadWork(partial(trust.worth, heard, missing)),
                timeout_s=None if left_s is None else left_s / 10,
            )
            gains[name] = None if isinstance(outcome, bodies.Raised) else outcome
        if (gain := gains[name]) is not None:
            told.append(_told(subtask, name, gain, plan.refine.min_worth))
    run.history.worth.update({str(one["subtask_id"]): one for one in told})
    return told


def _heard(plan: Plan, run: Run) -> Plan:
    """Return the plan with all that was found for its answer: what refines it may stand in its place later."""
    return plan if plan.answer is None else plan.model_copy(update={"answer": tuple(run.records)})


def _told(subtask: Subtask, name: str, gain: float, least: float) -> JsonObject:
    is_asked = gain >= least
    than = "at least" if is_asked else "less than"
    return {
        "subtask_id": subtask.id, "name": subtask.name or subtask.id, "specialist": name, "gain": gain, "least": least,
        "asked": is_asked,
        "reason": f"hearing {name} would raise the probability of a right answer by {gain:.2g}, {than} {least:g}",
    }  # fmt: skip
