"""What one specialist answered, what turned out to be so, and when the one is right by the other."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import TypeIs

from concertino.contracts.finding import Fraction
from concertino.nodes.synthesis.ballot import canonical

RELATIVE_TOLERANCE = 0.05
"""How far off a number may be, as a part of the truth, and still count as right. Chosen by hand."""

Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Answer(BaseModel):
    """What one specialist answered to one question."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question_id: Text
    specialist: Text
    domain: str | None = None
    output: JsonValue
    confidence: Fraction
    authority: Fraction | None = None
    """The authority it came with, the prior when the past is weighed again."""

    def repeats(self, other: Answer) -> bool:
        """Say whether both are the same answer; `True` is not 1, whatever Python's equality says."""
        return self == other and canonical(self.output) == canonical(other.output)


class Truth(BaseModel):
    """What turned out to be so."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question_id: Text
    truth: JsonValue
    tolerance: Tolerance | None = None
    """How far off a number may be, in its own unit; `None` means `RELATIVE_TOLERANCE` of the truth."""

    def repeats(self, other: Truth) -> bool:
        """Say whether both are the same truth; `True` is not 1."""
        return self == other and canonical(self.truth) == canonical(other.truth)

    def holds(self, output: JsonValue) -> bool:
        """Say whether `output` is right. Of an object, every field that the truth names must be right."""
        return _is_right(output, self.truth, tolerance=self.tolerance)


def _is_right(output: JsonValue, truth: JsonValue, *, tolerance: float | None) -> bool:
    if isinstance(truth, dict):
        return isinstance(output, dict) and all(
            key in output and _is_right(output[key], value, tolerance=tolerance) for key, value in truth.items()
        )
    if is_number(truth) and is_number(output):
        allowed = abs(truth) * RELATIVE_TOLERANCE if tolerance is None else tolerance
        return math.isfinite(allowed) and abs(output - truth) <= allowed
    return canonical(output) == canonical(truth)


def is_number(value: object) -> TypeIs[int | float]:
    """Say whether this is a number; booleans are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
