"""For whom a call is made: set around whatever calls models and tools, read by whoever stands at the boundary."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """One try of one part of a run."""

    node: str
    """The graph's node: `plan`, `synthesize`, or the specialist that works."""
    subtask_id: str | None = None
    """The subtask, for a specialist."""
    attempt: int = 1
    """From 1: of a specialist at its subtask, of planning with every replan."""

    def __str__(self) -> str:
        return f"{self.node}{f'/{self.subtask_id}' if self.subtask_id is not None else ''}#{self.attempt}"


SCOPE: ContextVar[Scope | None] = ContextVar("concertino_scope", default=None)
"""The scope in force; threads and tasks that copy their caller's context have it too."""


@contextlib.contextmanager
def scoped(scope: Scope) -> Iterator[None]:
    """Put the block in a scope."""
    token = SCOPE.set(scope)
    try:
        yield
    finally:
        SCOPE.reset(token)
