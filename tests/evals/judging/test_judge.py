"""What each expectation is held against."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from concertino.contracts.json import JsonObject
from concertino.evals.cases import Case
from concertino.evals.judging import Verdict, judge, passed
from concertino.evals.judging.judge import rubric_question
from concertino.evals.judging.rubric import read_judgement, rubric_messages
from tests.evals.told import ANSWER, call, event, events, outcome, result


def judged(expect: dict[str, Any], **changes: Any) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in judge(outcome(expect, **changes))}


HOLDS: dict[str, dict[str, Any]] = {
    "status": {"status": "success"},
    "plan.nodes": {"plan": {"nodes": ["legal", "financial", "writer"]}},
    "plan.edges": {"plan": {"nodes": ["money", "law", "advice"], "edges": [["law", "advice"], ["money", "advice"]]}},
    "plan.origin": {"plan": {"nodes": ["writer"], "min_node_f1": 0.5, "origins": ["caller"]}},
    "routing": {"routing": {"money": "financial", "is it <SUED>": ["legal", "press"]}},
    "states": {"states": {"money": "completed"}},
    "answer.exact": {"answer": {"exact": {"risk": 0.4, "grade": "B"}}},
    "answer.numeric": {"answer": {"numeric": {"value": 0.41, "tolerance": 0.011}, "path": "risk"}},
    "answer.schema": {"answer": {"schema": {"type": "object", "required": ["grade"]}}},
    "budget": {"budget": "kept"},
    "deadline": {"deadline": "kept"},
    "cost": {"cost": {"max_usd": 0.75, "max_tokens": 300}},
    "breakers": {"breakers": {"register": "opened", "register@eu": "closed", "search": "closed"}},
    "calls": {"calls": {"search": 1, "model": 0}},
    "makespan": {"makespan": {"max_ratio": 1.01, "max_s": 4.0}},
}
BREAKS: dict[str, dict[str, Any]] = {
    "status": {"status": "failed"},
    "plan.nodes": {"plan": {"nodes": ["legal", "press"]}},
    "plan.edges": {"plan": {"nodes": ["money", "law", "advice"], "edges": [["money", "law"]]}},
    "plan.origin": {"plan": {"nodes": ["writer"], "min_node_f1": 0.5, "origins": ["model"]}},
    "routing": {"routing": {"money": "legal"}},
    "states": {"states": {"money": "failed"}},
    "answer.exact": {"answer": {"exact": {"risk": 0.4, "grade": "b"}}},
    "answer.numeric": {"answer": {"numeric": {"value": {"risk": 0.5}, "tolerance": 0.05}}},
    "answer.schema": {"answer": {"schema": {"type": "object", "required": ["advice"]}}},
    "cost": {"cost": {"max_usd": 0.5}},
    "breakers": {"breakers": {"register": "open"}},
    "calls": {"calls": {"search": 2}},
    "makespan": {"makespan": {"max_s": 3.9}},
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_came_about_passes(name: str) -> None:
    """An expectation that the run fulfils is passed with the full score."""
    verdict = judged(HOLDS[name])[name]
    assert verdict.passed is True
    assert verdict.score == 1.0


@pytest.mark.parametrize("name", BREAKS)
def test_what_did_not_come_about_fails(name: str) -> None:
    """An expectation that the run does not fulfil fails, with a reason in its detail."""
    verdict = judged(BREAKS[name])[name]
    assert verdict.passed is False
    assert verdict.detail


def test_a_limit_that_was_passed_anywhere_breaks_the_budget() -> None:
    """The ledger is looked at on every level, and what is still held at the end counts against it."""
    over = result()["budget"]
    over["children"]["work"].update(limit={"tokens": 200}, held={"calls": 1})
    verdict = judged({"budget": "kept"}, result=result(budget=over))["budget"]
    assert verdict.passed is False
    told: Any = verdict.detail
    assert told["over"][0]["path"] == "run/work"
    assert told["held_at_end"] == {"run/work": 1}


def test_an_overrun_reservation_breaks_the_budget() -> None:
    """A breach on the record is enough, whatever the sums say."""
    breach = event("BUDGET_BREACH", 4.0, dimension="tokens")
    assert judged({"budget": "kept"}, events=[*events(), breach])["budget"].passed is False


@pytest.mark.parametrize(
    "changes",
    [
        {"result": result(usage={"seconds": 10.5})},
        {"events": [*events(), event("SLA_MISSED", 4.0, "law", sla_s=1.0)]},
    ],
)
def test_late_runs_miss_their_deadline(changes: dict[str, Any]) -> None:
    """Active seconds beyond the limit, or an SLA that was missed."""
    assert judged({"deadline": "kept"}, **changes)["deadline"].passed is False


def test_an_expected_error_is_a_status_like_any_other() -> None:
    """A run that ends in the error which its case names passes; in another, it fails as a whole."""
    error: JsonObject = {"type": "BudgetExceeded", "message": "run budget: asked 5 calls, 2 left"}
    ended: dict[str, Any] = {"result": None, "events": [], "error": error}
    assert judged({"status": "BudgetExceeded"}, **ended)["status"].passed is True
    verdict = judged({"status": "success", "budget": "kept"}, **ended)
    assert list(verdict) == ["run"]
    assert verdict["run"].detail == error


def test_a_rubric_is_judged_by_the_call_on_the_tape() -> None:
    """The judge that was asked exactly this is believed, criterion by criterion; no such call, no verdict but a failed one."""
    expect: dict[str, Any] = {"answer": {"rubric": "Names a grade. Says why."}}
    asked = rubric_messages("Names a grade. Says why.", question=rubric_question(outcome(expect)), answer=ANSWER)
    said = {"criteria": [{"criterion": "grade", "met": True, "reason": "B"}, {"criterion": "why", "met": False}]}
    line = call("judge#1", "", f"Here:\n{json.dumps(said)}")
    line["request"]["messages"] = [{"role": "system" if n == 0 else "human", **one} for n, one in enumerate(asked)]
    verdict = judged(expect, calls=[call("work/law#1", "x", "{}"), line])["answer.rubric"]
    assert (verdict.passed, verdict.score) == (False, 0.5)
    unasked = judged(expect)["answer.rubric"]
    assert (unasked.passed, unasked.score) == (False, None)


@pytest.mark.parametrize("text", ["", "fine", '{"criteria": []}', '{"criteria": [{"met": "yes"}]}', "{[}"])
def test_words_of_another_form_are_no_judgement(text: str) -> None:
    """A judge that does not keep to the form has not judged."""
    assert read_judgement(text) is None


def test_calibration_never_fails_a_case_however_wrong_it_is() -> None:
    """One pair says nothing; the score is one less its Brier score, and findings are told beside the answer."""
    verdict = judged({"calibration": {"grade": "B"}})["calibration"]
    assert (verdict.passed, verdict.score) == (None, 1 - 0.25**2)
    assert verdict.detail["findings"] == [["financial", 0.9, False], ["legal", 0.6, True], ["writer", 0.8, True]]
    assert passed(judged({"calibration": {"grade": "Z"}}).values()) is True
    assert passed([verdict, Verdict("status", False, 0.0)]) is False


def test_a_case_that_expects_calibration_alone_passes_by_being_measured() -> None:
    """A run that states no confidence does not, and says why."""
    expect: dict[str, Any] = {"calibration": {"grade": "B"}}
    assert passed(judged(expect).values()) is True
    verdict = judged(expect, result=result(confidence=None))["calibration"]
    assert (passed([verdict]), verdict.detail["error"]) == (False, "the run states no confidence")
    assert passed([]) is False


def test_an_edge_at_an_unexpected_step_is_told() -> None:
    """A case whose own expectation is wrong fails by name, not by a traceback."""
    verdict = judged({"plan": {"nodes": ["writer"], "edges": [["writer", "press"]]}})["plan"]
    assert verdict.passed is False
    assert "press" in str(verdict.detail)


def test_a_schema_that_points_elsewhere_fetches_nothing() -> None:
    """A reference to another document fails the verdict and stays unresolved."""
    verdict = judged({"answer": {"schema": {"$ref": "http://127.0.0.1:1/x.json"}}})["answer.schema"]
    assert verdict.passed is False
    assert "no usable JSON schema" in str(verdict.detail["error"])


def test_the_bound_counts_slots_and_leaves_parked_time_out() -> None:
    """Two seconds and three side by side, then one: four seconds; five of work in one slot would take six."""
    detail: Any = judged({"makespan": {"max_ratio": 1.0}})["makespan"].detail
    assert (detail["critical_path"], detail["bound_s"], detail["ratio"]) == (["law", "advice"], 4.0, 1.0)
    parked = [*events(), event("RUN_PARKED", 4.0), event("RUN_RESUMED", 9.0)]
    late = result()
    late["subtasks"][2].update(finished_at=late["subtasks"][2]["finished_at"] + 5.0)
    again: Any = judged({"makespan": {"max_ratio": 1.0}}, events=parked, result=late)["makespan"].detail
    assert again["makespan_s"] == 4.0


@pytest.mark.parametrize(
    ("found", "expected", "tolerance", "holds"),
    [
        (12.4, 12, 0.4, True),
        (11.6, 12, 0.4, True),
        (12.4 + 4e-15, 12, 0.4, True),
        (12.400001, 12, 0.4, False),
        (0.1 + 0.2, 0.3, 0.0, False),
        (1e300, 1e300, 0.1, True),
        (10**400, 0.5, 1.0, False),
        (10**400 + 1, 10**400, 1.0, True),
        (-0.7, -0.6, 0.1, True),
        (True, 1, 1.0, False),
    ],
)
def test_a_tolerance_is_inclusive_as_it_is_written(found: Any, expected: Any, tolerance: float, holds: bool) -> None:
    """Neither binary fractions nor large numbers move the boundary."""
    expect = {"answer": {"numeric": {"value": expected, "tolerance": tolerance}}}
    assert judged(expect, result=result(answer=found))["answer.numeric"].passed is holds


@pytest.mark.parametrize("state", ["closed", "open", "opened"])
def test_a_breaker_that_nobody_knows_is_in_no_state(state: str) -> None:
    """A name that was mistyped does not pass as closed."""
    verdict = judged({"breakers": {"nonesuch": state}})["breakers"]
    assert verdict.passed is False
    assert "nothing of this name was called" in str(verdict.detail)


def test_a_specialist_that_works_twice_stands_twice() -> None:
    """And one after another, where an edge says so; side by side is another order."""
    plan: dict[str, Any] = {"plan": {"nodes": ["legal", "legal"], "edges": [["legal", "legal"]]}}

    def planned(*needs: str) -> list[dict[str, Any]]:
        subtasks = [{"id": n, "specialist": "legal", "needs": [*below]} for n, below in (("s1", ()), ("s2", needs))]
        return [event("RUN_PLANNED", 0.0, plan={"origin": "caller", "subtasks": subtasks})]

    chained = judged(plan, events=planned("s1"), result=result(subtasks=[]))
    assert (chained["plan.nodes"].score, chained["plan.edges"].score) == (1.0, 1.0)
    assert judged(plan, events=planned(), result=result(subtasks=[]))["plan.edges"].passed is False
    alone = judged({"plan": {"nodes": ["legal"], "edges": [["legal", "legal"]]}})["plan"]
    assert "circle" in str(alone.detail)


def test_a_fault_that_hits_no_call_fails_the_case() -> None:
    """It is named; one that a share happens not to draw is no matter, nor what a recording has not made yet."""
    made = outcome({"status": "success"}, calls=[call("legal/law#1", "x", "y"), call("legal/law#1", "x", "y", n=2)])

    def verdicts(*faults: dict[str, Any], **changes: Any) -> dict[str, Verdict]:
        case = Case.model_validate({**made.case.model_dump(), "faults": faults})
        left = replace(made.transcript.opened(), **changes)
        return {verdict.name: verdict for verdict in judge(replace(made, case=case, transcript=left))}

    typo = {"where": {"kind": "model", "scope": "legl"}, "what": "429"}
    assert "faults" not in verdicts({"where": {"kind": "model", "n": 2}, "what": "500", "share": 0.0})
    told = verdicts({"where": {"scope": "legal"}, "what": "hang"}, typo)["faults"]
    assert (told.passed, told.detail["wrong"]) == (False, [typo])
    assert verdicts({"where": {"n": 3}, "what": "hang"})["faults"].passed is False
    assert "faults" not in verdicts(typo, calls=[{**one, "print": {"prompt": "p"}} for one in made.calls])
