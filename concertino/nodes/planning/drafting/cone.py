"""Another plan for what failed, by a model: rights only ever narrower, what stands untouched.

Whatever comes from here is judged once more by whoever replans, as a draft of anybody's.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from concertino.contracts.budget import DIMENSIONS, Budget
from concertino.contracts.errors import PlanInvalid
from concertino.contracts.finding import Finding
from concertino.contracts.ids import is_id
from concertino.contracts.json import JsonObject, dump
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Fault, Plan, Subtask
from concertino.contracts.requirements import Requirements
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning import references, routing
from concertino.nodes.planning.cone import cone, rights
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.drafting.granted import FIELDS, granted
from concertino.nodes.planning.drafting.judging import NO_PLAN
from concertino.nodes.planning.drafting.material import request, specialists
from concertino.nodes.planning.drafting.placing import kept_as_set, rows_of
from concertino.nodes.planning.drafting.talk import Model, OnStep, Verdict, converse
from concertino.nodes.planning.mending import mend
from concertino.nodes.planning.reader import read_plan
from concertino.nodes.planning.requirements import with_criteria
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

    The replacement may ask only who is in the plan or shares a capability with the failed ones, and has their budget, attempts,
    stage and deadline; it is required where they were, and sets no gate, condition or bound of its own. With all but the first
    three arguments bound it is a `Replan`.

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
    allowed = _askable(plan, failed, cards, standings or {})
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
    """Of those alone whom a replacement may ask."""
    limits: Limits
    budget: Budget | None
    standings: Standings | None

    @property
    def most(self) -> int:
        return max(1, min(len(self.gone) + MORE, self.limits.subtasks - len(self.kept)))

    @property
    def short(self) -> dict[str, str]:
        """The names by which a model is told of the plan's subtasks: an id of ours is long, and none that an answer may have."""
        told = {str(one.id): str(one.id) for one in self.plan.subtasks if is_id(one.id)}
        for letter, members in (("k", self.kept), ("f", self.gone)):
            free = (name for number in itertools.count(1) if (name := f"{letter}{number}") not in told)
            told |= {str(one.id): next(free) for one in members if not is_id(one.id)}
        return told

    def messages(self, failed: Sequence[str], findings: Mapping[str, Finding]) -> list[dict[str, str]]:
        short = self.short
        stands: list[JsonValue] = [
            {**_told(one, short), "state": "done" if one.id in findings else "not done yet"} for one in self.kept
        ]
        fell: list[JsonValue] = [
            {**_told(one, short), "state": "failed" if one.id in failed else "builds on what failed"}
            for one in self.gone
        ]
        results = [dump({"id": short[one.id], "result": found.output})[:FINDING_CHARS]
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
        stands = frozenset(str(one.id) for one in self.kept)
        meant = self._meant()
        own = [_renamed(row, meant) for row in left.rows if row.get("id") not in meant]
        links = [_relinked(link, meant) for link in left.links]
        repeated = sorted(str(row["id"]) for row in left.rows if row.get("id") in meant)
        told = (*reading.notes, *left.notes, *(f"{name}: stands, what was said of it is left out" for name in repeated))
        new = self._bounded(own)
        before = Draft(
            {"subtasks": [*(one.model_dump(mode="json", exclude_unset=True) for one in self.kept), *new]},
            self.plan.origin, self.plan.workflow, told,
        )  # fmt: skip
        given = replace(before, plan={**before.plan, "links": links}) if links else before
        mended = mend(
            given, task=self.task, cards=self.cards, limits=self.limits, budget=self.budget, standings=self.standings,
            drop_unknown=False,
        )  # fmt: skip
        draft, made, faults = mended.draft, mended.plan, mended.faults
        if mended.notes:
            draft = kept_as_set(before, mended.draft, stands)
            made, faults = self._judged(draft)
        mine: list[JsonValue] = [_renamed(row, self.short) for row in rows_of(draft) if row.get("id") not in stands]
        if (odd := self._beyond(len(own) if mine else 0)) is not None:
            made, faults = None, (odd, *faults)
        return Verdict(reading.form, len(own), told, mended.notes, faults, dump({"subtasks": mine}), made, draft)

    def _meant(self) -> dict[str, str]:
        """Return what stands by all names that an answer may have for it: its own, the short one, and its own as a reader spells it."""
        short = self.short
        spelt = {re.sub(r"[^A-Za-z0-9_-]+", "_", one.id): str(one.id) for one in self.kept}
        return spelt | {name: str(one.id) for one in self.kept for name in (one.id, short[one.id])}

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

    def _beyond(self, count: int) -> Fault | None:
        if not count:
            return Fault(
                code="empty",
                place="plan.subtasks",
                message="nothing takes the place of what failed",
                fix="plan it anew",
            )
        if count > self.most:
            return Fault(
                code="too_many", place="plan.subtasks", value=count, fix="join some of them",
                message=f"{count} subtasks for {len(self.gone)} that failed, at most {self.most} may be",
            )  # fmt: skip
        return None

    def _bounded(self, rows: Sequence[JsonObject]) -> list[JsonObject]:
        """Return new subtasks within what the failed ones might use, required as these were, and due as soon.

        Whose specialist or criteria some of these had is as these were; another is as all of them were. Where any of them was
        required, so is one at least.
        """
        share = _share([one.budget or Budget() for one in self.gone], len(rows))
        made: list[JsonObject] = []
        for row in rows:
            like = _like(row, self.gone)
            new: JsonObject = {**row, "max_attempts": min(one.max_attempts for one in self.gone)}
            new["required"] = any(one.required for one in like)
            if due := [one.sla_s for one in like if one.sla_s is not None]:
                new["sla_s"] = min(due)
            if self.stage is not None:
                new["stage"] = self.stage
            if share != Budget():
                new["budget"] = share.model_dump(mode="json", exclude_none=True)
            made.append(new)
        if any(one.required for one in self.gone) and not any(row["required"] for row in made):
            return [{**row, "required": True} for row in made]
        return made


def _askable(plan: Plan, failed: Sequence[str], cards: Cards, standings: Standings) -> frozenset[str]:
    """Return whom a replacement may ask: of those whom the plan may, who is in it or has a skill that the failed ones had."""
    own = {str(one.specialist) for one in plan.subtasks}
    own |= {str(one.on_failure.specialist) for one in plan.subtasks if one.on_failure is not None}
    lost = [one for one in plan.subtasks if one.id in failed]
    skills = {one.capability for one in lost if one.capability is not None}
    for name in {str(one.specialist) for one in lost} & set(cards):
        skills |= routing.capabilities(name, cards)
    allowed = rights(plan, cards, standings)
    return frozenset(
        name for name in allowed if name in own or not skills.isdisjoint(routing.capabilities(name, cards))
    )


def _like(row: JsonObject, gone: Sequence[Subtask]) -> Sequence[Subtask]:
    """Return the failed subtasks that a new one stands for, as far as its specialist and criteria tell; else all."""
    given = row.get("covers")
    covers = {name for name in given if isinstance(name, str)} if isinstance(given, list) else set[str]()
    return [one for one in gone if one.specialist == row.get("specialist") or not covers.isdisjoint(one.covers)] or gone


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


def _told(subtask: Subtask, names: Mapping[str, str]) -> JsonObject:
    told = {"id", "specialist", "objective", "inputs", "needs", "covers"}
    row = subtask.model_dump(mode="json", include=told, exclude_defaults=True)
    return {**_renamed(row, names), "id": names[subtask.id]}


def _renamed(row: JsonObject, names: Mapping[str, str]) -> JsonObject:
    """Return a subtask that speaks of others by other names."""
    changed = dict(row)
    if isinstance(needs := row.get("needs"), list):
        changed["needs"] = [names.get(need, need) if isinstance(need, str) else need for need in needs]
    if isinstance(inputs := row.get("inputs"), dict):
        changed["inputs"] = references.rename(inputs, names)
    return changed


def _relinked(link: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(link, Mapping):
        return link
    return {end: names.get(name, name) if isinstance(name, str) else name for end, name in link.items()}
