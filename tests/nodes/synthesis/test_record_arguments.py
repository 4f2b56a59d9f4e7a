"""What a track record says to arguments of the wrong kind."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.contracts.errors import InputError
from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord

HUGE = 10**5000
"""Longer than Python writes out."""

WRONG: dict[str, tuple[str, list[Any], dict[str, Any], str]] = {
    "finding": ("record", [{}, None, "x"], {}, "finding"),
    "question_id": ("settle", [None, 5, [], "unknown"], {"truth": 1}, "question_id"),
    "tolerance": ("settle", ["x", True, -1, HUGE], {"question_id": "q", "truth": 1}, "settle.tolerance"),
    "truth": ("settle", [None, HUGE], {"question_id": "q"}, "truth"),
    "keep": ("forgotten", [1.5, True, "1", -1, None], {}, "keep"),
    "other": ("merged", [5, None, {}], {}, "other"),
    "path": ("load", [None, 5, "a\0b", b"x"], {}, "path"),
    "found": ("of", [None, 5, []], {}, "record"),
}
"""By argument: method, wrong values, the other arguments, the field in the error."""


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_argument_is_named_with_its_rule(argument: str) -> None:
    """Whatever is wrong with an argument, the error is ours and says which, and the record stays as it was."""
    method, wrong, others, field = WRONG[argument]
    record = TrackRecord()
    record.record(Finding(output=1, specialist="a", question_id="q"))
    record.settle("q", 1)
    before = record.content()
    for value in wrong:
        with pytest.raises(InputError) as caught:
            getattr(record, method)(**others, **{argument: value})
        assert caught.value.field == field
        assert caught.value.rule
    assert record.content() == before


def test_a_record_is_saved_to_a_path_only() -> None:
    """Numbers, bytes and text with a NUL in it are no paths."""
    wrong: list[Any] = [None, 5, "a\0b", b"x"]
    for path in wrong:
        with pytest.raises(InputError) as caught:
            TrackRecord().save(path)
        assert (caught.value.field, caught.value.rule) == ("path", "must be a path")


@pytest.mark.parametrize("number", range(6))
def test_a_half_life_is_a_number_above_0(number: int) -> None:
    """Text, booleans and what no float holds are refused; a whole number is taken."""
    bad: Any = ("x", True, 0, float("nan"), HUGE, [])[number]
    with pytest.raises(InputError) as caught:
        TrackRecord(half_life=bad)
    assert caught.value.field == "half_life"
    assert TrackRecord(half_life=5).content()["half_life"] == 5.0
