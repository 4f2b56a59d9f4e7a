"""Holes: places in a workflow that it leaves to a model, and the bounds of what may come there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from concertino.contracts.budget import Budget
from concertino.contracts.ids import Name

MOST_SUBTASKS = 8
"""Subtasks in a hole that names no number, chosen by hand."""


class Hole(BaseModel):
    """A place for subtasks that a model writes. In a workflow texts may hold placeholders; in a `Draft` they are filled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    """Shares one space of names with the workflow's templates. Subtasks put there are called `id-1`, `id-2`, ..."""
    objective: Annotated[str, StringConstraints(max_length=20_000)] = ""
    """What is to be planned here. Empty in a workflow: the task's title and description."""
    specialists: tuple[str, ...] = ()
    """Who may work here, A/B variants included."""
    capabilities: tuple[Name, ...] = ()
    """Whoever has one of these may work here too. Neither given: everybody."""
    max_subtasks: Annotated[int, Field(ge=1, le=1_000)] = MOST_SUBTASKS
    needs: tuple[Name, ...] = ()
    """What comes before. In a workflow ids of templates and other holes; in a draft of subtasks and other holes."""
    when: Annotated[str, StringConstraints(min_length=1)] | None = None
    """CEL over `task` and `payload`; the hole is left out unless it holds."""
    required: bool = True
    """Where no model fills it: a required hole gets every allowed specialist on the whole of it, an optional one is left out."""
    shared: bool = True
    """Whether later subtasks may need it: all its subtasks together, whose results they see as one list."""
    budget: Budget | None = None
    """Bounds for all its subtasks together; each gets an equal part. `seconds` bound each."""
    covers: tuple[Name, ...] | Literal["all"] = ()
    """Acceptance criteria that its subtasks divide among themselves; a draft names those that the task has."""
    stage: Name | None = None

    @model_validator(mode="after")
    def _is_sound(self) -> Hole:
        if self.id in self.needs:
            raise ValueError("a hole cannot need itself")
        return self
