"""Whole runs that a model plans: what is done with its plan, and that there is a run without one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from concertino import Brief, Budget, Event, create_planner, specialist
from tests.graph.providers import PRICES, Hasty, Provider, planned, told
from tests.loopback.openai_server import Cut, Fail, Malformed, Received, Refuse, Reply, Say

ASKED: dict[str, Any] = {"task": {"task_id": "t", "title": "Assess the owls"}}
TWO: list[dict[str, Any]] = [{"id": "a", "specialist": "finance"}, {"id": "b", "specialist": "legal", "needs": ["a"]}]
RING: list[dict[str, Any]] = [
    {"id": "a", "specialist": "finance", "inputs": {"x": {"$from": "b"}}},
    {"id": "b", "specialist": "legal", "inputs": {"x": {"$from": "a"}}},
]
STRANGER: list[dict[str, Any]] = [{"id": "a", "specialist": "finance"}, {"id": "b", "specialist": "astrologer"}]


@specialist("finance")
async def finance(brief: Brief) -> int:
    return 1


@specialist("legal")
async def legal(brief: Brief) -> int:
    return 1 + len(brief.upstream)


async def run(server: Provider, given: dict[str, Any] = ASKED, **options: Any) -> tuple[dict[str, Any], list[Event]]:
    """Return the result of a run that the provider's model plans, and its events."""
    events: list[Event] = []
    graph = create_planner(
        specialists=[finance, legal], models={"plan": server.chat(model="large", max_tokens=2_000)}, prices=PRICES,
        on_event=events.append, clock=Hasty(), **options,
    )  # fmt: skip
    return (await graph.ainvoke(given))["result"], events


def reasons(events: list[Event]) -> list[str]:
    return [str(one.payload["reason"]) for one in events if one.type == "PLAN_FALLBACK"]


async def test_what_no_rule_covers_is_planned_by_the_model_and_carried_out() -> None:
    """One request, charged to planning; the plan is on the record with its model and the prompt's hash."""
    async with Provider(planned(*TWO, input_tokens=300, output_tokens=80)) as server:
        result, events = await run(server)
        assert (result["status"], result["plan"]["origin"], len(server.requests)) == ("success", "model", 1)
        assert [one["outputs"] for one in result["subtasks"]] == [1, 2]
        assert told(events) == ["PLAN_DRAFTED", "RUN_PLANNED"]
        recorded: Any = next(one.payload for one in events if one.type == "RUN_PLANNED")
        assert recorded["models"]["roles"] == {"plan": "openai:large"}
        assert len(recorded["models"]["prompts"]["plan"]) == 64
        assert result["costs"]["nodes"]["plan"] == {"tokens": 380, "calls": 1, "usd": server.nano_usd / 1e9}
        assert result["costs"]["specialists"] == {}


async def test_what_a_rule_covers_asks_no_model() -> None:
    """Not one request, not one token."""
    async with Provider(planned(*TWO)) as server:
        rule = {"name": "w", "match": {}, "plan": {"subtasks": [{"id": "only", "specialist": "legal"}]}}
        result, _ = await run(server, workflows=[rule])
        assert (result["plan"]["origin"], result["usage"]["tokens"], server.requests) == ("rule", 0, [])


async def test_what_a_rule_leaves_open_is_filled_by_the_model() -> None:
    """What the rule has set stays, its prerequisites bind what comes into the hole."""
    rule = {
        "name": "w", "match": {},
        "plan": {"subtasks": [{"id": "first", "specialist": "finance"}],
                 "holes": [{"id": "dig", "objective": "Look", "needs": ["first"], "max_subtasks": 2}]},
    }  # fmt: skip
    async with Provider(planned({"id": "dig-1", "specialist": "legal"})) as server:
        result, _ = await run(server, workflows=[rule])
        assert (result["status"], len(server.requests)) == ("success", 1)
        assert [(one["specialist"], one["outputs"]) for one in result["subtasks"]] == [("finance", 1), ("legal", 2)]


async def test_a_faulty_plan_is_repaired_by_its_model() -> None:
    """It is told what is wrong, and both requests are charged."""
    script = [planned(*STRANGER, input_tokens=300, output_tokens=50), planned(*TWO, input_tokens=400, output_tokens=60)]
    async with Provider(script) as server:
        result, events = await run(server)
        assert result["plan"]["origin"] == "model"
        assert told(events) == ["PLAN_DRAFTED", "PLAN_REJECTED", "PLAN_DRAFTED", "PLAN_REPAIRED", "RUN_PLANNED"]
        assert "astrologer" in server.requests[1].text
        assert result["costs"]["nodes"]["plan"]["tokens"] == server.billed.tokens == 810


