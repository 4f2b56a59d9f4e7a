"""Workflows: planning by rules, as people write them down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from concertino.contracts.budget import Budget, Seconds
from concertino.contracts.errors import InputError, SetupError
from concertino.contracts.ids import Name
from concertino.contracts.json import clean
from concertino.contracts.plan import Gate, SubtaskTier
from concertino.contracts.refinement import MaybeRefine, StandIn
from concertino.nodes.planning import conditions, paths, references, templates
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.gate_policy import GatePolicy
from concertino.nodes.planning.holes import Hole
from concertino.nodes.planning.keywords import words
from concertino.nodes.planning.workflow_sources import as_json, opened
from concertino.nodes.planning.yaml_source import FILE_NESTING

Condition = Annotated[str, StringConstraints(min_length=1, max_length=conditions.EXPRESSION_CHARS)]
"""CEL over `task` and `payload`."""
ItemPath = Annotated[str, StringConstraints(pattern=r"^\$\{item(\.[A-Za-z0-9_-]+)*\}$", max_length=200)]
Keyword = Annotated[str, StringConstraints(min_length=1, max_length=200)]

_FROZEN = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
ITEM_VARIABLES = conditions.VARIABLES | templates.ITEM_ROOTS
STAGE_VARIABLES = conditions.VARIABLES | {"findings"}
PATH_VARIABLES = STAGE_VARIABLES | {"confidences", "value", "confidence"}


def _check(condition: str | None, place: str, names: frozenset[str]) -> None:
    if condition is None:
        return
    try:
        conditions.check(condition, names=names)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


class Keywords(BaseModel):
    """Whole words in title or description, case and punctuation aside."""

    model_config = _FROZEN

    any: tuple[Keyword, ...] = ()
    """At least one of these, where any are given."""
    all: tuple[Keyword, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _a_list_means_any(cls, given: object) -> object:
        return {"any": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _have_words(self) -> Keywords:
        for keyword in (*self.any, *self.all):
            if not words(keyword).strip():
                raise ValueError(f"keyword {keyword!r} must contain a letter or digit")
        return self


class Match(BaseModel):
    """Which tasks a workflow is for: all that is given must hold; nothing given holds for every task."""

    model_config = _FROZEN

    task_type: tuple[str, ...] = ()
    """The task's type is one of these; a bare string is one."""
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    """Dotted path into the task → the value that must stand there, e.g. `payload.level: Senior`."""
    keywords: Keywords = Keywords()
    when: Condition | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_or_many_types(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        data = dict(given)
        if "task_types" in data and "task_type" not in data:
            data["task_type"] = data.pop("task_types")
        if isinstance(data.get("task_type"), str):
            data["task_type"] = [data["task_type"]]
        return data

    @model_validator(mode="after")
    def _condition_compiles(self) -> Match:
        _check(self.when, "when", conditions.VARIABLES)
        return self


class GateTemplate(BaseModel):
    """A gate that a task may or may not need."""

    model_config = _FROZEN

    question: Annotated[str, StringConstraints(min_length=1, max_length=4_000)] = Gate().question
    """May hold placeholders."""
    when: Condition | None = None
    """Asked only if this holds when the plan is made."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: object) -> object:
        if given is True:
            return {}
        return {"question": given} if isinstance(given, str) else given


MaybeGateTemplate = Annotated[GateTemplate | None, BeforeValidator(lambda given: None if given is False else given)]
"""`false` stands for none."""


class SubtaskTemplate(BaseModel):
    """A subtask, or with `for_each` one for every item of a list."""

    model_config = _FROZEN

    id: Name
    specialist: Name | None = None
    capability: Name | None = None
    needs: tuple[Name, ...] = ()
    """Ids of templates; a `for_each` template stands for all its subtasks."""
    objective: Annotated[str, StringConstraints(max_length=20_000)] = ""
    """Placeholders allowed. Empty: the task's title and description."""
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    """Placeholders and references allowed. A reference to a `for_each` template becomes a list."""
    when: Condition | None = None
    """Left out unless this holds; in a `for_each` template asked for each item."""
    for_each: Condition | None = None
    """CEL that gives a list; the template sees each entry as `item` and its position from 0 as `index`."""
    estimate_s: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] = 1.0
    required: bool = True
    gate: MaybeGateTemplate = None
    budget: Budget | None = None
    sla_s: Seconds | None = None
    covers: tuple[Name, ...] | Literal["all"] | ItemPath = ()
    """Ids of acceptance criteria, or all that the task has; in a `for_each` template the item's own, as `${item.id}`."""
    tier: SubtaskTier | None = None
    stage: Name | None = None
    continue_when: Condition | None = None
    """CEL over `task`, `payload`, `findings`, `confidences`, `value` and `confidence`; where it is false the path ends early."""
    on_failure: StandIn | None = None
    """Who takes over once it stays failed. Placeholders and references allowed in objective and inputs."""
    max_attempts: Annotated[int, Field(ge=1, le=3)] = 3

    @model_validator(mode="after")
    def _is_sound(self) -> SubtaskTemplate:
        if self.id in templates.RESERVED_IDS:
            raise ValueError(f"id must not be one of {', '.join(sorted(templates.RESERVED_IDS))}")
        if (self.specialist is None) == (self.capability is None):
            raise ValueError("exactly one of specialist and capability must be given")
        if self.for_each is not None and self.covers and not _is_item_path(self.covers):
            raise ValueError(
                "covers cannot stand beside for_each: a criterion is covered once; put it on the subtask that joins them, "
                "or give each item its own as ${item.id}"
            )
        if self.for_each is None and _is_item_path(self.covers):
            raise ValueError("covers: ${item} stands in a for_each template alone")
        _check(self.for_each, "for_each", conditions.VARIABLES)
        _check(self.continue_when, "continue_when", PATH_VARIABLES)
        _check(self.when, "when", ITEM_VARIABLES if self.for_each else conditions.VARIABLES)
        if self.gate is not None:
            _check(self.gate.when, "gate.when", ITEM_VARIABLES if self.for_each else conditions.VARIABLES)
            templates.check_text(self.gate.question, roots=self.roots)
        templates.check_text(self.objective, roots=self.roots)
        if self.on_failure is not None:
            templates.check_text(self.on_failure.objective or "", roots=self.roots)
        return self

    @property
    def roots(self) -> frozenset[str]:
        """Return what its placeholders may start with."""
        return templates.ROOTS | templates.ITEM_ROOTS if self.for_each else templates.ROOTS


