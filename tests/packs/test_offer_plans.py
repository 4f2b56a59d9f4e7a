"""What the pack's rule makes of a profile, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.contracts.json import JsonObject
from concertino.contracts.limits import Limits
from concertino.contracts.task import read_task
from concertino.nodes.planning.rules import plan_by_rules
from concertino.nodes.planning.workflows import load_workflows
from concertino.packs.offers import pack
from concertino.packs.offers.decomposition import decompose, expects_approval, make_task, single_task_plan
from concertino.packs.offers.stages import read_policy

PLAIN: JsonObject = {
    "role": "Senior Software Engineer",
    "level": "Senior",
    "location": "San Francisco, CA",
    "experience_years": 8,
}


def planned(profile: JsonObject, policy: JsonObject | None = None) -> dict[str, Any]:
    rules = read_policy(policy or {})
    variants = rules.variants or profile.get("second_opinion") is True
    task = make_task(
        profile,
        run_id="mag-a1b2c3d4",
        slug="offer-orchestrator-mag",
        version="0.1.0",
        route=decompose(profile, rules),
        approval=expects_approval(profile, rules, variants=variants),
        policy=rules,
    )
    draft = plan_by_rules(read_task(task, limits=Limits()), load_workflows([str(pack.root / "workflow.yaml")]))
    assert draft is not None
    return draft.plan


def ids(plan: dict[str, Any]) -> list[str]:
    return [subtask["id"] for subtask in plan["subtasks"]]


def test_a_plain_profile_is_one_task_for_the_advisor() -> None:
    """As in document 000: one delegation, no gate, nothing to stop for."""
    plan = planned(PLAIN)
    assert [(subtask["id"], subtask["specialist"]) for subtask in plan["subtasks"]] == [
        ("advice", "compensation-advisor-sag")
    ]
    assert "gate" not in plan["subtasks"][0]
    assert "stop_when" not in plan


@pytest.mark.parametrize(
    ("changed", "policy", "found"),
    [
        ({"stages": ["screening", "offer"]}, {}, ["screening", "advice"]),
        ({"counter_offer": {"base_salary": 200_000}}, {}, ["advice", "negotiation"]),
        ({"second_opinion": True}, {}, ["advice", "second-opinion"]),
        ({}, {"variants": True}, ["advice-by-record"]),
        ({"level": "Principal", "experience_years": 20}, {}, ["advice", "approval"]),
        (
            {"level": "Director", "experience_years": 20, "stages": ["negotiation", "offer", "screening"]},
            {},
            ["screening", "advice", "negotiation", "approval"],
        ),
    ],
)
def test_a_profile_gets_the_stages_it_asks_for(changed: JsonObject, policy: JsonObject, found: list[str]) -> None:
    """Stages stand in their own order, and approval in the policy's hands."""
    assert ids(planned(PLAIN | changed, policy)) == found


def test_a_second_opinion_waits_for_nobody() -> None:
    """Both advisors work at the same time, and what follows waits for both."""
    changed: JsonObject = {"second_opinion": True, "counter_offer": {"base_salary": 200_000}}
    plan = planned(PLAIN | changed)
    needs = {subtask["id"]: subtask.get("needs", []) for subtask in plan["subtasks"]}
    assert needs == {"advice": [], "second-opinion": [], "negotiation": ["advice", "second-opinion"]}


def test_text_that_looks_like_a_reference_stays_text() -> None:
    """A candidate's words are data: neither placeholder nor reference."""
    plan = planned(PLAIN | {"role": "${payload.profile}", "notes": "${advice.offer}"})
    assert plan["subtasks"][0]["objective"].startswith("Recommend compensation for ${payload.profile} in")
    assert single_task_plan({"role": "${x.y}"}, approval=False)["subtasks"] == [
        {
            "id": "compensation-advisor-sag-1",
            "specialist": "compensation-advisor-sag",
            "objective": "Recommend compensation for the candidate.",
            "inputs": {"profile": {"$literal": {"role": "${x.y}"}}},
            "max_attempts": 1,
        }
    ]


def test_the_fallback_plan_keeps_the_gate() -> None:
    """Losing the decomposition skill must not lose an approval."""
    subtasks: Any = single_task_plan(PLAIN, approval=True)["subtasks"]
    assert "gate" in subtasks[0]
