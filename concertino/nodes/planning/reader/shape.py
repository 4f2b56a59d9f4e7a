"""What reading comes to before ids and references are put right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from concertino.contracts.json import JsonObject
from concertino.contracts.requirements import Requirements
from concertino.nodes.planning.reader.elements import Element, is_negated

NOT_TO_DO = "what is not to be done is no subtask: "
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
    key: str = ""
    """The field that held the subtasks, where one did."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the plans that stand in an answer."""

    shape: Shape
    form: str
    """What it came as, its own kind left out."""
    notes: tuple[str, ...] = ()
    is_part: bool = False
    """Whether it stands inside something broken that is a candidate, too."""


def refused_of(lines: Iterable[str]) -> list[str]:
    """Return the note on lines that say what is not to be done; none without any."""
    told = [line.strip(" *")[:64] for line in lines if is_negated(line)]
    return [f"{NOT_TO_DO}{'; '.join(map(repr, told[:5]))}"] if told else []


def joined(found: list[Candidate]) -> list[Candidate]:
    """Return the candidates with all single subtasks joined into one, as when each stands on a line of its own."""
    single = [one for one in found if one.shape.form == "one"]
    if len(single) < 2:
        return found
    together = together_of([one.shape for one in single])
    notes = tuple(dict.fromkeys(note for one in single for note in one.notes))
    is_part = all(one.is_part for one in single)
    return [
        Candidate(together, single[0].form, notes, is_part=is_part),
        *(one for one in found if one.shape.form != "one"),
    ]


def together_of(shapes: list[Shape]) -> Shape:
    """Return the subtasks of several shapes as one list."""
    return Shape([element for shape in shapes for element in shape.elements], form="list")


def last_of_the_large(shapes: list[Shape]) -> Shape | None:
    """Return the last that has at least half as many subtasks as the largest: a final plan comes after its drafts."""
    most = max((len(shape.elements) for shape in shapes), default=0)
    return next((shape for shape in reversed(shapes) if shape.elements and 2 * len(shape.elements) >= most), None)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read."""

    plan: JsonObject | None
    """In the shape of a caller's ready plan, with `links` that are not yet resolved; `None` where there is no plan."""
    form: str = "none"
    """What it came as, e.g. `json`, `fenced python`, `rewoo`."""
    notes: tuple[str, ...] = ()
    is_changed: bool = False
    """Whether something of it was mended or left out in reading, as the notes tell."""
    requirements: Requirements | None = None
    """Objectives, constraints and criteria that stand beside the plan; they are not in `plan`."""
