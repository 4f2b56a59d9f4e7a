"""Replanning inside a run: once a dispatch has come to rest, what stayed failed is given another plan, on the record first.

Rules come first and cost nothing; what they leave goes to `Options.replan`, if there is one. A run is replanned at most
`Options.replans` times, never once its budget is used up, and nothing that still runs or has completed is touched. The
plan in force is the newest on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from concertino.contracts.errors import JournalError, StaleLease
from concertino.contracts.event import EventType
from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan
from concertino.contracts.scope import Scope, scoped
from concertino.graph.dataflow.dispatch import plan_of, standings
from concertino.graph.runs.binding import binding
from concertino.graph.runs.edits import input_schemas
from concertino.graph.runs.gates import PLAN_GATE, check_names, review_gate
from concertino.graph.runs.money import for_work
from concertino.graph.runs.run import Run
from concertino.journal.awaiting import wait
from concertino.nodes.planning.cone import (
    Means,
    Refused,
    Replan,
    failed_roots,
    replaced_by_draft,
    replaced_by_rule,
    stand_ins,
)
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.drafting import draft_cone
from concertino.nodes.planning.drafting.cone import Redrafted
from concertino.nodes.planning.requirements import with_criteria
from concertino.tools.models.roster import PLAN

TIME_SHARE = 0.5
"""Most of a run's remaining seconds that drafting a replacement may take, so that its work has time; chosen by hand."""


@dataclass(slots=True)
class Replanned:
    """What replanning came to."""

    plan: Plan
    by: list[str]
    """`rule`, `model` or both."""
    replaced: list[str]
    """Failed subtasks whose cone has another plan now."""
    refusals: list[str]
    """Why a draft was not taken."""


