"""Another plan for what failed, by a model: rights only ever narrower, what stands untouched.

Whatever comes from here is judged once more by whoever replans, as a draft of anybody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from concertino.contracts.budget import DIMENSIONS, Budget
from concertino.contracts.errors import PlanInvalid
from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject, dump
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Fault, Plan, Subtask
from concertino.contracts.requirements import Requirements
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning.cone import cone, rights
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.drafting.granted import FIELDS, granted
from concertino.nodes.planning.drafting.judging import NO_PLAN
from concertino.nodes.planning.drafting.material import request, specialists
from concertino.nodes.planning.drafting.placing import kept_as_set, rows_of
from concertino.nodes.planning.drafting.requirements import with_criteria
from concertino.nodes.planning.drafting.talk import Model, OnStep, Verdict, converse
from concertino.nodes.planning.mending import mend
from concertino.nodes.planning.reader import read_plan
from concertino.nodes.planning.validate import validate_draft
from concertino.prompts import fence, load

MORE = 2
"""Subtasks that a replacement may have beyond those it replaces; chosen by hand."""
FINDING_CHARS = 4_000
FINDINGS_CHARS = 30_000
PLAN_CHARS = 30_000
OWN = FIELDS - {"stage"}


@dataclass(frozen=True, slots=True)
class Redrafted:
    """What a model proposes for a cone."""

    plan: Plan
    """The plan's own subtasks outside the cone, and new ones."""
    repairs: int = 0
    prompts: dict[str, str] = field(default_factory=dict)
    """Hashes by name."""


async def draft_cone(
    plan: Plan,
    failed: Sequence[str],
    findings: Mapping[str, Finding],
    *,
    task: Task,
    model: Model | None,
    cards: Cards,
    limits: Limits,
    budget: Budget | None = None,
    standings: Standings | None = None,
    on_step: OnStep | None = None,
) -> Redrafted | None:
    """Return what may take the place of the cone of `failed`, or `None` where no model has a valid idea.

    The replacement may ask only whom the plan may ask, has the failed subtasks' budget, attempts and stage, and sets no gate,
    condition or bound of its own. With all but the first three arguments bound it is a `Replan`.

    Args:
        plan: in force.
        failed: subtasks at the cone's root.
        findings: so far, by subtask.
        task: whose plan it is.
        model: who drafts, bound to the planning budget.
        cards: the specialists there are.
        limits: bounds on size.
        budget: what the run may use.
        standings: how the specialists are doing.
        on_step: told of PLAN_DRAFTED, PLAN_REJECTED and PLAN_REPAIRED.

    Raises:
        StaleLease: another process took the run over.
        JournalError: the storage refused.
    """
    gone = set(cone(plan, failed))
    if model is None or not gone:
        return None
    allowed = rights(plan, cards, standings or {})
    patch = _Patch(
        plan=plan,
        kept=tuple(one for one in plan.subtasks if one.id not in gone),
        gone=tuple(one for one in plan.subtasks if one.id in gone),
        stage=next((one.stage for one in plan.subtasks if one.id in failed), None),
        task=with_criteria(task, plan),
        cards={name: card for name, card in cards.items() if name in allowed},
        limits=limits,
        budget=budget,
        standings=standings,
    )
    told = on_step or (lambda kind, payload: None)
    ended = await converse(model, patch.messages(failed, findings), judge=patch.judge, on_step=told)
    if ended.verdict is None or ended.verdict.plan is None:
        told("PLAN_REJECTED", {"reason": ended.reason, "failed": [*failed]})
        return None
    names = ("replan", "repair") if ended.repairs else ("replan",)
    return Redrafted(ended.verdict.plan, ended.repairs, {name: load(name).hash for name in names})


