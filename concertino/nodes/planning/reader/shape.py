"""What reading comes to before ids and references are put right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from concertino.contracts.json import JsonObject
from concertino.contracts.requirements import Requirements
from concertino.nodes.planning.reader.elements import Element

CHAINED = "the steps come in order and name no dependencies: each needs the one before"


@dataclass(slots=True)
class Shape:
    """What was understood as a plan, ids and references still as they were written."""

    elements: list[Element]
    form: str = ""
    links: list[Any] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    """Objectives, constraints and criteria."""
    notes: list[str] = field(default_factory=list)
    in_order: bool = False
    """Whether the order of the subtasks is what says which needs which."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the plans that stand in an answer."""

    shape: Shape
    form: str
    """What it came as, its own kind left out."""
    notes: tuple[str, ...] = ()
    is_part: bool = False
    """Whether it stands inside something broken that is a candidate, too."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read."""

    plan: JsonObject | None
    """In the shape of a caller's ready plan, with `links` that are not yet resolved; `None` where there is no plan."""
    form: str = "none"
    """What it came as, e.g. `json`, `fenced python`, `rewoo`."""
    notes: tuple[str, ...] = ()
    requirements: Requirements | None = None
    """Objectives, constraints and criteria that stand beside the plan; they are not in `plan`."""
