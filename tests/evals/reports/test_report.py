"""The one report object: what it holds, and that it depends on nothing but the outcomes."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from concertino.contracts.errors import TapeMiss
from concertino.contracts.json import JsonObject, dump
from concertino.evals.case_files import as_error
from concertino.evals.reports import report, run_report
from tests.evals.told import call, events, outcome, result


class Suite(NamedTuple):
    name: str = "offers"
    target: str = "demo:planner"


CALLS: list[JsonObject] = [call("work/law#2", "Is it <sued>?", "no", at=2.0)]


def test_a_case_has_its_verdicts_and_its_run() -> None:
    """Every attempt, call, breaker and weight stands in the one object."""
    made: Any = report(Suite(), [outcome({"status": "success", "calibration": {"grade": "B"}}, calls=CALLS)])
    (case,) = made["cases"]
    assert (case["id"], case["passed"], case["status"], case["tape"], case["tags"]) == (
        "acme", True, "success", "fresh", ["small"],
    )  # fmt: skip
    run = case["runs"][0]["run"]
    law = run["subtasks"][1]
    assert [(one["start"], one["end"], one["ended"]) for one in law["attempts"]] == [
        (0.0, 1.0, "failed"), (1.5, 3.0, "completed"),
    ]  # fmt: skip
    assert run["breakers"][0]["changes"][0]["to"] == "OPEN"
    assert run["tools"][0]["subtask"] == "money"
    assert run["calls"][0]["prompt"][1] == {"role": "user", "text": "Is it <sued>?"}
    assert (run["calls"][0]["subtask"], run["calls"][0]["attempt"], run["calls"][0]["answer"]) == ("law", 2, "no")
    assert run["bound"]["critical_path"] == ["law", "advice"]
    assert made["summary"]["calibration"]["answers"]["n"] == 1
    assert made["summary"]["calibration"]["findings"]["n"] == 3


def test_repeats_are_one_case_with_intervals() -> None:
    """Of four runs three pass: the case as a whole does not, and says how sure that is."""
    runs = [
        outcome({"status": "success"}, number=n, result=result(status="failed" if n == 2 else "success"))
        for n in (3, 1, 4, 2)
    ]
    made: Any = report(Suite(), runs)
    (case,) = made["cases"]
    assert [run["number"] for run in case["runs"]] == [1, 2, 3, 4]
    assert (case["passed"], case["passes"], case["verdicts"][0]["passed"]) == (False, 3, False)
    assert case["interval"][0] < 0.75 < case["interval"][1]
    assert made["summary"]["repeats"]["pass@k"]["2"]["mean"] == 1.0
    assert made["summary"]["repeats"]["pass^k"]["2"]["mean"] == 0.5


def test_what_could_not_be_run_is_told_beside_the_rest() -> None:
    """A broken tape has its file, line and rule in the report; the other cases are as they would be without it."""
    error: JsonObject = {"type": "FileInvalid", "message": "x", "file": "offers/tapes/b.jsonl", "line": 3, "rule": "r"}
    broken = outcome({"status": "success"}, case_id="b", result=None, events=[], error=error)
    made: Any = report(Suite(), [broken, outcome({"status": "success"})])
    assert [case["passed"] for case in made["cases"]] == [True, False]
    assert made["cases"][1]["runs"][0]["error"] == error
    assert (made["summary"]["passed"], made["summary"]["errors"]) == (1, 1)


def test_the_order_of_outcomes_and_keys_changes_nothing() -> None:
    """Identical outcomes make a report that is identical byte for byte."""
    outcomes = [
        outcome({"status": "success", "budget": "kept"}, case_id=name, calls=CALLS) for name in ("a", "b", "c", "d")
    ]
    first = dump(report(Suite(), outcomes))
    shuffled = [outcome({"budget": "kept", "status": "success"}, case_id=name, calls=CALLS) for name in "dbca"]
    random.Random(4).shuffle(shuffled)
    for one in shuffled:
        one.result.update(dict(reversed(list((one.result or {}).items()))))  # type: ignore[union-attr]  # it has one
    assert json.loads(dump(report(Suite(), shuffled))) == json.loads(first)
    assert dump(report(Suite(), outcomes)) == first


def test_one_run_is_a_report_of_one_case() -> None:
    """A journalled run has the same form, judged by nobody."""
    made: Any = run_report(result(), events())
    (case,) = made["cases"]
    assert (case["id"], case["passed"], "summary" in made) == ("acme", None, False)
    assert case["runs"][0]["run"]["seconds"] == 4.0


def test_a_run_that_is_not_over_shows_how_far_it_came() -> None:
    """Without a result, what the events tell: finished, at work, and not begun."""
    made: Any = run_report(None, events()[:8])
    run = made["cases"][0]["runs"][0]["run"]
    assert [one["state"] for one in run["subtasks"]] == ["running", "running", "pending"]
    assert run["subtasks"][1]["attempts"][-1]["ended"] == "running"
    assert run["status"] == "running"


def test_a_run_without_events_is_shown_by_its_result() -> None:
    """Times, states and weights are there; attempts are what the result knows of them."""
    made: Any = run_report(result(), [])
    run = made["cases"][0]["runs"][0]["run"]
    assert [one["end"] for one in run["subtasks"]] == [2.0, 3.0, 4.0]
    assert run["bound"]["critical_path"] == ["law", "advice"]


def test_a_miss_has_its_whole_difference_in_the_report() -> None:
    """Under `cases[].runs[].error`: every field that differs, of which the message lists the first."""
    changes = [f"messages[{n}].content: recorded 'a', now 'b'" for n in range(40)]
    miss = TapeMiss(kind="model", name="openai:m", scope="writer/a#1", nearest="writer/a#1 n=1", changes=changes)
    made: Any = report(Suite(), [outcome({"status": "success"}, result=None, events=[], error=as_error(miss))])
    error = made["cases"][0]["runs"][0]["error"]
    assert error["changes"] == changes
    assert {key: error[key] for key in ("type", "kind", "name", "scope", "nearest")} == {
        "type": "TapeMiss", "kind": "model", "name": "openai:m", "scope": "writer/a#1", "nearest": "writer/a#1 n=1",
    }  # fmt: skip
    assert "… and 28 more" in error["message"]