class Halting:
    """Drafting that a cancelled run stops."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task

    def halt(self, reason: str | None = None) -> None:
        """Stop it."""
        self._task.cancel(reason)


async def replan(run: Run, *, given_up: Collection[str]) -> list[str]:
    """Replan what stayed failed, if it may be, and return the failed subtasks for which there is no other plan.

    Args:
        run: Come to rest.
        given_up: Failed subtasks for which that was found before.

    Raises:
        StaleLease: another process took the run over.
        JournalError: the storage refused.
    """
    given_up = list(given_up)
    if run.cancel_reason is not None or not run.has_time() or run.money.ledger.is_halted:
        return given_up
    if len(run.replans) >= run.options.replans:
        return given_up
    plan = plan_of(run)
    states = {sid: str(record["state"]) for sid, record in run.records.items()}
    roots = failed_roots(plan, states, excused={*given_up, *(sid for sid in states if _is_settled(run, sid))})
    if not roots:
        return given_up
    made = await _replanned(run, plan, roots)
    run.check()
    for refusal in made.refusals:
        run.emit("PLAN_REJECTED", payload={"reason": refusal, "failed": cast("Any", list(roots))})
    if made.replaced:
        await _adopt(run, plan, made)
    return [*given_up, *(root for root in roots if root not in made.replaced)]


def _is_settled(run: Run, subtask_id: str) -> bool:
    """Say whether a failed subtask is not to be replanned: a person has decided on it, or doing it again could act twice."""
    return _is_final(run, subtask_id, run.records[subtask_id])


def _is_final(run: Run, subtask_id: str, told: JsonObject) -> bool:
    if run.questions.book.answer_of(review_gate(subtask_id)) is not None:
        return True
    record = cast("Any", told)
    tried = [run.options.specialists.get(str(name)) for name in record.get("tried") or [record.get("specialist")]]
    is_once = any(known is not None and known.card.delivery == "at_most_once" for known in tried)
    return is_once and bool(record.get("attempts") or run.history.started.get(subtask_id))


def may_be_replanned(run: Run, plan: Plan, subtask_id: str, told: JsonObject) -> bool:
    """Say whether a subtask that has just failed may find another plan once the run has come to rest.

    `told` is what its record will have of `specialist`, `tried`, `refused` and `attempts`.
    """
    if len(run.replans) >= run.options.replans or run.money.ledger.is_halted or _is_final(run, subtask_id, told):
        return False
    if replanner_of(run) is not None:
        return True
    tried, refused = cast("list[str]", told["tried"]), cast("list[str]", told["refused"])
    able = stand_ins(plan, subtask_id, tried, _means(run, plan, run.standings, None))
    return any(one.specialist not in refused for one in able)


async def _replanned(run: Run, plan: Plan, roots: Collection[str]) -> Replanned:
    known = standings(run.options, await wait(run.options.journal.record()))
    made = Replanned(plan, [], [], [])
    try:
        bound_by = binding(run, plan)
    except Refused as error:
        made.refusals.append(str(error))
        return made
    for root in roots:
        record = cast("Any", run.records[root])
        tried: list[str] = record.get("tried") or [record.get("specialist")]
        refused: list[str] = record.get("refused") or []
        means = _means(run, made.plan, known, bound_by)
        other = replaced_by_rule(made.plan, root, tried=tried, refused=refused, means=means)
        if other is not None and _is_sound(other, made.refusals):
            made.plan, made.by = other, ["rule"]
            made.replaced.append(root)
    left = [root for root in roots if root not in made.replaced]
    replanner = replanner_of(run)
    if not left or replanner is None:
        return made
    source = run.models.roster.of_node(PLAN) if run.options.replan is None else None
    if source is not None and (why_not := run.money.endpoints.why_not(source.endpoint)) is not None:
        made.refusals.append(f"no model is asked for another plan: {why_not}")
        return made
    proposed = await _drafted(run, replanner, made.plan, left, made.refusals)
    if proposed is not None:
        approved = run.policy.require_approval or plan.gate is not None or bool(run.questions.book.answer_of(PLAN_GATE))
        try:
            other = replaced_by_draft(
                made.plan, left, proposed, approve=approved, means=_means(run, made.plan, known, bound_by)
            )
        except Refused as error:
            made.refusals.append(str(error))
        else:
            if _is_sound(other, made.refusals):
                made.plan, made.by, made.replaced = other, [*made.by, "model"], [*made.replaced, *left]
    return made


def replanner_of(run: Run) -> Replan | None:
    """Return who drafts what takes the place of a cone that no rule replaces."""
    if run.options.replan is not None or run.models.roster.of_node(PLAN) is None:
        return run.options.replan

    def on_step(kind: EventType, payload: JsonObject) -> None:
        run.emit(kind, payload=payload)

    async def drafted(plan: Plan, failed: Sequence[str], findings: Mapping[str, Finding]) -> Redrafted | None:
        made = await draft_cone(
            plan, failed, findings, task=run.task, model=run.models.of_node(PLAN, deadline=run.work_deadline),
            cards=run.options.cards, limits=run.options.limits, budget=for_work(run.options, run.policy.budget),
            standings=run.standings, on_step=on_step,
        )  # fmt: skip
        if made is not None:
            run.models.prompts.update(made.prompts)
        return made

    return drafted


def _means(run: Run, plan: Plan, known: Mapping[str, Any], bound_by: Draft | None) -> Means:
    mine = {subtask.id: subtask for subtask in plan.subtasks}
    return Means(
        task=with_criteria(run.task, plan),
        cards=run.options.cards,
        standings=known,
        limits=run.options.limits,
        budget=for_work(run.options, run.policy.budget),
        number=len(run.replans) + 1,
        taken={*run.records, *run.history.started},
        now=lambda sid: run.edited(mine[sid]),
        bound_by=bound_by,
    )


def _is_sound(plan: Plan, refusals: list[str]) -> bool:
    try:
        check_names(plan)
    except ValueError as error:
        refusals.append(str(error))
        return False
    return True


async def _drafted(run: Run, replanner: Replan, plan: Plan, roots: list[str], refusals: list[str]) -> Plan | None:
    """Return what was drafted for the cone of `roots`; whatever drafting does, the run goes on with what it has."""
    findings: dict[str, Finding] = {
        subtask.id: found for subtask in plan.subtasks if (found := run.finding(subtask.id)) is not None
    }
    left_s = run.remaining_s()
    with scoped(Scope(PLAN, attempt=len(run.replans) + 2)):  # the first is that of the plan itself
        work = asyncio.ensure_future(_called(replanner, plan, roots, findings))
    work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # also of one that nobody waits for
    halting = Halting(work)
    run.at_work[halting] = None
    try:
        await asyncio.wait({work}, timeout=None if left_s is None else left_s * TIME_SHARE)
        if work.cancelled():  # with the run
            return None
        if not work.done():
            refusals.append("the draft took too long")
            return None
        return work.result()
    except (StaleLease, JournalError):
        raise
    except Exception as error:  # noqa: BLE001 - who drafts may raise anything, and failure is data
        refusals.append(f"the draft failed ({type(error).__name__}: {error})")
        return None
    finally:
        work.cancel()
        run.at_work.pop(halting, None)


async def _called(replanner: Replan, plan: Plan, roots: list[str], findings: dict[str, Finding]) -> Plan | None:
    proposed = await replanner(plan, roots, findings)
    return Plan.model_validate(proposed.plan) if proposed is not None else None


async def _adopt(run: Run, old: Plan, made: Replanned) -> None:
    before, after = ({subtask.id for subtask in plan.subtasks} for plan in (old, made.plan))
    failed: list[JsonObject] = []
    for sid in made.replaced:
        record = run.records[sid]
        failed.append({key: record.get(key) for key in ("subtask_id", "specialist", "error", "reason", "usage")})
    removed = [subtask.id for subtask in old.subtasks if subtask.id not in after]
    added = [subtask.id for subtask in made.plan.subtasks if subtask.id not in before]
    entry: JsonObject = {
        "number": len(run.replans) + 1,
        "by": cast("Any", made.by),
        "failed": cast("Any", failed),
        "removed": cast("Any", removed),
        "added": cast("Any", added),
        "reason": f"{', '.join(made.replaced)} stayed failed",
    }
    note = f"replan {entry['number']}: {entry['reason']}; {', '.join(added)} take the place of {', '.join(removed)}"
    plan = made.plan.model_copy(update={"notes": (*made.plan.notes, note)})
    schemas = input_schemas(plan, run.options.cards)
    dumped = plan.model_dump(mode="json")
    await run.commit("RUN_REPLANNED", payload={**entry, "plan": dumped, "input_schemas": schemas})
    run.change_plan(plan, entry)
