"""A scenario: everything a seed decides, as data, so that a failing one can be cut down and written out.

Times are virtual seconds. Amounts are by `DIMENSIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Amounts = Mapping[str, float]

What = Literal[
    "ok",
    "hang",
    "refused",
    "cut",
    "status 429",
    "status 500",
    "status 504",
    "status 400",
    "transient",
    "bad",
    "unusable",
]
"""How a tool answers: `cut` breaks off, `bad` answers with rubbish, `unusable` raises an error of no known kind."""

Kind = Literal["crash", "partition", "jump", "cancel", "cut", "resubmit"]

Door = Literal["lean", "graph", "saved"]
"""How runs are entered: by `conduct`, through LangGraph's own machinery, or through it with checkpoints that processes share."""

Op = tuple[Any, ...]
"""What a specialist does next: `("wait", s)`, `("spend", amounts)`, `("call", tool)`, `("effect", name)`, `("publish", text)`,
`("fail", up to attempt)`, `("decline",)`, `("bad answer", up to attempt)`, `("hang", up to attempt)`, `("deaf", s)`: go on for
`s` seconds when told to stop."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call of a tool goes."""

    what: What = "ok"
    took_s: float = 0.0
    used: float = 1.0
    """Share of the reserved cost that is billed, 0-1."""


@dataclass(frozen=True, slots=True)
class ToolSetup:
    """One tool; its answers come round and round."""

    name: str
    cost: Amounts
    answers: tuple[Answer, ...] = (Answer(),)
    is_async: bool = True
    timeout_s: float | None = 30.0
    attempts: int = 3
    breaker: Mapping[str, Any] = field(default_factory=dict)
    budget: Amounts | None = None


@dataclass(frozen=True, slots=True)
class SpecialistSetup:
    """One specialist; what it does stands in a subtask's inputs."""

    name: str
    is_async: bool = True
    budget: Amounts | None = None
    max_concurrency: int | None = None
    at_most_once: bool = False
    breaker: Mapping[str, Any] | None = None
    can: bool = True
    """Whether it has the capability that plans ask for, and so may stand in for others that have it."""


@dataclass(frozen=True, slots=True)
class Work:
    """One subtask."""

    id: str
    specialist: str
    needs: tuple[str, ...] = ()
    ops: tuple[Op, ...] = ()
    is_lenient: bool = True
    """Whether its specialist goes on when something is refused to it."""
    is_required: bool = True
    gate: tuple[Gating, ...] | None = None
    """Its question's answers, in order; the first holds."""
    budget: Amounts | None = None
    sla_s: float | None = None
    stage: str | None = None
    max_attempts: int = 3
    by_capability: bool = False


@dataclass(frozen=True, slots=True)
class Gating:
    """An answer to a gate."""

    after_s: float
    decision: Literal["accept", "reject"]


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """One task and its plan."""

    id: str
    work: tuple[Work, ...]
    starts_s: float = 0.0
    concurrency: int | None = None
    budget: Amounts = field(default_factory=dict)
    """Of the run; `seconds` is its deadline."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, or that somebody does, from outside.

    `crash`: the process that works on tasks dies, at `at` or at its append number `append`, before or after it is written.
    `partition`: its renewals of leases are lost for `for_s`. `jump`: the wall clock is set on by `for_s`. `cancel`: a person cancels
    `task`. `cut`: its caller gives up and comes back. `resubmit`: it is submitted again meanwhile.
    """

    kind: Kind
    at: float | None = None
    append: int | None = None
    is_written: bool = False
    task: int = 0
    process: int = 0
    """Whose appends are counted, by the order in which processes came up."""
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A planner, what is asked of it, and what goes wrong."""

    seed: int
    """Of ids and jitter, too."""
    tasks: tuple[TaskSetup, ...]
    specialists: tuple[SpecialistSetup, ...]
    tools: tuple[ToolSetup, ...] = ()
    faults: tuple[Fault, ...] = ()
    door: Door = "lean"
    floor: Amounts = field(default_factory=dict)
    work: Amounts = field(default_factory=dict)
    """Limit of all specialists together."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, without what is as it is by default."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def planned_id(subtask_id: str) -> str:
    """Return the subtask in whose place a replan has put `subtask_id`, or itself."""
    return subtask_id.partition("-")[0]


def _plain(given: Any) -> Any:
    if isinstance(given, Mapping):
        return {key: _plain(value) for key, value in given.items() if value not in (None, (), {})}
    return [_plain(one) for one in given] if isinstance(given, list | tuple) else given
