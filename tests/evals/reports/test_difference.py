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


def test_one_repeat_that_fails_now_is_a_regression() -> None:
    """Replays are repeatable: of ten repeats or of three, one more that fails is no chance; one more that passes is better."""
    before, after = suite(a=[result()] * 9 + [FAILED]), suite(a=[result()] * 8 + [FAILED] * 2)
    assert (changes(before, after), compare(before, after).is_regression) == ({"a": "worse"}, True)
    assert (changes(after, before), compare(after, before).is_regression) == ({"a": "better"}, False)
    all_, none = suite(a=[result()] * 3), suite(a=[FAILED] * 3)
    assert (changes(all_, none), compare(all_, none).is_regression) == ({"a": "worse"}, True)
    assert changes(none, all_) == {"a": "better"}
    assert compare(all_, none).cases[0]["passes"] == [[3, 3], [0, 3]]


def test_another_repeat_that_fails_is_a_regression_though_as_many_pass() -> None:
    """Repeats are held against those of the same number, not against their count."""
    assert changes(suite(a=[result(), FAILED]), suite(a=[FAILED, result()])) == {"a": "worse"}


def test_more_or_fewer_repeats_are_compared_where_both_have_them() -> None:
    """A new repeat of a passing case that fails is a regression; leaving the failing ones out is no success."""
    one, three = suite(a=[result()]), suite(a=[result(), result(), FAILED])
    assert changes(one, three) == {"a": "worse"}
    assert changes(three, one) == {"a": "changed"}
    assert changes(one, suite(a=[result()] * 3)) == {"a": "changed"}


def test_a_verdict_that_fails_by_more_is_a_regression() -> None:
    """Also among repeats, and however certain the interval is of nothing."""
    dear, dearer = (result(status="failed", usage={"usd": usd}) for usd in (2.0, 4.0))
    assert changes(suite(a=[dear] * 2), suite(a=[dear, dearer])) == {"a": "worse"}
    assert changes(suite(a=[dear, dearer]), suite(a=[dear] * 2)) == {"a": "better"}


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
