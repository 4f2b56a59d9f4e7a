"""Constraints: what holds for a plan whoever wrote it, be it a rule, a model or a caller.

They are checked over the whole plan, so that what a model puts into a hole is bound as much as the rest.
Source: document 002, "guardrails for scope, prerequisites, and termination conditions".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from concertino.contracts.ids import Name
from concertino.nodes.planning import conditions

Condition = Annotated[str, StringConstraints(min_length=1, max_length=conditions.EXPRESSION_CHARS)]
"""CEL over `task` and `payload`. A constraint whose condition cannot be decided holds."""

_FROZEN = ConfigDict(frozen=True, extra="forbid")

COMBINED = 6
"""Most parts of one forbidden combination: on paths their subsets are counted. Chosen by hand."""

EVERY_STAGE = "*"


class Step(BaseModel):
    """Which subtasks a constraint speaks of. A bare string is a `name`.

    A specialist's name stands for its A/B variants too. A subtask that asks for a capability has that one; one that only names
    its specialist has all that this specialist can do. What is forbidden looks closer: there a named specialist counts
    for all its capabilities, whatever is asked of it.
    """

    model_config = _FROZEN

    name: Name | None = None
    """A specialist, a capability, or in a workflow a template or hole of this name."""
    specialist: str | None = None
    capability: Name | None = None
    subtask: Name | None = None
    """A template or hole of the workflow: all its subtasks. No name that a model gives is ever one of these."""

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _says_one(self) -> Step:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("exactly one of name, specialist, capability and subtask must be given")
        return self

    def __str__(self) -> str:
        kind, name = next(iter(self.model_dump(exclude_none=True).items()))
        return str(name) if kind == "name" else f"{kind} {name}"


def _listed(given: object) -> object:
    return given if isinstance(given, list | tuple) else [given]


Steps = Annotated[tuple[Step, ...], BeforeValidator(_listed), Field(min_length=1, max_length=100)]
"""A single step may stand without a list."""


class _Conditional(BaseModel):
    model_config = _FROZEN

    when: Condition | None = None
    """Holds for such tasks only."""

    @model_validator(mode="after")
    def _condition_compiles(self) -> _Conditional:
        if self.when is not None:
            try:
                conditions.check(self.when)
            except ValueError as error:
                raise ValueError(f"when: {error}") from error
        return self


class Required(_Conditional):
    """Every plan has at least one subtask of this step. A bare name is a step."""

    step: Step

    @model_validator(mode="before")
    @classmethod
    def _bare_step(cls, given: object) -> object:
        is_step = isinstance(given, str) or (isinstance(given, dict) and "step" not in given)
        return {"step": given} if is_step else given


class Combination(_Conditional):
    """Steps that must not all come together. A bare list is the steps."""

    steps: Annotated[tuple[Step, ...], Field(min_length=2, max_length=COMBINED)]
    within: Literal["plan", "path"] = "plan"
    """Together in one plan, or one after another on one path of it."""

    @model_validator(mode="before")
    @classmethod
    def _bare_steps(cls, given: object) -> object:
        return {"steps": given} if isinstance(given, list | tuple) else given


class Prerequisite(_Conditional):
    """No subtask of `step` without one of each step in `after`, and all of these before it.

    Where both are in the plan and only the edge is missing, the edge is derived.
    """

    step: Step
    after: Steps

    @model_validator(mode="after")
    def _comes_not_after_itself(self) -> Prerequisite:
        if self.step in self.after:
            raise ValueError(f"{self.step} cannot come after itself")
        return self


class Constraints(BaseModel):
    """All that binds a plan beside its own form."""

    model_config = _FROZEN

    required: tuple[Required, ...] = ()
    forbidden: tuple[Combination, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()
    ends: Annotated[tuple[Step, ...], BeforeValidator(_listed)] = ()
    """A plan ends in one of these: nothing else may be what nobody needs. With one such subtask in the plan, it gets the
    missing needs."""
    max_subtasks: Annotated[int, Field(ge=1, le=100_000)] | None = None
    max_depth: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Longest chain, counted in subtasks; within `Limits`."""
    stop_when: dict[str, Condition] = Field(default_factory=dict)
    """Stage, or `*` for each, → CEL over `task`, `payload` and `findings` that ends the run early after it; added to the plan's own."""

    def joined(self, other: Constraints | None) -> Constraints:
        """Return what holds when both do; `ends` and the same stage's `stop_when` are this one's where it has them."""
        if other is None:
            return self
        return Constraints(
            required=(*self.required, *(item for item in other.required if item not in self.required)),
            forbidden=(*self.forbidden, *(item for item in other.forbidden if item not in self.forbidden)),
            prerequisites=(
                *self.prerequisites,
                *(item for item in other.prerequisites if item not in self.prerequisites),
            ),
            ends=self.ends or other.ends,
            max_subtasks=_lower(self.max_subtasks, other.max_subtasks),
            max_depth=_lower(self.max_depth, other.max_depth),
            stop_when={**other.stop_when, **self.stop_when},
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return every step that is spoken of."""
        return (
            *(item.step for item in self.required),
            *(step for item in self.forbidden for step in item.steps),
            *(step for item in self.prerequisites for step in (item.step, *item.after)),
            *self.ends,
        )

    @model_validator(mode="after")
    def _conditions_compile(self) -> Constraints:
        for stage, condition in self.stop_when.items():
            try:
                conditions.check(condition, names=conditions.VARIABLES | {"findings"})
            except ValueError as error:
                raise ValueError(f"stop_when.{stage}: {error}") from error
        return self


def _lower(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)
