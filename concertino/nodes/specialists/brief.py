"""The brief a specialist is handed, for coroutines and for plain functions."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from pydantic import JsonValue

from concertino.contracts.brief import Tools
from concertino.contracts.discovery import News
from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject


class Desk(Protocol):
    """What stands behind a brief: the run's ledger and record, and its tools, reachable from any loop or thread."""

    @property
    def tools(self) -> Tools: ...
    @property
    def model(self) -> Any: ...
    async def spend(self, *, tokens: int, calls: int, usd: float, documents: int) -> None: ...
    def spend_blocking(self, *, tokens: int, calls: int, usd: float, documents: int) -> None: ...
    async def publish(self, finding: str, *payload: Mapping[str, JsonValue]) -> None: ...
    def publish_blocking(self, finding: str, *payload: Mapping[str, JsonValue]) -> None: ...
    @property
    def discoveries(self) -> News: ...
    def now(self) -> float: ...
    @property
    def random(self) -> Random: ...
    def new_id(self, prefix: str) -> str: ...
    async def sync(self, *, wait_s: float) -> News: ...
    def sync_blocking(self, *, wait_s: float) -> News: ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """The facts of one attempt at one subtask."""

    task_id: str
    run_id: str
    subtask_id: str
    attempt: int
    objective: str
    inputs: JsonObject
    upstream: Mapping[str, Finding]
    task: JsonObject
    deadline: float | None

    def effect_key(self, name: str) -> str:
        """Return `task_id:run:subtask_id:name`; no attempt in it, or a retry would act twice."""
        return f"{self.task_id}:{self.run_id}:{self.subtask_id}:{name}"

    def as_json(self) -> JsonObject:
        """Return what a child process needs to make a brief of its own; its field names are `process.BriefData`'s."""
        names = self.upstream.names if isinstance(self.upstream, Upstream) else {}
        return {
            "task_id": self.task_id,
            "run_id": self.run_id,
            "subtask_id": self.subtask_id,
            "attempt": self.attempt,
            "objective": self.objective,
            "inputs": self.inputs,
            "upstream": {key: finding.model_dump(mode="json") for key, finding in self.upstream.items()},
            "upstream_names": dict(names),
            "task": self.task,
        }


class Upstream(Mapping[str, Finding]):
    """Findings of the prerequisites; iterates over subtask ids, also answers to the workflow's short names."""

    __slots__ = ("_by_id", "names")

    def __init__(self, by_id: Mapping[str, Finding], names: Mapping[str, str]) -> None:
        self._by_id, self.names = by_id, names

    def __getitem__(self, key: str) -> Finding:
        found = self._by_id.get(key)
        return found if found is not None else self._by_id[self.names[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)


class Done:
    """An awaitable for what has happened already."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


class _Brief:
    """The part both briefs share."""

    __slots__ = ("_desk", "_facts")

    def __init__(self, facts: Assignment, *, desk: Desk) -> None:
        self._facts, self._desk = facts, desk

    @property
    def task_id(self) -> str:
        return self._facts.task_id

    @property
    def run_id(self) -> str:
        return self._facts.run_id

    @property
    def subtask_id(self) -> str:
        return self._facts.subtask_id

    @property
    def attempt(self) -> int:
        return self._facts.attempt

    @property
    def objective(self) -> str:
        return self._facts.objective

    @property
    def inputs(self) -> JsonObject:
        return self._facts.inputs

    @property
    def upstream(self) -> Mapping[str, Finding]:
        return self._facts.upstream

    @property
    def task(self) -> JsonObject:
        return self._facts.task

    @property
    def tools(self) -> Tools:
        return self._desk.tools

    @property
    def model(self) -> Any:
        return self._desk.model

    @property
    def deadline(self) -> float | None:
        return self._facts.deadline

    @property
    def discoveries(self) -> News:
        return self._desk.discoveries

    def now(self) -> float:
        return self._desk.now()

    @property
    def random(self) -> Random:
        return self._desk.random

    def new_id(self, prefix: str) -> str:
        return self._desk.new_id(prefix)

    def effect_key(self, name: str) -> str:
        return self._facts.effect_key(name)

    def __repr__(self) -> str:
        return f"<brief {self.subtask_id} attempt {self.attempt}>"


class AsyncBrief(_Brief):
    """For coroutines: what takes time is awaited."""

    __slots__ = ()

    def spend(self, *, tokens: int = 0, calls: int = 0, usd: float = 0.0, documents: int = 0) -> Awaitable[None]:
        return self._desk.spend(tokens=tokens, calls=calls, usd=usd, documents=documents)

    def publish(self, finding: str, *data: Mapping[str, JsonValue], **payload: JsonValue) -> Awaitable[None]:
        return self._desk.publish(finding, *data, payload)

    def sync(self, *, wait_s: float = 0.0) -> Awaitable[News]:
        return self._desk.sync(wait_s=wait_s)


class BlockingBrief(_Brief):
    """For plain functions, which run in a thread of their own: each call is done when it returns."""

    __slots__ = ()

    def spend(self, *, tokens: int = 0, calls: int = 0, usd: float = 0.0, documents: int = 0) -> Awaitable[None]:
        self._desk.spend_blocking(tokens=tokens, calls=calls, usd=usd, documents=documents)
        return Done()

    def publish(self, finding: str, *data: Mapping[str, JsonValue], **payload: JsonValue) -> Awaitable[None]:
        self._desk.publish_blocking(finding, *data, payload)
        return Done()

    def sync(self, *, wait_s: float = 0.0) -> News:
        return self._desk.sync_blocking(wait_s=wait_s)