@dataclass(frozen=True, slots=True)
class _Patch:
    """One cone, and what a replacement of it is judged with."""

    plan: Plan
    kept: tuple[Subtask, ...]
    gone: tuple[Subtask, ...]
    stage: str | None
    task: Task
    cards: Cards
    """Of those alone whom the plan may ask."""
    limits: Limits
    budget: Budget | None
    standings: Standings | None

    @property
    def most(self) -> int:
        return max(1, min(len(self.gone) + MORE, self.limits.subtasks - len(self.kept)))

    def messages(self, failed: Sequence[str], findings: Mapping[str, Finding]) -> list[dict[str, str]]:
        stands: list[JsonValue] = [
            {**_told(one), "state": "done" if one.id in findings else "not done yet"} for one in self.kept
        ]
        fell: list[JsonValue] = [
            {**_told(one), "state": "failed" if one.id in failed else "builds on what failed"} for one in self.gone
        ]
        results = [dump({"id": one.id, "result": found.output})[:FINDING_CHARS]
                   for one in self.kept if (found := findings.get(one.id)) is not None]  # fmt: skip
        parts = [
            request(self.task),
            specialists(self.cards),
            f"What failed, and what builds on it:\n{fence(dump(fell)[:PLAN_CHARS], source='the failed part of the plan')}",
        ]
        if stands:
            parts.append(f"What stands:\n{fence(dump(stands)[:PLAN_CHARS], source='the rest of the plan')}")
        if results:
            parts.append(
                f"Results so far:\n{fence(chr(10).join(results)[:FINDINGS_CHARS], source='findings of specialists')}"
            )
        return [
            {"role": "system", "content": load("replan").fill(most=str(self.most))},
            {"role": "user", "content": "\n\n".join(parts)},
        ]

    def judge(self, answer: object, _held: Requirements | None = None) -> Verdict:
        """Return what a replacement in `answer` comes to; what the task asks for is known, and no answer changes it."""
        reading = read_plan(answer, specialists=self.cards)
        if reading.plan is None:
            return Verdict("none", 0, reading.notes, (), (NO_PLAN,), "")
        left = granted(reading.plan, fields=OWN)
        stands = {one.id for one in self.kept}
        own: list[JsonObject] = [row for row in left.rows if row.get("id") not in stands]
        told = (*reading.notes, *left.notes)
        new = [self._bounded(row, len(own)) for row in own]
        before = Draft(
            {"subtasks": [*(one.model_dump(mode="json", exclude_unset=True) for one in self.kept), *new]},
            self.plan.origin, self.plan.workflow, told,
        )  # fmt: skip
        given = replace(before, plan={**before.plan, "links": left.links}) if left.links else before
        mended = mend(
            given, task=self.task, cards=self.cards, limits=self.limits, budget=self.budget, standings=self.standings,
            drop_unknown=False,
        )  # fmt: skip
        draft, made, faults = mended.draft, mended.plan, mended.faults
        if mended.notes:
            draft = kept_as_set(before, mended.draft, frozenset(stands))
            made, faults = self._judged(draft)
        if (odd := self._beyond(own)) is not None:
            made, faults = None, (odd, *faults)
        mine: list[JsonValue] = [row for row in rows_of(draft) if row.get("id") not in stands]
        return Verdict(reading.form, len(own), told, mended.notes, faults, dump({"subtasks": mine}), made, draft)

    def _judged(self, draft: Draft) -> tuple[Plan | None, tuple[Fault, ...]]:
        try:
            plan = validate_draft(
                draft,
                task=self.task,
                cards=self.cards,
                limits=self.limits,
                budget=self.budget,
                standings=self.standings,
            )
        except PlanInvalid as error:
            return None, tuple(error.faults)
        return plan, ()

    def _beyond(self, rows: Sequence[JsonObject]) -> Fault | None:
        if not rows:
            return Fault(
                code="empty",
                place="plan.subtasks",
                message="nothing takes the place of what failed",
                fix="plan it anew",
            )
        if len(rows) > self.most:
            return Fault(
                code="too_many", place="plan.subtasks", value=len(rows), fix="join some of them",
                message=f"{len(rows)} subtasks for {len(self.gone)} that failed, at most {self.most} may be",
            )  # fmt: skip
        return None

    def _bounded(self, row: JsonObject, count: int) -> JsonObject:
        """Return a new subtask within what the failed ones might use."""
        made: JsonObject = {**row, "max_attempts": min(one.max_attempts for one in self.gone)}
        if self.stage is not None:
            made["stage"] = self.stage
        share = _share([one.budget or Budget() for one in self.gone], count)
        if share != Budget():
            made["budget"] = share.model_dump(mode="json", exclude_none=True)
        return made


def _share(budgets: Sequence[Budget], count: int) -> Budget:
    """Return what each of `count` new subtasks may use.

    Where every failed one had a bound, an equal part of their sum; where only some had, at most the highest of these.
    """
    parts: dict[str, Any] = {}
    for dimension in DIMENSIONS:
        known = [value for one in budgets if (value := getattr(one, dimension)) is not None]
        if known and len(known) == len(budgets):
            whole = sum(known)
            parts[dimension] = whole / count if dimension == "usd" else whole // count
        elif known:
            parts[dimension] = max(known)
    seconds = [one.seconds for one in budgets if one.seconds is not None]
    return Budget.model_validate({**parts, "seconds": max(seconds) if seconds else None})


def _told(subtask: Subtask) -> JsonObject:
    return subtask.model_dump(
        mode="json", include={"id", "specialist", "objective", "inputs", "needs", "covers"}, exclude_defaults=True
    )
