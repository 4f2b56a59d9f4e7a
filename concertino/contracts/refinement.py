"""How a plan deepens and how it mends itself: when a path is worth going on with, and who stands in for what failed."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from concertino.contracts.budget import Budget
from concertino.contracts.finding import Fraction
from concertino.contracts.ids import Name

LEAST = 0.3
"""Worth and confidence below which a path is not gone on with.

Document 004 asks for "early termination for low-value paths" and gives no figure for it; this is the threshold below
which it gives a task the least effort (`task_complexity < 0.3`, one agent).
"""
LEAST_GAIN = 0.01
"""One answer in a hundred; chosen by hand."""


class Refine(BaseModel):
    """From broad to focused to detailed: which paths are gone on with. Source: document 004, progressive refinement.

    A subtask of a later stage that needs one of an earlier stage refines it. It is done where at least one of those it
    refines is worth it: stated value and confidence reach both bounds. Else the path ends early.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "value"
    """Dotted path into a finding's output at which it states what the path is worth, 0-1. One that states nothing there
    is judged by its confidence alone."""
    min_value: Fraction = LEAST
    min_confidence: Fraction = LEAST
    min_worth: Fraction = LEAST_GAIN
    """By how much hearing a specialist must raise the probability of a right answer, in expectation, for a refinement or an
    optional subtask to be started. Asked where a track record knows such answers, and nowhere else."""


def _yes_means_the_defaults(given: object) -> object:
    if given is True:
        return Refine()
    return None if given is False else given


MaybeRefine = Annotated[Refine | None, BeforeValidator(_yes_means_the_defaults)]
"""`true` stands for the defaults."""


class StandIn(BaseModel):
    """Who takes over, and how, once a subtask stays failed. What is left out is as in the subtask itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    specialist: str | None = None
    capability: Name | None = None
    """What the stand-in must be able to do, where none is named; those that were tried are not asked again."""
    objective: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    inputs: dict[str, JsonValue] | None = None
    """In place of the subtask's inputs; literals, or references to other subtasks."""
    budget: Budget | None = None
    estimate_s: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_name_is_a_specialist(cls, given: object) -> object:
        return {"specialist": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _says_something(self) -> StandIn:
        if not self.model_fields_set:
            raise ValueError("name a specialist or a capability, or change the objective or the inputs")
        if self.specialist is not None and self.capability is not None:
            raise ValueError("at most one of specialist and capability may be given")
        return self
