"""Planning by rules: the first workflow that matches a task, expanded over the task's data."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from concertino.contracts.errors import PlanInvalid
from concertino.contracts.json import JsonObject, dump
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Fault
from concertino.contracts.refinement import StandIn
from concertino.contracts.task import Task
from concertino.nodes.planning import conditions, keywords
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.fallback import objective_of
from concertino.nodes.planning.faults import shortened
from concertino.nodes.planning.holes import Hole
from concertino.nodes.planning.references import Reference, reference_to
from concertino.nodes.planning.shortening import fit_objectives
from concertino.nodes.planning.templates import Filler
from concertino.nodes.planning.workflows import GateTemplate, Match, SubtaskTemplate, Workflow

_COPIED = (
    "specialist", "capability", "estimate_s", "required", "budget", "sla_s", "stage", "continue_when", "max_attempts", "tier",
)  # fmt: skip


def plan_by_rules(task: Task, workflows: Sequence[Workflow], *, limits: Limits | None = None) -> Draft | None:
    """Return the draft of the first matching workflow, highest priority first, or `None` when none matches.

    A workflow whose every subtask is left out for this task counts as not matching. Holes stay open, for `filling` to close.

    Raises:
        PlanInvalid: a `for_each` gives no list, or would pass `limits.subtasks`.
    """
    bounds = limits or Limits()
    data = task.model_dump(mode="json", exclude={"plan"})
    scope = conditions.Scope(data)
    text = keywords.words(f"{task.title}\n{task.description}")
    notes: list[str] = []
    for workflow in sorted(workflows, key=lambda workflow: -workflow.priority):
        if not _matches(workflow.match, task, data, scope, text, notes, workflow.name):
            continue
        expansion = _Expansion(workflow, task, data, scope, bounds)
        draft = expansion.draft()
        if draft is not None:
            return Draft(
                draft,
                "rule",
                workflow.name,
                (*notes, *expansion.notes),
                holes=expansion.holes,
                constraints=workflow.plan.constraints,
                gates=workflow.plan.gates,
                parts=expansion.parts,
            )
        notes.append(f"workflow {workflow.name}: matched, but no subtask was left for this task")
    return None


def _matches(
    match: Match,
    task: Task,
    data: JsonObject,
    scope: conditions.Scope,
    text: str,
    notes: list[str],
    name: str,
) -> bool:
    """Say whether a workflow is for this task; the cheap questions first."""
    if match.task_type and task.task_type not in match.task_type:
        return False
    if any(not _same(_at(data, path), value) for path, value in match.fields.items()):
        return False
    if match.keywords.any and not any(keywords.has(text, word) for word in match.keywords.any):
        return False
    if not all(keywords.has(text, word) for word in match.keywords.all):
        return False
    if match.when is None:
        return True
    outcome = conditions.decide(match.when, scope)
    if outcome.note is not None:
        notes.append(f"workflow {name}: {outcome.note}")
    return outcome.value is True


def _at(data: JsonValue, path: str) -> JsonValue:
    for part in path.split("."):
        if not isinstance(data, dict) or part not in data:
            return None
        data = data[part]
    return data


def _same(left: JsonValue, right: JsonValue) -> bool:
    """Compare as JSON does: `true` is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


