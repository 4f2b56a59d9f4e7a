"""What a model's answer is worth as a plan: read, cut to what a model may say, put in place, mended by rule, validated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from concertino.contracts.budget import Budget
from concertino.contracts.errors import PlanInvalid
from concertino.contracts.json import JsonObject, dump
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Fault, Plan
from concertino.contracts.requirements import Requirements
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.drafting.granted import Granted, bounded, granted
from concertino.nodes.planning.drafting.placing import fill, fixed_ids, kept_as_set, rows_of
from concertino.nodes.planning.drafting.talk import Verdict
from concertino.nodes.planning.mending import mend
from concertino.nodes.planning.patterns import TWO_LEVEL_SUBTASKS, Pattern, advise
from concertino.nodes.planning.reader import read_plan
from concertino.nodes.planning.requirements import MOST, requirements_of, with_criteria
from concertino.nodes.planning.validate import validate_draft

NO_PLAN = Fault(
    code="empty", place="plan", message="there is no plan in the answer", fix='answer with {"subtasks": [...]} alone'
)


LEAST_BOUND = TWO_LEVEL_SUBTASKS
"""No task is bound to fewer than these: that one specialist is enough is advice, drawn from words."""
MOST_BOUND = 64
"""Most subtasks of a model's plan, whatever `Limits.subtasks` allows a caller or a rule; chosen by hand, as a model that plans more
repeats itself, and what is one subtask an item is a rule's `for_each`."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What plans of one task are judged with."""

    task: Task
    """With the criteria that bind, where the task or its text states any."""
    cards: Cards
    limits: Limits
    budget: Budget | None
    standings: Standings | None
    bound: Draft
    """The workflow's draft with its open holes, or an empty one; its constraints and gate policies hold for every plan."""

    def judge(self, answer: object, held: Requirements | None = None) -> Verdict:
        """Return what a plan in `answer` comes to. Never raises for what a model may say.

        Subtasks that nobody can do are faults for the model to mend, never left out; nor is a criterion that is in `held`, what
        the answers before this one understood.
        """
        reading = read_plan(answer, specialists=self.cards)
        if reading.plan is None:
            return Verdict("none", 0, reading.notes, (), (NO_PLAN,), "")
        left = granted(reading.plan)
        asked = self._asked(_joined(held, bounded(reading.requirements)))
        task = self.held(asked)
        rows, notes = _covers(left.rows, task, is_whole=self.is_whole)
        told = (*reading.notes, *left.notes, *notes)
        if not self.is_whole:
            return self._judged_in_holes(reading.form, Granted(rows, left.links, told), asked)
        plan: JsonObject = {"subtasks": [*rows]}
        if left.links:
            plan["links"] = left.links
        mended = mend(
            replace(self.bound, plan=plan, notes=told), task=task, cards=self.cards, limits=self.limits, budget=self.budget,
            standings=self.standings, drop_unknown=False,
        )  # fmt: skip
        faults, made = mended.faults, mended.plan
        if len(rows) > self.most:
            faults, made = (_too_many(len(rows), self.most), *(one for one in faults if one.code != "too_many")), None
        return Verdict(
            reading.form, len(rows), told, (*mended.notes, *_derived(made, mended.notes)), faults, dump({"subtasks": mended.draft.plan.get("subtasks")}),
            _asking(made, asked), mended.draft, asked,
        )  # fmt: skip

    @property
    def is_whole(self) -> bool:
        """Say whether the whole plan is drafted, and not only what goes into holes."""
        return not self.bound.open_holes

    @property
    def pattern(self) -> Pattern | None:
        """Return the advice on the size of a whole plan."""
        return advise(self.task, self.cards, limits=self.limits) if self.is_whole else None

    @property
    def most(self) -> int:
        """Return how many subtasks a model may draft: what it is told, and held to."""
        pattern = self.pattern
        if pattern is None:
            return min(sum(hole.max_subtasks for hole in self.bound.open_holes), self.limits.subtasks)
        return min(max(pattern.subtasks, LEAST_BOUND), MOST_BOUND, self.limits.subtasks)

    def held(self, asked: Requirements) -> Task:
        """Return the task with the criteria that a plan is held to."""
        return with_criteria(self.task, asked) if self.is_whole else self.task

    def valid(self, draft: Draft, asked: Requirements) -> Plan:
        """Return a draft that was taken before as a plan of this task.

        Raises:
            PlanInvalid: it does not fit any more.
        """
        now = replace(draft, constraints=self.bound.constraints, gates=self.bound.gates)
        plan = validate_draft(
            now,
            task=self.held(asked),
            cards=self.cards,
            limits=self.limits,
            budget=self.budget,
            standings=self.standings,
        )
        return plan.model_copy(update={"requirements": asked})

    def _asked(self, told: Requirements) -> Requirements:
        """Return what the model understood; what it left out is found by rule. Criteria that bind already stay alone."""
        found = requirements_of(self.task) or Requirements()
        own = self.task.acceptance_criteria
        return Requirements(
            objectives=told.objectives or found.objectives,
            constraints=told.constraints or found.constraints,
            acceptance_criteria=own or (told.acceptance_criteria if self.is_whole else ()),
        )

    def _judged_in_holes(self, form: str, left: Granted, asked: Requirements) -> Verdict:
        filled, faults = fill(self.bound, left.rows, left.links, cards=self.cards)
        filled = replace(filled, notes=(*filled.notes, *left.notes))
        fixed = fixed_ids(self.bound)
        mended = mend(
            filled, task=self.task, cards=self.cards, limits=self.limits, budget=self.budget, standings=self.standings,
            drop_unknown=False,
        )  # fmt: skip
        draft, plan, found = mended.draft, mended.plan, mended.faults
        if mended.status == "repaired" or mended.notes:
            draft = kept_as_set(filled, mended.draft, fixed)
            try:
                plan, found = self.valid(draft, asked), ()
            except PlanInvalid as error:
                plan, found = None, error.faults
        if faults:
            plan, found = None, (*faults, *found)
        own: list[JsonValue] = [row for row in rows_of(draft) if row.get("id") not in fixed]
        shown = dump({"subtasks": own or [*left.rows]})
        notes = tuple(note for note in filled.notes if note not in self.bound.notes)
        repaired = (*mended.notes, *_derived(plan, mended.notes))
        return Verdict(form, len(left.rows), notes, repaired, found, shown, _asking(plan, asked), draft, asked)