FAILING: dict[str, tuple[Reply | list[Reply], int, str]] = {
    "500": (Fail(500), 3, "ToolFailed"),
    "401": (Fail(401), 1, "401"),
    "malformed": (Malformed(), 3, "the model failed"),
    "other JSON": (Malformed('{"error": null}'), 3, "the model failed"),
    "cut connection": (Cut(), 3, "the model failed"),
    "refused": (Refuse("I will not plan this."), 1, "I will not plan this."),
    "refused in words": (Say("I'm sorry, I cannot do that."), 1, "refused in words"),
    "nothing": (Say(""), 1, "empty"),
    "prose twice": (Say("Owls are birds."), 2, "the same faults returned"),
    "cut off twice": (Say(json.dumps({"subtasks": TWO}), output_tokens=10_000), 2, "cut off"),
    "a stranger twice": (planned(*STRANGER), 2, "the same faults returned"),
    "then 500": ([planned(*STRANGER), Fail(500)], 4, "ToolFailed"),
}


@pytest.mark.parametrize("name", FAILING)
async def test_a_run_whose_model_fails_at_planning_is_carried_out_all_the_same(name: str) -> None:
    """Every fitting specialist works on the whole task; the reason is on the record, and no logical call takes over three requests."""
    replies, most, reason = FAILING[name]
    async with Provider(replies) as server:
        result, events = await run(server, budget=Budget(tokens=100_000))
        assert (result["status"], result["plan"]["origin"]) == ("success", "fallback")
        assert [one["specialist"] for one in result["subtasks"]] == ["finance", "legal"]
        assert told(events)[-2:] == ["PLAN_FALLBACK", "RUN_PLANNED"]
        assert reason in reasons(events)[0]
        assert 1 <= len(server.requests) <= most
        assert server.billed.tokens <= result["usage"]["tokens"] <= 100_000


@pytest.mark.parametrize("has_model", [True, False])
async def test_what_a_text_asks_for_is_in_the_result_whoever_planned(has_model: bool) -> None:
    """Without a model, or with one that fails, the fallback covers each criterion once."""
    text = "Assess the owls. Acceptance criteria: a finance report; a legal report. The budget must hold."
    given = {"task": {"task_id": "t", "title": text}}
    if has_model:
        async with Provider(Fail(400)) as server:
            result, _ = await run(server, given)
    else:
        result = (await create_planner(specialists=[finance, legal]).ainvoke(given))["result"]
    assert [one["text"] for one in result["plan"]["requirements"]["acceptance_criteria"]] == [
        "a finance report",
        "a legal report",
    ]
    assert result["plan"]["requirements"]["constraints"] == ["The budget must hold."]
    assert {one["specialist"]: one["covers"] for one in result["subtasks"]} == {"finance": ["c1"], "legal": ["c2"]}


@pytest.mark.parametrize("limit", [{"calls": 1}, {"tokens": 6_000}, {"usd": 0.015}], ids=["calls", "tokens", "usd"])
async def test_a_planning_budget_that_ends_before_the_plan_is_good_ends_in_the_fallback(limit: dict[str, Any]) -> None:
    """The first request is paid for, the repair is not, and does not leave; the work's money is whole."""
    cost = {"input_tokens": 3_500, "output_tokens": 900}
    async with Provider(planned(*STRANGER, **cost)) as server:
        result, events = await run(
            server, node_budgets={"plan": Budget(**limit)}, budget=Budget(tokens=50_000, usd=1, calls=50)
        )
        assert told(events) == ["PLAN_DRAFTED", "PLAN_REJECTED", "PLAN_FALLBACK", "RUN_PLANNED"]
        assert "BudgetExceeded" in reasons(events)[0]
        assert (result["status"], len(server.requests)) == ("success", 1)
        assert result["costs"]["nodes"]["plan"] == {"tokens": 4_400, "calls": 1, "usd": server.nano_usd / 1e9}


async def test_the_same_question_is_not_asked_twice() -> None:
    """Another task of the same signature takes the kept plan, validated anew."""
    async with Provider(planned(*TWO)) as server:
        graph = create_planner(specialists=[finance, legal], models={"plan": server.chat()})
        origins = [
            (await graph.ainvoke({"task": {"task_id": name, "title": "Assess the owls"}}))["result"]["plan"]["origin"]
            for name in ("t1", "t2")
        ]
        assert (origins, len(server.requests)) == (["model", "cache"], 1)


async def test_runs_planned_at_once_share_no_fault() -> None:
    """Of runs side by side, those whose model fails fall back, and the others keep their plans."""

    def answer(received: Received) -> Reply:
        return Refuse("no") if "odd" in received.text else planned(*TWO)

    async with Provider(answer) as server:
        graph = create_planner(specialists=[finance, legal], models={"plan": server.chat()}, plan_cache=0)
        given = [{"task": {"task_id": f"t{n}", "title": "odd" if n % 2 else "fine"}} for n in range(16)]
        results = await asyncio.gather(*(graph.ainvoke(one) for one in given))
        assert [one["result"]["plan"]["origin"] for one in results] == ["model", "fallback"] * 8
        assert {one["result"]["status"] for one in results} == {"success"}
