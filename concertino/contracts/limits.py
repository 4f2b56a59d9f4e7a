"""Bounds on whatever comes in from outside."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """How large an input may be before it is refused. All are settable; the defaults were chosen by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: Annotated[int, Field(ge=1_000, le=64_000_000)] = 256_000
    """Size of one task as UTF-8 JSON, checked before parsing."""
    subtasks: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Subtasks in one plan."""
    depth: Annotated[int, Field(ge=1, le=10_000)] = 32
    """Longest chain of prerequisites in one plan, counted in subtasks."""
    nesting: Annotated[int, Field(ge=1, le=200)] = 32
    """Nesting of objects and arrays in any JSON value."""
    output_bytes: Annotated[int, Field(ge=1_000, le=256_000_000)] = 4_000_000
    """Size of one finding's output as UTF-8 JSON."""
    inline_bytes: Annotated[int, Field(ge=0, le=1_000_000)] = 8_000
    """Findings up to this size travel in graph state; larger ones stay in the journal by reference."""
