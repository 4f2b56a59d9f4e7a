"""A plan: a DAG of subtasks, and what can be wrong with one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints

from concertino.contracts.budget import Budget, Seconds
from concertino.contracts.ids import Name
from concertino.contracts.refinement import MaybeRefine, StandIn
from concertino.contracts.requirements import Requirements

Origin = Literal["caller", "rule", "model", "cache", "fallback"]

FaultCode = Literal[
    "empty",
    "too_many",
    "too_deep",
    "too_large",
    "duplicate_id",
    "bad_field",
    "cycle",
    "unknown_need",
    "unknown_specialist",
    "unknown_capability",
    "missing_input",
    "unused_input",
    "unknown_reference",
    "uncovered_criterion",
    "doubly_covered_criterion",
    "unknown_criterion",
    "over_budget",
    "over_deadline",
    "missing_step",
    "forbidden_combination",
    "missing_prerequisite",
    "no_termination",
    "open_hole",
    "outside_hole",
]

SubtaskTier = Literal["simple", "standard", "complex"]
"""How much of a model one subtask needs."""


class Fault(BaseModel):
    """One thing wrong with a plan."""

    model_config = ConfigDict(frozen=True)

    code: FaultCode
    place: str
    """Path into the plan, e.g. `plan.subtasks[2].needs[0]`."""
    value: JsonValue = None
    """What stands there."""
    message: str
    """What is wrong, one clause."""
    fix: str
    """What would mend it, one clause."""
    subtasks: tuple[str, ...] = ()
    """The subtasks concerned; for a cycle, the cycle in order."""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}; {self.fix}"


class Gate(BaseModel):
    """A question to a person, on a whole plan or on one subtask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Annotated[str, StringConstraints(min_length=1, max_length=4_000)] = "Approve?"


def _yes_asks_the_default(given: object) -> object:
    if given is True:
        return Gate()
    return None if given is False else given


MaybeGate = Annotated[Gate | None, BeforeValidator(_yes_asks_the_default)]
"""`true` stands for the default question."""


class Subtask(BaseModel):
    """One unit of work for one specialist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Unique within the plan. A caller's own id stays; one that rules or a model made is `specialist::task_id::n`."""
    name: str | None = None
    """The short name that the workflow's template gave; `needs` in the same workflow speak of it."""
    specialist: str | None = None
    """Who does it; `None` until a capability has been routed."""
    capability: Name | None = None
    """What the specialist must be able to do, where none is named."""
    needs: tuple[str, ...] = ()
    """Ids of prerequisites, declared and derived."""
    objective: Annotated[str, StringConstraints(max_length=100_000)] = ""
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    """Literals, or references to another subtask's output: `{"$from": id, "path": "a.b"}` or `"${id.a.b}"`."""
    estimate_s: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] = 1.0
    """Expected seconds of work; orders the slots, binds nobody."""
    required: bool = True
    """Whether the run counts as partial without it."""
    gate: MaybeGate = None
    budget: Budget | None = None
    """Bounds for all attempts together; counted by the preflight as this subtask's need."""
    sla_s: Seconds | None = None
    """Seconds of wall clock, from being ready, within which it should be done; a miss is retried, then flagged."""
    covers: tuple[Name, ...] = ()
    """Acceptance criteria that this subtask answers for."""
    stage: Name | None = None
    """Stages run one after another in order of appearance; a stage can end the run early."""
    continue_when: Annotated[str, StringConstraints(min_length=1)] | None = None
    """CEL over `task`, `payload` and what came before (`findings`, `confidences`, `value`, `confidence`): where it is false,
    this path ends early. Judged when the subtask could start; what cannot be decided goes on."""
    on_failure: StandIn | None = None
    """Who takes over once it stays failed."""
    max_attempts: Annotated[int, Field(ge=1, le=3)] = 3
    """Attempts on one specialist. Source: document 002, at most 3."""
    tier: SubtaskTier | None = None
    """Which of the models of different price does it, where there are several; `None` leaves it to the planner's own rule."""


class Plan(BaseModel):
    """A validated DAG of subtasks, in topological order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_id: Name
    origin: Origin
    workflow: str | None = None
    """Name of the rule that made it."""
    subtasks: tuple[Subtask, ...]
    answer: tuple[str, ...] | None = None
    """Ids of the subtasks whose findings are merged into the answer; `None` means all."""
    gate: Gate | None = None
    """Approval of the plan as a whole."""
    budget: Budget | None = None
    """The workflow's own bounds, within the run's."""
    stop_when: dict[str, str] = Field(default_factory=dict)
    """Stage name → CEL condition over `task` and `findings` (outputs by short name) that ends the run early after that stage."""
    refine: MaybeRefine = None
    """Which paths later stages go on with; `None` leaves that to each subtask's `continue_when`."""
    requirements: Requirements | None = None
    """What the planner understood the task to ask for; `None` where nothing was extracted."""
    notes: tuple[str, ...] = ()
    """What was derived, routed or mended, one sentence each."""
