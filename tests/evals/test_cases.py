"""What a case may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from concertino.evals.cases import Case


def case(expect: dict[str, Any]) -> Case:
    return Case.model_validate({"id": "a", "payload": {}, "expect": expect})


@pytest.mark.parametrize(
    "expect",
    [
        {},
        {"answer": {}},
        {"answer": {"path": "total"}},
        {"answer": {"rubric": None}},
        {"cost": {}},
        {"makespan": {}},
        {"status": None},
        {"routing": {}},
        {"calls": {}},
        {"status": "success", "answer": {}},
    ],
)
def test_an_expectation_that_nothing_is_held_to_is_refused(expect: dict[str, Any]) -> None:
    """Whoever writes it learns so when the case is read, and what it could say."""
    with pytest.raises(ValidationError, match="at least one"):
        case(expect)


@pytest.mark.parametrize("expect", [{"answer": {"exact": None}}, {"calibration": None}, {"answer": {"schema": {}}}])
def test_nothing_is_a_thing_to_expect(expect: dict[str, Any]) -> None:
    """An answer may have to be null."""
    assert case(expect).expect == expect
