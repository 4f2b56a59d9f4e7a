"""A case: what is asked, how the world behaves, and what is expected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, field_validator, model_validator

from concertino.contracts.gate import Decision
from concertino.contracts.ids import Name
from concertino.contracts.json import JsonObject

_FROZEN = ConfigDict(frozen=True, extra="forbid")

FaultKind = Literal["429", "500", "timeout", "cut", "bad_json", "refuse", "hang"]
CallKind = Literal["model", "tool", "transport"]
MAX_REPEATS = 100

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Where(BaseModel):
    """Which calls: all that is given must hold."""

    model_config = _FROZEN

    kind: CallKind | None = None
    name: str | None = None
    """The tool's name, or the model's as `provider:name`."""
    scope: str | None = None
    """`node`, `node/subtask` or `node/subtask#attempt`; the longer, the fewer."""
    n: Annotated[int, Field(ge=1)] | None = None
    """The n-th call of its scope, from 1; every retry is a call."""


class Fault(BaseModel):
    """A change of what the recorded world answers."""

    model_config = _FROZEN

    where: Where = Where()
    what: FaultKind
    """`cut` ends a stream after half of its pieces (an answer that was not streamed ends in the middle of its text, as
    `length`), `bad_json` damages an answer's JSON and its tool calls' arguments, `refuse` is the model's own refusal,
    `timeout` is the client's after the recorded time, `hang` never answers."""
    seed: int = 0
    """Where an answer is cut, and which calls are hit where `share` is below 1."""
    share: Share = 1.0
    """How many of the calls that match are hit."""
    times: Annotated[int, Field(ge=1)] | None = None
    """Hit no more than so many of them, the first ones of each scope; all of them where left out."""
    retry_after: Positive | None = None
    """Seconds, for a 429 or 500."""

    @field_validator("what", mode="before")
    @classmethod
    def _status_is_text(cls, given: object) -> object:
        return str(given) if given in (429, 500) else given


class Reply(BaseModel):
    """What a person says when the run asks."""

    model_config = _FROZEN

    gate: str | None = None
    """The gate's own name."""
    subtask: str | None = None
    """Or the subtask that asks; neither answers whatever is asked."""
    decision: Decision
    reason: Annotated[str, StringConstraints(max_length=4_000)] | None = None
    inputs: dict[str, JsonValue] | None = None
    value: JsonValue = None

    def answer(self) -> JsonObject:
        """Return what `Command(resume=...)` is given for it."""
        return self.model_dump(mode="json", exclude={"gate", "subtask"}, exclude_none=True)


class PlanExpected(BaseModel):
    """A plan as a partial order."""

    model_config = _FROZEN

    nodes: tuple[str, ...]
    """Subtask ids of the plan, or specialists; a specialist that works twice stands twice."""
    edges: tuple[tuple[str, str], ...] = ()
    """Who before whom; of a name that stands more than once, `[name, name]` says one after another."""
    min_node_f1: Share = 1.0
    min_edge_f1: Share = 1.0
    origins: tuple[str, ...] = ()
    """Who may have made the plan: `caller`, `rule`, `model`, `cache`, `fallback`; anybody where left out."""


class Numeric(BaseModel):
    """A number, or numbers within an object or list."""

    model_config = _FROZEN

    value: JsonValue
    tolerance: Positive = 0.0
    """Greatest absolute difference."""


class AnswerExpected(BaseModel):
    """What the answer is held to; all that is given must hold."""

    model_config = _FROZEN

    exact: JsonValue = None
    numeric: Numeric | None = None
    json_schema: JsonObject | None = Field(default=None, alias="schema")
    rubric: str | None = None
    """For a judge model, whose calls are on the tape like any other."""
    path: str | None = None
    """Dotted path into the answer, to look at that part alone."""

    @model_validator(mode="after")
    def _holds_something(self) -> AnswerExpected:
        if "exact" in self.model_fields_set or _any(self.numeric, self.json_schema, self.rubric):
            return self
        raise ValueError("must expect at least one of exact, numeric, schema, rubric")


class CostExpected(BaseModel):
    """The most that a run may have cost."""

    model_config = _FROZEN

    max_usd: Positive | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    max_calls: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> CostExpected:
        if _any(self.max_usd, self.max_tokens, self.max_calls):
            return self
        raise ValueError("must expect at least one of max_usd, max_tokens, max_calls")


class MakespanExpected(BaseModel):
    """How long a run may have taken."""

    model_config = _FROZEN

    max_ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """Of the lower bound for its plan."""
    max_s: Positive | None = None
    """Virtual seconds."""

    @model_validator(mode="after")
    def _holds_something(self) -> MakespanExpected:
        if _any(self.max_ratio, self.max_s):
            return self
        raise ValueError("must expect at least one of max_ratio, max_s")


class Expect(BaseModel):
    """What a case is judged by; at least one of these."""

    model_config = _FROZEN

    plan: PlanExpected | None = None
    routing: dict[str, str | list[str]] | None = None
    """Subtask id, or a piece of its objective, → the specialist that has to do it, or those that may."""
    answer: AnswerExpected | None = None
    status: str | None = None
    """`success`, `partial_success`, `failed`, `waiting`; or the class of the error that ends the run, e.g. `BudgetExceeded`."""
    states: dict[str, str] | None = None
    """Subtask id → the state it has in the end."""
    budget: Literal["kept"] | None = None
    deadline: Literal["kept"] | None = None
    breakers: dict[str, str] | None = None
    """Breaker's name → `closed`, `open`, `half_open` or `opened`: open at some time."""
    calibration: JsonValue = None
    """The truth, which stated confidences are held against."""
    cost: CostExpected | None = None
    makespan: MakespanExpected | None = None
    calls: dict[str, int] | None = None
    """Name of a tool, or `model` → how many calls of it were made, every attempt counted."""

    @model_validator(mode="after")
    def _holds_something(self) -> Expect:
        given = {name for name in self.model_fields_set if getattr(self, name) not in (None, {})}
        if given or "calibration" in self.model_fields_set:
            return self
        raise ValueError("must expect at least one thing: " + ", ".join(sorted(type(self).model_fields)))


def _any(*given: object) -> bool:
    return any(one is not None for one in given)


class Case(BaseModel):
    """One case of a suite."""

    model_config = _FROZEN

    id: Name
    """Unique in its suite; also the name of its tape."""
    task: JsonObject | None = None
    """For a planner: the task. `task_id` is the case's id where it has none."""
    payload: JsonObject | None = None
    """For a pack's agent: what its input contract asks for. For a planner: the payload of a task of nothing else."""
    context: JsonObject = Field(default_factory=dict)
    """LangGraph context of the run, e.g. `{"budget": {...}}`."""
    options: JsonObject = Field(default_factory=dict)
    """Given to the target's function by name; for a pack's agent its policy."""
    answers: tuple[Reply, ...] = ()
    """In the order in which they are given; each is used once."""
    faults: tuple[Fault, ...] = ()
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 1
    expect: JsonObject
    """As `Expect` has it, which it was checked against."""
    tags: tuple[str, ...] = ()

    @field_validator("expect", mode="before")
    @classmethod
    def _expectation_holds(cls, given: object) -> object:
        Expect.model_validate(given)
        return given

    @model_validator(mode="after")
    def _asks_something(self) -> Case:
        if self.task is None and self.payload is None:
            raise ValueError("needs a task or a payload")
        return self

    @classmethod
    def unreadable(cls, case_id: str) -> Case:
        """Return what stands in an outcome for a case that could not be read."""
        return cls.model_construct(id=case_id, expect={})
