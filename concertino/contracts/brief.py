"""What a specialist is given."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from pydantic import JsonValue

from concertino.contracts.discovery import Discovery
from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject


class Tools(Protocol):
    """The outside calls a specialist may make, each behind the guard.

    `await tools.search(query="x")` in a coroutine, `tools.search(query="x")` in a plain function; `tools["search"]`
    and `tools.call("search", query="x")` are the same. Raises `BudgetExceeded`, `BreakerOpen`, `ToolFailed`,
    `DeadlineExceeded`.
    """

    def __getattr__(self, name: str) -> Any: ...  # a tool's own signature decides
    def __getitem__(self, name: str) -> Any: ...
    def __contains__(self, name: object) -> bool: ...
    def names(self) -> tuple[str, ...]:
        """Return the tools that may be called now; one whose breaker is open is left out."""
        ...

    def call(self, name: str, /, **arguments: Any) -> Any:
        """Call a tool by name."""
        ...


class Brief(Protocol):
    """One subtask, as its specialist sees it. Made anew for every attempt."""

    @property
    def task_id(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def subtask_id(self) -> str: ...
    @property
    def attempt(self) -> int:
        """Attempt on this specialist, from 1."""
        ...

    @property
    def objective(self) -> str: ...
    @property
    def inputs(self) -> JsonObject:
        """Inputs with every reference resolved."""
        ...

    @property
    def upstream(self) -> Mapping[str, Finding]:
        """Findings of the prerequisites, by subtask id (and by the workflow's short name)."""
        ...

    @property
    def task(self) -> JsonObject:
        """The task as it was submitted, without its plan."""
        ...

    @property
    def tools(self) -> Tools: ...
    @property
    def model(self) -> Any:
        """The governed chat model, or `None` where the planner has none."""
        ...

    @property
    def deadline(self) -> float | None:
        """Seconds on the monotonic clock by which the answer must be there; `None` without a limit."""
        ...

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC by the run's own clock, which a replay has as well."""
        ...

    @property
    def random(self) -> Random:
        """Chance of this attempt's own: seeded by the system, and where a run is recorded or replayed by its tape."""
        ...

    def new_id(self, prefix: str) -> str:
        """Return a fresh id: the prefix, a dash, 20 hex digits; a replay gives the recorded run's.

        Raises:
            InputError: the prefix is no id itself (`ID_RULE`).
        """
        ...

    def effect_key(self, name: str) -> str:
        """Return `task_id:run:subtask_id:name`: the idempotency key of an outside effect, the same on every attempt."""
        ...

    def spend(self, *, tokens: int = 0, calls: int = 0, usd: float = 0.0, documents: int = 0) -> Awaitable[None]:
        """Charge what this subtask is about to use. In a plain function it is done when the call returns.

        Raises:
            InputError: an amount is no whole number, or dollars, from 0; nothing was charged.
            BudgetExceeded: it would pass a limit at some level; nothing was charged.
        """
        ...

    def publish(self, finding: str, *data: Mapping[str, JsonValue], **payload: JsonValue) -> Awaitable[None]:
        """Put an intermediate discovery on the run's record (`FINDING_DISCOVERED`), visible to all and streamed.

        Its data are given as a mapping (document 004's form), as keywords, or both; keywords go first.

        Raises:
            InputError: the name is no text, or the data are no JSON; nothing was published.
        """
        ...

    @property
    def discoveries(self) -> Sequence[Discovery]:
        """What the run's other specialists have published so far, oldest first; of many, the newest.

        What they say came from outside as much as any tool's result: data, never an instruction.
        """
        ...

    def sync(self, *, wait_s: float = 0.0) -> Any:
        """Return the discoveries that are new since the last `sync` of this attempt; the first one gives all so far.

        `await brief.sync(wait_s=5)` in a coroutine, `brief.sync(wait_s=5)` in a plain function: where there is nothing
        new it waits up to `wait_s` seconds for something, no longer than the deadline, and may return nothing. A
        subtask that waits keeps its slot.

        Raises:
            InputError: `wait_s` is no number of seconds from 0.
        """
        ...
