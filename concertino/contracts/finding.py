"""What a specialist answers."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

DIGIT_BITS = 14_284
"""Integers of so many bits have at most 4300 decimal digits, the most that Python writes out by default."""


def _finite(value: JsonValue) -> JsonValue:
    parts: list[JsonValue] = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError("numbers must be finite")
        if isinstance(part, int) and part.bit_length() > DIGIT_BITS:
            raise ValueError("integers must have at most 4300 digits")
        if isinstance(part, dict):
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return value


Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
"""A number in 0-1; text and booleans are refused."""


class Evidence(BaseModel):
    """Where a claim comes from."""

    model_config = ConfigDict(frozen=True, extra="allow")

    source: str
    """A file, address or tool."""
    quote: str | None = None
    """The words that carry the claim."""
    line: int | None = None
    """Line in `source`, from 1."""


class Finding(BaseModel):
    """One specialist's answer to one task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Annotated[JsonValue, AfterValidator(_finite)]
    """What the specialist found; its shape is the specialist's output schema."""
    confidence: Fraction = 1.0
    """The specialist's own probability that `output` holds, 0-1."""
    evidence: tuple[Evidence | str, ...] = ()
    """What the claim rests on; a bare string is a source."""
    specialist: str | None = None
    """Who says so; set by the graph, needed only when findings are used alone."""
    domain: str | None = None
    """The field of knowledge, for track records by domain."""
    question_id: str | None = None
    """What was asked; findings on one question are rivals. `None` is one common question."""
    authority: Fraction | None = None
    """How far we trust this specialist here, 0-1; set by the pack or the caller, never by a model."""
    notes: str | None = None
    """Anything a reader should know beside the output."""


class Declined(BaseModel):
    """A specialist's way to say that it cannot answer. Not retried; an alternative may be asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str
