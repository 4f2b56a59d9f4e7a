"""What a finding may hold."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from concertino import Finding
from concertino.contracts.task import input_error


@pytest.mark.parametrize("output", [math.nan, -math.inf, {"a": [1, {"b": math.inf}]}, [[math.nan]]])
def test_an_output_that_is_not_finite_is_refused(output: Any) -> None:
    """JSON has no form for NaN and infinities, wherever they stand."""
    with pytest.raises(ValidationError, match="finite"):
        Finding(output=output)


@pytest.mark.parametrize("field", ["confidence", "authority"])
@pytest.mark.parametrize("value", [True, "0.5", math.nan, 1.1, -0.1])
def test_a_fraction_is_a_number_from_0_to_1(field: str, value: Any) -> None:
    """Text and booleans are not read as numbers."""
    given: dict[str, Any] = {field: value}
    with pytest.raises(ValidationError):
        Finding(output=1, **given)


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_whole_numbers_are_fractions_too(value: float) -> None:
    """0 and 1 need no decimal point, and a finding comes back from JSON as it was."""
    found = Finding(output={"a": [0.5, None, "x"]}, confidence=value)
    assert found.confidence == float(value)
    assert Finding.model_validate_json(found.model_dump_json()) == found


def test_an_integer_that_python_does_not_write_out_is_refused() -> None:
    """The refusal names field and rule, and can be shown; the longest integers that can be written are taken."""
    outputs: list[Any] = [10**5000, -(10**5000), {"a": [10**5000]}]
    for output in outputs:
        with pytest.raises(ValidationError) as caught:
            Finding(output=output)
        error = input_error(caught.value, field="finding")
        assert error.field == "finding.output"
        assert "at most 4300 digits" in str(error)
    assert str(10**4299) in repr(Finding(output=10**4299))
