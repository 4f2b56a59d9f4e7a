"""Two reports against each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject
from concertino.evals.reports import compare, report
from tests.evals.told import outcome, result


class Suite(NamedTuple):
    name: str = "offers"
    target: str = "demo:planner"


FAILED = result(status="failed")
EXPECT: dict[str, Any] = {"status": "success", "cost": {"max_usd": 1.0}}


def suite(**runs: list[dict[str, Any]]) -> JsonObject:
    """Return the report of cases with their repeats' results."""
    made = [
        outcome(EXPECT, case_id=name, number=number + 1, result=one)
        for name, results in runs.items()
        for number, one in enumerate(results)
    ]
    return report(Suite(), made)


def changes(before: JsonObject, after: JsonObject) -> dict[str, str]:
    return {str(case["id"]): str(case["change"]) for case in compare(before, after).cases}


def test_the_same_report_is_the_same() -> None:
    """Nothing changed, and every difference is exactly 0."""
    made = suite(a=[result()], b=[FAILED])
    found = compare(made, made)
    assert (changes(made, made), found.is_regression) == ({"a": "same", "b": "same"}, False)
    told: Any = found.means
    assert told["share"] == {"difference": 0.0, "interval": [0.0, 0.0], "cases": 2}


def test_a_case_that_fails_now_is_a_regression() -> None:
    """However many others got better."""
    before, after = suite(a=[result()], b=[FAILED], c=[FAILED]), suite(a=[FAILED], b=[result()], c=[result()])
    assert changes(before, after) == {"a": "worse", "b": "better", "c": "better"}
    found = compare(before, after)
    assert found.is_regression
    flipped: Any = found.cases[0]["verdicts"]
    assert flipped[0]["name"] == "status"
    assert (flipped[0]["was"]["passed"], flipped[0]["is"]["passed"]) == (True, False)


def test_a_verdict_that_fails_now_is_one_within_a_case_that_fails_anyway() -> None:
    """A failed case that fails of more than before got worse."""
    dear = result(status="failed", usage={"usd": 2.0})
    assert changes(suite(a=[FAILED]), suite(a=[dear])) == {"a": "worse"}


def test_a_case_that_is_gone_is_a_regression_and_a_new_one_is_none() -> None:
    """Who leaves a failing case out does not pass."""
    both, one = suite(a=[result()], b=[FAILED]), suite(a=[result()])
    assert compare(both, one).is_regression
    assert not compare(one, both).is_regression
    assert changes(one, both) == {"a": "same", "b": "new"}


def test_one_repeat_that_falls_otherwise_is_no_regression() -> None:
    """Of ten repeats one more fails, which chance alone may do; that all fail is another matter."""
    before = suite(a=[result()] * 9 + [FAILED])
    assert changes(before, suite(a=[result()] * 8 + [FAILED] * 2)) == {"a": "changed"}
    assert changes(before, suite(a=[FAILED] * 10)) == {"a": "worse"}


def test_many_small_losses_are_a_regression_together() -> None:
    """No case fails clearly more often, and all of them together do: the interval of the mean lies below 0."""
    before = suite(**{f"c{n}": [result()] * 4 for n in range(8)})
    after = suite(**{f"c{n}": [result()] * 3 + [FAILED] for n in range(8)})
    assert set(changes(before, after).values()) == {"changed"}
    assert compare(before, after).is_regression


def test_another_answer_under_the_same_verdicts_is_a_change() -> None:
    """Whoever reads the diff sees that something is different, and CI goes on."""
    before, after = suite(a=[result()]), suite(a=[result(answer={"grade": "C"})])
    found = compare(before, after)
    assert (found.cases[0]["change"], found.is_regression) == ("changed", False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "must be a report"),
        ({"cases": []}, "format 1"),
        ({"report": 2, "cases": []}, "format 1"),
        ({"report": 1, "cases": [{}]}, "id"),
    ],
)
def test_what_is_no_report_is_refused(given: Any, said: str) -> None:
    """A foreign file, or a report of a newer format, is named with its rule."""
    with pytest.raises(InputError, match=said):
        compare(suite(a=[result()]), given)
