"""What flows through the graph, what goes in and comes out, and what a caller may set per invocation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from pydantic import BaseModel, ConfigDict, Field

# typing.TypedDict on Python 3.11 leaves Studio's schemas null.
from typing_extensions import TypedDict

from concertino.contracts.budget import Budget, Count, Money, Seconds
from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject

MAX_SLOTS = 100_000
"""Largest number of slots that may be asked for; chosen by hand, above any plan's size."""


def merge_records(known: JsonObject | None, new: JsonObject | None) -> JsonObject:
    """Return the records by subtask id, the newer one winning."""
    return {**(known or {}), **(new or {})}


_Messages = Annotated[list[AnyMessage], Field(description="A chat; its last message is the task."), add_messages]


class PlannerInput(TypedDict, total=False):
    """What a caller sends: a task, or chat messages whose last one becomes the task."""

    task: Annotated[
        JsonObject,
        Field(
            description="The task: task_id (key of idempotency), title, description, task_type, payload, metadata, "
            "acceptance_criteria, capabilities, domains, and optionally a ready plan."
        ),
    ]
    messages: _Messages


class PlannerOutput(TypedDict, total=False):
    """What a caller gets."""

    result: Annotated[
        JsonObject,
        Field(description="Status, answer, subtasks, usage, dissent, provenance, missing; see the README."),
    ]
    messages: _Messages


class PlannerState(TypedDict, total=False):
    """The graph's state: ids and small models; large findings stay in the journal by reference."""

    task: Annotated[JsonObject, Field(description="The task as it was taken in; change it to start over as a new run.")]
    messages: _Messages
    run: Annotated[
        JsonObject,
        Field(description="run_id, task_id, and the token of a hand-made change of state, if any."),
    ]
    policy: Annotated[
        JsonObject,
        Field(description="Budget and approval policy, copied at plan time; the context is never read again after it."),
    ]
    plan: Annotated[JsonObject, Field(description="The validated plan; change it to have it approved and run anew.")]
    complexity: Annotated[JsonObject, Field(description="The complexity score with its terms.")]
    dispatch: Annotated[
        JsonObject,
        Field(description="The newest dispatch: id, within which alone results are reused, and its subtasks."),
    ]
    records: Annotated[JsonObject, Field(description="Finished subtasks by id."), merge_records]
    verdict: Annotated[JsonObject, Field(description="What review decided: next and its reason.")]
    synthesis: Annotated[JsonObject, Field(description="The merged findings.")]
    result: Annotated[JsonObject, Field(description="The run's result.")]


class SubtaskInput(TypedDict):
    """What one specialist node is sent."""

    specialist: Annotated[str, Field(description="Whose node it is sent to.")]
    subtasks: Annotated[
        dict[str, str], Field(description="Which subtasks of the plan, and what is to be done in each.")
    ]
    dispatch: str


class PlannerContext(BaseModel):
    """Settings of one invocation or of one Studio assistant; what is left out is the planner's own."""

    model_config = ConfigDict(extra="forbid")

    require_approval: bool = Field(default=False, description="Ask for approval of the plan before anything runs.")
    model: str | None = Field(
        default=None, description="Chat model as provider:name, instead of the planner's own; rules alone need none."
    )
    tokens: Count | None = Field(default=None, description="Most tokens a run may use.")
    calls: Count | None = Field(default=None, description="Most outside calls a run may make.")
    usd: Money | None = Field(default=None, description="Most US dollars a run may cost.")
    documents: Count | None = Field(default=None, description="Most documents a run may read.")
    seconds: Seconds | None = Field(default=None, description="Most active seconds a run may take.")
    concurrency: Annotated[int, Field(ge=1, le=MAX_SLOTS)] | None = Field(
        default=None, description="How many subtasks may run at the same time; unlimited where left out."
    )


class Policy(BaseModel):
    """The rules one run was planned under; kept in state and read from there alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: Budget = Budget()
    concurrency: Annotated[int, Field(ge=1, le=MAX_SLOTS, strict=True)] | None = None
    require_approval: bool = False
    model: str | None = None

    @classmethod
    def of(cls, defaults: Policy, context: object) -> Policy:
        """Return `defaults` with what an invocation's context sets; a context can narrow a budget, never widen it."""
        given = _context(context)
        if given is None:
            return defaults
        budget = {name: _narrower(getattr(defaults.budget, name), getattr(given, name)) for name in Budget.model_fields}
        return cls(
            budget=Budget.model_validate(budget),
            concurrency=given.concurrency or defaults.concurrency,
            require_approval=given.require_approval or defaults.require_approval,
            model=given.model or defaults.model,
        )

    def within(self, slots: object) -> Policy:
        """Return this policy with at most `slots` slots: the `max_concurrency` of an invocation's config.

        Raises:
            InputError: not a whole number from 1 on.
        """
        if slots is None:
            return self
        if not isinstance(slots, int) or isinstance(slots, bool) or not 1 <= slots <= MAX_SLOTS:
            rule = f"must be a whole number from 1 to {MAX_SLOTS}"
            raise InputError(field="config.max_concurrency", value=slots, rule=rule)
        return self.model_copy(update={"concurrency": min(slots, self.concurrency or slots)})


def _context(given: object) -> PlannerContext | None:
    if given is None or isinstance(given, PlannerContext):
        return given
    if not isinstance(given, Mapping) and not hasattr(given, "__dict__"):
        raise InputError(field="context", value=given, rule="must be an object")
    data: Any = dict(given) if isinstance(given, Mapping) else vars(given)
    return PlannerContext.model_validate(data)


def _narrower(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)
