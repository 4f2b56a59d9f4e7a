"""A pack's own aggregation: what the result says of an answer that it gave, and of one that it failed to give."""

from __future__ import annotations

from typing import Any

import pytest

from concertino import Brief, Finding, Planner, create_planner, specialist

PLAN: dict[str, Any] = {
    "subtasks": [
        {"id": "a", "specialist": "silent"},
        {"id": "b", "specialist": "low"},
        {"id": "c", "specialist": "high"},
    ]
}


@specialist("silent", authority=0.9)
def silent(brief: Brief) -> Finding:
    return Finding(output=None, confidence=1.0)


@specialist("low", authority=0.5)
def low(brief: Brief) -> Finding:
    return Finding(output={"price": 10.0, "why": "cheap"}, confidence=0.4, evidence=("invoice",))


@specialist("high", authority=0.9)
def high(brief: Brief) -> Finding:
    return Finding(output={"price": 30.0, "why": "dear"}, confidence=0.9)


def _raises(found: Any, task: Any) -> Any:
    raise ValueError("no pricing table")


def _unclean(found: Any, task: Any) -> Any:
    return {"price": float("nan")}


def _run(aggregate: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    graph = create_planner(specialists=[silent, low, high], aggregate=aggregate)
    result = graph.invoke({"task": {"task_id": "t-1", "plan": PLAN}})["result"]
    events = graph.conductor.options.journal.events("t-1").result()
    (told,) = [event for event in events if event.type == "SYNTHESIZED"]
    return result, {**told.payload, "confidence": told.confidence}


@pytest.mark.parametrize(("aggregate", "why"), [(_raises, "no pricing table"), (_unclean, "InputError")])
def test_a_failed_aggregation_speaks_of_the_first_result_alone(aggregate: Any, why: str) -> None:
    """Answer, method, fallback, provenance, weights and confidence agree, in the result and in the event."""
    result, told = _run(aggregate)
    assert (result["status"], result["answer"]) == ("success", {"price": 10.0, "why": "cheap"})
    assert result["method"] == "first_successful"
    assert why in result["fallback"]
    assert (result["share"], result["confidence"]) == (1.0, pytest.approx(0.4))
    assert {claim["method"] for claim in result["provenance"]} == {"first_successful"}
    assert {backer["specialist"] for claim in result["provenance"] for backer in claim["supporters"]} == {"low"}
    assert [weight["specialist"] for weight in result["weights"]] == ["low"]
    assert result["dissent"] == []
    assert any(why in said for said in result["recommendations"])
    assert {key: told[key] for key in ("method", "fallback", "share", "confidence")} == {
        key: result[key] for key in ("method", "fallback", "share", "confidence")
    }


def test_an_aggregation_is_named_as_the_method() -> None:
    """The answer is the pack's; the weights stay those of the merge."""
    result, told = _run(lambda found, task: sorted(found))
    assert (result["answer"], result["method"], result["fallback"]) == (["a", "b", "c"], "aggregate", None)
    assert told["method"] == "aggregate"
    assert result["recommendations"] == []
    assert len(result["weights"]) == 3


def test_a_failed_aggregation_can_be_made_good_by_a_restart() -> None:
    """The kept findings are aggregated anew."""
    works: list[bool] = []

    def aggregate(found: Any, task: Any) -> Any:
        if not works:
            raise ValueError("not yet")
        return len(found)

    with Planner(specialists=[silent, low, high], aggregate=aggregate) as planner:
        assert planner.run({"task_id": "t-1", "plan": PLAN})["method"] == "first_successful"
        works.append(True)
        again = planner.restart("t-1")
        assert (again["answer"], again["method"]) == (3, "aggregate")
