"""What others may know of a specialist, without being able to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from concertino.contracts.budget import Budget
from concertino.contracts.json import JsonObject

Delivery = Literal["at_least_once", "at_most_once"]
Health = Literal["healthy", "degraded", "failing", "unknown"]


@dataclass(frozen=True, slots=True)
class SpecialistCard:
    """A specialist's declaration: what routing and validation read."""

    name: str
    capabilities: frozenset[str] = frozenset()
    domain: str | None = None
    description: str = ""
    authority: float = 1.0
    """Trust in this specialist, 0-1."""
    budget: Budget = field(default_factory=Budget)
    """Sums bound all its subtasks of one run together; `seconds` bounds each subtask."""
    input_schema: JsonObject | None = None
    """JSON Schema of `inputs`; `None` accepts any literal inputs."""
    output_schema: JsonObject | None = None
    """JSON Schema of a finding's output; its properties are what dependents may take as inputs."""
    isolation: Literal["none", "process"] = "none"
    delivery: Delivery = "at_least_once"
    sla_s: float | None = None
    max_concurrency: int | None = None
    version: str = "0"
    """Part of the key under which results are reused."""
    variant_of: str | None = None
    """Name of the specialist that this one is an A/B variant of."""
    max_attempts: int = 3
    """Attempts a subtask, 1-3."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a specialist is doing: what routing weighs. Load is this process's, the record is the journal's."""

    health: Health = "unknown"
    running: int = 0
    """Subtasks it is working on now."""
    completed: int = 0
    failed: int = 0
    mean_s: float = 0.0
    """Mean seconds of its completed subtasks."""
    breaker_open: bool = False


Cards = Mapping[str, SpecialistCard]
Standings = Mapping[str, Standing]