def _covers(rows: list[JsonObject], task: Task, *, is_whole: bool) -> tuple[list[JsonObject], list[str]]:
    """Return subtasks whose coverage speaks of criteria that there are; the only subtask of a plan covers them all."""
    ids: list[JsonValue] = [one.id for one in task.acceptance_criteria]
    if not ids:
        idle = [str(row.get("id"))[:64] for row in rows if row.get("covers")]
        left = [{key: value for key, value in row.items() if key != "covers"} for row in rows]
        return left, [f"{', '.join(idle[:8])}: covers left out, as there are no criteria"] if idle else []
    if is_whole and len(rows) == 1 and rows[0].get("covers") != ids:
        return [{**rows[0], "covers": ids}], [f"{rows[0].get('id')}: covers every criterion, as the only subtask"]
    return rows, []


def _too_many(count: int, most: int) -> Fault:
    return Fault(
        code="too_many", place="plan.subtasks", value=count, message=f"{count} subtasks, at most {most} may be",
        fix="join some of them",
    )  # fmt: skip


def _joined(held: Requirements | None, told: Requirements) -> Requirements:
    """Return what is held already, with what is told beside it; of criteria of one id the first stands."""
    if held is None:
        return told
    criteria = {one.id: one for one in (*told.acceptance_criteria, *held.acceptance_criteria)}
    first = [criteria.pop(one.id) for one in held.acceptance_criteria]
    return Requirements(
        objectives=held.objectives or told.objectives,
        constraints=held.constraints or told.constraints,
        acceptance_criteria=(*first, *criteria.values())[:MOST],
    )


def _derived(plan: Plan | None, known: Sequence[str]) -> list[str]:
    """Return what the validator has to say of edges that it added, be it for inputs or for constraints."""
    notes = plan.notes if plan is not None else ()
    return [note for note in notes if ": derived, " in note and note not in known]


def _asking(plan: Plan | None, asked: Requirements) -> Plan | None:
    return plan.model_copy(update={"requirements": asked}) if plan is not None else None