class _Expansion:
    """One workflow over one task."""

    def __init__(
        self, workflow: Workflow, task: Task, data: JsonObject, scope: conditions.Scope, limits: Limits
    ) -> None:
        self._workflow, self._task, self._scope, self._limits = workflow, task, scope, limits
        self._data: JsonObject = {"task": data, "payload": data.get("payload")}
        self._instances: dict[str, list[tuple[str, JsonObject]]] = {}
        self._many = {template.id for template in workflow.plan.subtasks if template.for_each is not None}
        self._many.update(hole.id for hole in workflow.plan.holes)
        self.notes: list[str] = []
        self.holes: tuple[Hole, ...] = ()
        self.parts: dict[str, tuple[str, ...]] = {}

    def draft(self) -> JsonObject | None:
        """Return the plan, or `None` when nothing of it is left."""
        template = self._workflow.plan
        count = 0
        for subtask in template.subtasks:
            self._instances[subtask.id] = self._expand(subtask, room=self._limits.subtasks - count)
            count += len(self._instances[subtask.id])
        kept = [hole for hole in template.holes if self._holds(hole.when, hole.id)]
        for hole in template.holes:
            # An open hole is spoken of by its own id.
            self._instances[hole.id] = [(hole.id, self._data)] if hole in kept else []
        if count == 0 and not kept:
            return None
        self.holes = tuple(map(self._opened, kept))
        self.parts = {
            subtask.id: tuple(name for name, _ in self._instances[subtask.id]) for subtask in template.subtasks
        }
        rows = [
            self._filled(subtask, subtask_id, data)
            for subtask in template.subtasks
            for subtask_id, data in self._instances[subtask.id]
        ]
        plan: JsonObject = {"subtasks": [*fit_objectives(rows, limits=self._limits, notes=self.notes)]}
        gate = self._gate(template.gate, self._data, "the plan")
        if gate is not None:
            plan["gate"] = gate
        if template.budget is not None:
            plan["budget"] = template.budget.model_dump(mode="json", exclude_none=True)
        answer = [subtask_id for name in template.answer or () for subtask_id, _ in self._instances[name]]
        if answer:
            plan["answer"] = list(answer)
        elif template.answer:
            self.notes.append("the subtasks that were to make the answer were left out, so all make it")
        stages = {subtask.stage for subtask in template.subtasks if self._instances[subtask.id]}
        stages.update(hole.stage for hole in kept)
        stops: JsonObject = {stage: text for stage, text in template.stop_when.items() if stage in stages}
        if stops:
            plan["stop_when"] = stops
        if template.refine is not None:
            plan["refine"] = template.refine.model_dump(mode="json")
        return plan

    def _expand(self, template: SubtaskTemplate, *, room: int) -> list[tuple[str, JsonObject]]:
        """Return ids and data of the subtasks that `template` gives for this task."""
        if template.for_each is None:
            return [(template.id, self._data)] if self._holds(template.when, template.id) else []
        outcome = conditions.evaluate(template.for_each, self._scope)
        items = outcome.value
        if outcome.note is not None or not isinstance(items, list):
            raise PlanInvalid([self._no_list(template, outcome)])
        if len(items) > room:
            raise PlanInvalid([self._too_many(template, len(items))])
        if not items:
            self.notes.append(f"{template.id}: left out, `{template.for_each}` is empty")
        found: list[tuple[str, JsonObject]] = []
        for index, item in enumerate(items):
            self._scope.bind("item", item)
            self._scope.bind("index", index)
            if self._holds(template.when, f"{template.id}[{index}]"):
                found.append((f"{template.id}-{index + 1}", {**self._data, "item": item, "index": index}))
        return found

    def _no_list(self, template: SubtaskTemplate, outcome: conditions.Outcome) -> Fault:
        """Return the fault of a `for_each` without a list: whoever wrote it counts on subtasks of it."""
        gave = f"`{template.for_each}` gave {type(outcome.value).__name__}, not a list"
        return Fault(
            code="bad_field",
            place=self._place(template),
            value=template.for_each if outcome.note is not None else shortened(outcome.value),
            message=outcome.note or gave,
            fix="hand in a list there, if only an empty one, or let the expression give one for this task too",
        )

    def _place(self, template: SubtaskTemplate) -> str:
        at = [subtask.id for subtask in self._workflow.plan.subtasks].index(template.id)
        return f"workflow {self._workflow.name}: plan.subtasks[{at}].for_each"

    def _too_many(self, template: SubtaskTemplate, count: int) -> Fault:
        return Fault(
            code="too_many",
            place=self._place(template),
            value=count,
            message=f"{count} items would pass the limit of {self._limits.subtasks} subtasks",
            fix="hand in fewer items, or raise Limits.subtasks",
        )

    def _holds(self, condition: str | None, place: str) -> bool:
        if condition is None:
            return True
        outcome = conditions.decide(condition, self._scope)
        if outcome.value is not True:
            self.notes.append(f"{place}: left out, {outcome.note or f'`{condition}` does not hold'}")
        return outcome.value is True

    def _filled(self, template: SubtaskTemplate, subtask_id: str, data: JsonObject) -> JsonObject:
        filler = Filler(data, link=self._link, place=subtask_id)
        given = template.model_dump(mode="json", include=set(_COPIED), exclude_none=True, exclude_unset=True)
        subtask: JsonObject = {"id": subtask_id, "name": subtask_id, **given}
        needs = self._needs(template.needs, subtask_id)
        if needs:
            subtask["needs"] = list(needs)
        subtask["objective"] = filler.text(template.objective) or objective_of(self._task)
        if template.inputs:
            subtask["inputs"] = filler.inputs(template.inputs)
        if template.on_failure is not None:
            subtask["on_failure"] = self._stand_in(template.on_failure, filler)
        gate = self._gate(template.gate, data, subtask_id)
        if gate is not None:
            subtask["gate"] = gate
        if template.covers:
            subtask["covers"] = list(self._covers(template.covers, filler, subtask_id))
        self.notes.extend(filler.notes)
        return subtask

    def _opened(self, hole: Hole) -> Hole:
        """Return a hole as a model is to see it."""
        filler = Filler(self._data, link=self._link, place=hole.id)
        changes: dict[str, object] = {
            "objective": filler.text(hole.objective) or objective_of(self._task),
            "needs": tuple(self._needs(hole.needs, hole.id)),
            "covers": tuple(self._covers(hole.covers, filler, hole.id)),
            "when": None,
        }
        self.notes.extend(filler.notes)
        return hole.model_copy(update=changes)

    def _needs(self, declared: Sequence[str], place: str) -> list[str]:
        needs: dict[str, None] = {}
        for need in declared:
            needs.update(dict.fromkeys(found for found, _ in self._instances[need]))
            if not self._instances[need]:
                self.notes.append(f"{place}: needs {need}, which was left out, so it does not wait for it")
        return list(needs)

    def _covers(self, declared: Sequence[str] | str, filler: Filler, place: str) -> list[str]:
        """Return which of the task's criteria are meant."""
        criteria = [criterion.id for criterion in self._task.acceptance_criteria]
        if declared == "all":
            return criteria
        if not isinstance(declared, str):
            return [name for name in declared if name in criteria]
        given = filler.inputs({"covers": declared}).get("covers")
        named = given if isinstance(given, list) else [given]
        if unknown := [name for name in named if name not in criteria]:
            self.notes.append(f"{place}: covers {dump(unknown)}, which are no criteria of the task")
        return [name for name in criteria if name in named]

    def _stand_in(self, template: StandIn, filler: Filler) -> JsonObject:
        stand_in: JsonObject = template.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        if template.objective is not None:
            stand_in["objective"] = filler.text(template.objective)
        if template.inputs is not None:
            stand_in["inputs"] = filler.inputs(template.inputs)
        return stand_in

    def _link(self, reference: Reference) -> JsonValue | None:
        found = [reference_to(subtask_id, reference.path) for subtask_id, _ in self._instances[reference.subtask]]
        if reference.subtask in self._many:
            return list(found)
        return found[0] if found else None

    def _gate(self, template: GateTemplate | None, data: JsonObject, place: str) -> JsonObject | None:
        if template is None:
            return None
        for name in ("item", "index"):
            if name in data:
                self._scope.bind(name, data[name])
        if template.when is not None:
            outcome = conditions.decide(template.when, self._scope)
            if outcome.note is not None:
                # A gate exists to hold something back: in doubt it is asked.
                self.notes.append(f"{place}: its gate is asked, {outcome.note}")
            elif outcome.value is not True:
                return None
        return {"question": Filler(data, link=self._link, place=place).text(template.question)[:4_000] or "Approve?"}
