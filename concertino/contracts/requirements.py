"""What is asked for, in parts: objectives, constraints, acceptance criteria."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from concertino.contracts.ids import Name


class Criterion(BaseModel):
    """One acceptance criterion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    text: Annotated[str, StringConstraints(max_length=4_000)] = ""


class Requirements(BaseModel):
    """What a task asks for, taken from its free text. Source: document 002, plan synthesis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objectives: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    acceptance_criteria: tuple[Criterion, ...] = ()