def _is_item_path(covers: object) -> bool:
    return isinstance(covers, str) and covers != "all"


class PlanTemplate(BaseModel):
    """A plan before a task is known."""

    model_config = _FROZEN

    subtasks: Annotated[tuple[SubtaskTemplate, ...], Field(min_length=1, max_length=1_000)] = ()
    """May be left out beside holes."""
    holes: Annotated[tuple[Hole, ...], Field(max_length=100)] = ()
    """What is left to a model; without one each is closed by rule."""
    constraints: Constraints | None = None
    """What holds for the whole plan, the holes' subtasks included."""
    gates: Annotated[tuple[GatePolicy, ...], Field(max_length=100)] = ()
    """Gates by policy, beside the subtasks' own."""
    gate: MaybeGateTemplate = None
    budget: Budget | None = None
    answer: tuple[Name, ...] | None = None
    """Ids of templates whose findings make the answer."""
    stop_when: dict[Name, Condition] = Field(default_factory=dict)
    """Stage → CEL over `task`, `payload` and `findings` that ends the run early after it."""
    refine: MaybeRefine = None
    """Which paths later stages go on with; `true` takes the defaults."""

    @model_validator(mode="after")
    def _holds_together(self) -> PlanTemplate:
        if not self.subtasks and not self.holes:
            raise ValueError("subtasks: a plan has at least one, or a hole")
        position = self._positions()
        needs = [self._needs(part, place, position) for part, place in self._parts()]
        for at, subtask in enumerate(self.subtasks):
            try:
                for key, value in subtask.inputs.items():
                    templates.check_inputs(value, roots=subtask.roots, subtasks=position, place=f"inputs.{key}")
                for key, value in ((subtask.on_failure and subtask.on_failure.inputs) or {}).items():
                    place = f"on_failure.inputs.{key}"
                    templates.check_inputs(value, roots=subtask.roots, subtasks=position, place=place)
            except ValueError as error:
                raise ValueError(f"subtasks[{at}].{error}") from error
        found = paths.cycles(needs)
        if found:
            names = list(position)
            raise ValueError(f"subtasks: a cycle, {' needs '.join(names[node] for node in (*found[0], found[0][0]))}")
        for name in self.answer or ():
            if name not in position:
                raise ValueError(f"answer: no subtask {name!r} in this workflow")
        stages = {part.stage for part, _ in self._parts()}
        for stage, condition in self.stop_when.items():
            if stage not in stages:
                raise ValueError(f"stop_when.{stage}: no subtask is of this stage")
            _check(condition, f"stop_when.{stage}", STAGE_VARIABLES)
        if self.gate is not None:
            _check(self.gate.when, "gate.when", conditions.VARIABLES)
            templates.check_text(self.gate.question, roots=templates.ROOTS)
        for step in self.constraints.steps if self.constraints is not None else ():
            if step.subtask is not None and step.subtask not in position:
                raise ValueError(f"constraints: no subtask or hole {step.subtask!r} in this workflow")
        return self

    def _parts(self) -> list[tuple[SubtaskTemplate | Hole, str]]:
        """Return templates and holes, each with its place."""
        return [
            *((subtask, f"subtasks[{at}]") for at, subtask in enumerate(self.subtasks)),
            *((hole, f"holes[{at}]") for at, hole in enumerate(self.holes)),
        ]

    def _positions(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for at, (part, place) in enumerate(self._parts()):
            if part.id in found:
                raise ValueError(f"{place}.id: {part.id!r} stands twice")
            found[part.id] = at
        for at, hole in enumerate(self.holes):
            try:
                if hole.id in templates.RESERVED_IDS:
                    raise ValueError(f"id must not be one of {', '.join(sorted(templates.RESERVED_IDS))}")
                _check(hole.when, "when", conditions.VARIABLES)
                templates.check_text(hole.objective, roots=templates.ROOTS)
            except ValueError as error:
                raise ValueError(f"holes[{at}].{error}") from error
        return found

    def _needs(self, part: SubtaskTemplate | Hole, place: str, position: Mapping[str, int]) -> list[int]:
        closed = {hole.id for hole in self.holes if not hole.shared}
        for need in part.needs:
            if need not in position:
                raise ValueError(f"{place}.needs: no subtask {need!r} in this workflow")
        spoken = {*part.needs}
        if isinstance(part, SubtaskTemplate):
            spoken.update(
                found.subtask for found in references.find(part.inputs) if isinstance(found, references.Reference)
            )
        if hidden := sorted(spoken & closed):
            raise ValueError(f"{place}: hole {hidden[0]!r} is not shared, nothing can need it")
        return [position[need] for need in part.needs]


class Workflow(BaseModel):
    """A rule: for such tasks, such a plan."""

    model_config = _FROZEN

    name: Name
    description: Annotated[str, StringConstraints(max_length=4_000)] = ""
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    """Of several that match, the highest is taken; then the first loaded."""
    match: Match = Match()
    plan: PlanTemplate


def load_workflows(sources: Sequence[str | Path | Mapping[str, object] | Workflow]) -> tuple[Workflow, ...]:
    """Return the workflows of `sources` in order.

    A source is a `Workflow`, an object of that shape, a YAML or JSON file (one workflow, a list, or an object with the list
    `workflows`), or a folder of such files, taken by name.

    Raises:
        SetupError: naming file, field, value and rule.
    """
    found: dict[str, Workflow] = {}
    for number, source in enumerate(sources):
        listed = (
            [(f"workflows[{number}]", source)]
            if isinstance(source, Workflow)
            else opened(source, place=f"workflows[{number}]")
        )
        for place, given in listed:
            workflow = given if isinstance(given, Workflow) else _workflow(given, place)
            if workflow.name in found:
                raise SetupError(field=f"{place}.name", value=workflow.name, rule="two workflows must not share a name")
            found[workflow.name] = workflow
    return tuple(found.values())


def _workflow(given: object, place: str) -> Workflow:
    if not isinstance(given, Mapping):
        raise SetupError(field=place, value=given, rule="a workflow must be an object")
    try:
        return Workflow.model_validate(clean(as_json(given), field=place, nesting=FILE_NESTING))
    except InputError as error:
        raise SetupError(field=error.field, value=error.value, rule=error.rule) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join((f"{place}: ", *map(str, first["loc"]))).replace(": .", ": ").removesuffix(": ")
        rule = "unknown field" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise SetupError(field=field, value=first["input"], rule=rule) from error
