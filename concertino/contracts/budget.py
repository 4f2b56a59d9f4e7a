"""Budgets as people write them, and usage as it is reported."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Dimension = Literal["tokens", "calls", "usd", "documents"]
"""What a ledger counts. Seconds are a deadline, not a sum, and are kept apart."""

DIMENSIONS: tuple[Dimension, ...] = ("tokens", "calls", "usd", "documents")

Count = Annotated[int, Field(ge=0, le=10**15, strict=True)]
"""A whole number; bool and float are refused."""
Money = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class Budget(BaseModel):
    """Upper bounds; `None` means unbounded at this level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: Count | None = None
    """Input plus output tokens."""
    calls: Count | None = None
    """Outside calls, each attempt counted."""
    usd: Money | None = None
    """US dollars."""
    documents: Count | None = None
    """Documents read."""
    seconds: Seconds | None = None
    """Active seconds, as a deadline from the start of the run or subtask."""

    def within(self, other: Budget) -> Budget:
        """Return the lower of both bounds in each dimension."""
        mine, others = vars(self), vars(other)
        lower = {name: b if (a := mine[name]) is None or (b is not None and b < a) else a for name, b in others.items()}
        return self if lower == mine else other if lower == others else Budget.model_construct(**lower)

    def less(self, other: Budget) -> Budget:
        """Return what is left of each sum once `other` is taken off, never below 0; seconds are no sum and stay."""
        left: dict[str, float] = {
            name: max(0, round(mine - taken, 9))
            for name in DIMENSIONS
            if (mine := getattr(self, name)) is not None and (taken := getattr(other, name)) is not None
        }
        return self.model_copy(update=left)

    @model_validator(mode="before")
    @classmethod
    def _agent_budget(cls, given: object) -> object:
        """Accept document 004's `agent_budget` names beside ours."""
        if not isinstance(given, dict):
            return given
        names = {"token_limit": "tokens", "max_documents": "documents", "api_calls": "calls"}
        data = {names.get(key, key): value for key, value in given.items()}
        minutes = data.pop("time_bound_minutes", None)
        if isinstance(minutes, int | float) and not isinstance(minutes, bool):
            data.setdefault("seconds", minutes * 60)
        elif minutes is not None:
            data["seconds"] = minutes
        return data


class Usage(BaseModel):
    """What was spent. The sum of a run's usages is the usage of the run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int = 0
    calls: int = 0
    usd: float = 0.0
    """US dollars, exact to a billionth."""
    documents: int = 0
    seconds: float = 0.0
    """Active seconds."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            tokens=self.tokens + other.tokens,
            calls=self.calls + other.calls,
            usd=round(math.fsum((self.usd, other.usd)), 9),
            documents=self.documents + other.documents,
            seconds=self.seconds + other.seconds,
        )
