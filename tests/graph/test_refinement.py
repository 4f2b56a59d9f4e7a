"""From broad to focused to detailed: which paths go on, which end early, and what becomes of their budget and answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from concertino import Brief, Budget, Event, Finding, PlanInvalid, Planner, SetupError, specialist
from tests.graph.plans import outputs, planner, states, subtask, task


class Desk:
    """Specialists that answer what their subtask's inputs say, and a list of who was asked."""

    def __init__(self) -> None:
        self.calls: list[str] = []

        @specialist("legal")
        async def legal(brief: Brief) -> Finding:
            return await self.answer(brief)

        @specialist("market")
        async def market(brief: Brief) -> Finding:
            return await self.answer(brief)

        self.specialists = [legal, market]

    async def answer(self, brief: Brief) -> Finding:
        self.calls.append(brief.subtask_id)
        if tokens := brief.inputs.get("tokens"):
            await brief.spend(tokens=int(str(tokens)))
        output = {"value": brief.inputs.get("value"), "by": brief.subtask_id, "upstream": sorted(brief.upstream)}
        output |= {"given": brief.inputs.get("given"), "many": brief.inputs.get("many")}
        return Finding(output=output, confidence=float(str(brief.inputs.get("confidence", 1.0))))

    def planner(self, **options: Any) -> Any:
        return planner(*self.specialists, **options)


def deepening(*, refine: Any = True, legal: Any = None, market: Any = None, **fields: Any) -> dict[str, Any]:
    """Return a task of two paths, each broad, focused and detailed, and a report on both."""
    made = [
        subtask("legal-1", "legal", stage="broad", inputs=legal or {"value": 0.9}),
        subtask("market-1", "market", stage="broad", inputs=market or {"value": 0.1}),
        subtask("legal-2", "legal", "legal-1", stage="focused", inputs={"value": 0.8}),
        subtask("market-2", "market", "market-1", stage="focused", inputs={"value": 0.8}),
        subtask("legal-3", "legal", "legal-2", stage="detailed"),
        subtask("market-3", "market", "market-2", stage="detailed"),
        subtask("report", "legal", "legal-3", "market-3", stage="report"),
    ]
    given = task("t", **fields)
    given["task"]["plan"] = {"subtasks": made, "refine": refine}
    return given


async def run(given: dict[str, Any], desk: Desk, **options: Any) -> Any:
    return (await desk.planner(**options).ainvoke(given))["result"]


async def test_a_path_of_little_value_ends_early_and_the_others_go_on() -> None:
    """What a broad finding is worth decides; the report is made of what is left, and nothing is missing."""
    desk = Desk()
    result = await run(deepening(), desk)
    assert desk.calls == ["legal-1", "market-1", "legal-2", "legal-3", "report"]
    assert result["status"] == "success"
    assert result["missing"] == result["failed_agents"] == result["needs_review"] == []
    assert [(one["subtask_id"], one["kind"]) for one in result["ended_early"]] == [
        ("market-2", "low_value"),
        ("market-3", "low_value"),
    ]
    assert result["ended_early"][0]["reason"] == "market-1 is worth 0.1, less than 0.3"
    assert "market-2" in result["ended_early"][1]["reason"]
    assert outputs(result)["report"]["upstream"] == ["legal-3"]


async def test_a_finding_that_states_no_value_is_judged_by_its_confidence() -> None:
    """Below 0.3 the path ends; at 0.3 it goes on."""
    desk = Desk()
    result = await run(deepening(legal={"confidence": 0.3}, market={"confidence": 0.29}), desk)
    assert "legal-2" in desk.calls
    assert "market-2" not in desk.calls
    assert result["ended_early"][0]["reason"] == "market-1 is sure to 0.29, less than 0.3"


async def test_bounds_and_place_of_the_value_are_the_plan_s() -> None:
    """`refine` names where findings state their worth, and what is worth going on with."""
    desk = Desk()
    refine = {"value": "given.worth", "min_value": 0.6, "min_confidence": 0.0}
    legal = {"given": {"worth": 0.7}, "confidence": 0.0}
    await run(deepening(refine=refine, legal=legal, market={"given": {"worth": 0.5}}), desk)
    assert "legal-2" in desk.calls
    assert "market-2" not in desk.calls


async def test_without_refine_every_stage_runs() -> None:
    """Stages alone end no path."""
    desk = Desk()
    result = await run(deepening(refine=False), desk)
    assert len(desk.calls) == 7
    assert result["ended_early"] == []


@pytest.mark.parametrize(
    ("condition", "goes_on"),
    [
        ("value > 0.5", True),
        ("value > 0.95", False),
        ("confidence >= 1.0 && findings.scan.by == 'scan'", True),
        ("confidences.scan < 0.5", False),
        ("payload.deep", True),
        ("findings.other.by == 'other'", True),  # it does not build on it: undecided, so it goes on
        ("size(findings)", True),  # no condition at all: undecided
    ],
)
async def test_a_subtask_s_own_condition_decides_without_stages(condition: str, *, goes_on: bool) -> None:
    """It sees what the subtask builds on, the moment that is there; what cannot be decided goes on, with a note."""
    desk = Desk()
    made = [
        subtask("scan", "legal", inputs={"value": 0.9}),
        subtask("other", "market"),
        subtask("dig", "legal", "scan", continue_when=condition),
        subtask("deeper", "legal", "dig"),
    ]
    result = await run(task("t", *made, payload={"deep": True}), desk)
    assert ("dig" in desk.calls, "deeper" in desk.calls) == (goes_on, goes_on)
    assert result["status"] == "success"
    assert states(result)["deeper"] == ("completed" if goes_on else "skipped")


async def test_a_fast_path_goes_deep_while_a_slow_one_is_still_broad() -> None:
    """Without stages nothing waits for siblings: the condition is asked when its own prerequisites are there."""
    deep = asyncio.Event()

    @specialist("slow")
    async def slow(brief: Brief) -> int:
        await asyncio.wait_for(deep.wait(), 10)
        return 1

    @specialist("quick")
    async def quick(brief: Brief) -> dict[str, float]:
        if brief.subtask_id == "deep":
            deep.set()
        return {"value": 1}

    made = [
        subtask("wide", "slow"),
        subtask("scan", "quick"),
        subtask("deep", "quick", "scan", continue_when="value > 0.5"),
    ]
    result = (await planner(slow, quick).ainvoke(task("t", *made)))["result"]
    assert set(states(result).values()) == {"completed"}


async def test_a_path_that_ends_early_ends_within_its_dispatch() -> None:
    """Whoever builds on it hears so at once: nothing is put off to another superstep."""
    desk, events = Desk(), list[Event]()
    made = [
        subtask("scan", "legal", inputs={"value": 0.1}),
        subtask("dig", "legal", "scan", continue_when="value > 0.5"),
        subtask("deeper", "legal", "dig"),
        subtask("report", "market", "deeper", "scan"),
    ]
    result = await run(task("t", *made), desk, on_event=events.append)
    assert desk.calls == ["scan", "report"]
    assert result["status"] == "success"
    kinds = [event.type for event in events]
    assert (kinds.count("RUN_DISPATCHED"), kinds.count("TASK_SUSPENDED")) == (1, 0)


async def test_inputs_from_a_path_that_ended_are_left_out() -> None:
    """A join gets what is left; an entry of a list falls out of the list."""
    desk = Desk()
    inputs = {"given": "${dig-b.by}", "many": ["${dig-a.by}", "${dig-b.by}", {"$literal": "${dig-b}"}]}
    made = [
        subtask("a", "legal", inputs={"value": 0.9}),
        subtask("b", "market", inputs={"value": 0.1}),
        subtask("dig-a", "legal", "a", continue_when="value > 0.5"),
        subtask("dig-b", "market", "b", continue_when="value > 0.5"),
        subtask("join", "legal", inputs=inputs),
    ]
    found = outputs(await run(task("t", *made), desk))["join"]
    assert (found["given"], found["many"], found["upstream"]) == (None, ["dig-a", "${dig-b}"], ["dig-a"])


async def test_who_cannot_do_without_an_input_ends_with_its_path() -> None:
    """No specialist is asked without an input that it requires."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    asked: list[str] = []

    @specialist("reader", input_schema=schema)
    async def reader(brief: Brief) -> str:
        asked.append(brief.subtask_id)
        return "read"

    desk = Desk()
    made = [
        subtask("a", "legal"),
        subtask("b", "market", inputs={"value": 0.1}),
        subtask("dig", "market", "b", continue_when="value > 0.5"),
        subtask("join", "reader", "a", inputs={"text": "${dig.by}"}),
    ]
    result = (await planner(*desk.specialists, reader).ainvoke(task("t", *made)))["result"]
    assert asked == []
    assert result["status"] == "success"
    assert "its input text" in result["ended_early"][1]["reason"]


async def test_an_answer_that_ended_early_is_what_was_found_by_then() -> None:
    """The broad finding stands for the detailed one that was not worth making."""
    desk = Desk()
    given = deepening()
    given["task"]["plan"]["answer"] = ["legal-3", "market-3"]
    result = await run(given, desk)
    assert {one["specialist"] for one in result["weights"]} == {"legal", "market"}


async def test_a_gate_is_not_asked_on_a_path_that_ended() -> None:
    """Nobody is bothered with what will not be done."""
    desk = Desk()
    made = [
        subtask("scan", "legal", inputs={"value": 0.1}),
        subtask("dig", "legal", "scan", continue_when="value > 0.5", gate=True),
    ]
    result = await run(task("t", *made), desk)
    assert result["status"] == "success"
    assert result["gates"] == []


# Budget.


async def test_from_80_percent_no_refinement_starts_and_what_was_admitted_finishes() -> None:
    """The wrap-up: the detailed stage is left out for want of budget, the report is still made, and it says so."""
    desk = Desk()
    given = deepening(legal={"value": 0.9, "tokens": 80}, market={"value": 0.9})
    made = given["task"]["plan"]["subtasks"]
    made[-1] = subtask("report", "legal", "legal-1", stage="broad")
    events: list[Event] = []
    result = await run(given, desk, budget=Budget(tokens=100), on_event=events.append)
    assert desk.calls == ["legal-1", "market-1", "report"]
    assert result["status"] == "partial_success"
    assert {one["kind"] for one in result["ended_early"]} == {"budget"}
    assert any(event.type == "BUDGET_ALERT" and event.payload["percent"] == 80 for event in events)
    assert result["usage"]["tokens"] == 80


async def test_below_80_percent_refinements_start() -> None:
    """One token less and the path goes on."""
    desk = Desk()
    await run(deepening(legal={"value": 0.9, "tokens": 79}), desk, budget=Budget(tokens=100))
    assert "legal-3" in desk.calls


async def test_a_refinement_that_waits_for_a_slot_is_left_out_when_the_budget_runs_low_meanwhile() -> None:
    """It was ready at 40 % and got its slot at 80 %."""
    desk = Desk()
    made = [
        subtask("scan", "legal", inputs={"value": 0.9, "tokens": 40}),
        subtask("wide", "legal", "scan", inputs={"tokens": 40}, estimate_s=100),
        subtask("dig", "market", "scan", continue_when="value > 0.5"),
    ]
    result = await run(task("t", *made), desk, budget=Budget(tokens=100), concurrency=1)
    assert desk.calls == ["scan", "wide"]
    assert [one["kind"] for one in result["ended_early"]] == ["budget"]


async def test_at_100_percent_nothing_is_spent_and_who_spends_nothing_still_works() -> None:
    """The halt: a further charge is refused at once, and the report that costs nothing is made."""
    desk = Desk()
    made = [
        subtask("all", "legal", inputs={"tokens": 100}),
        subtask("more", "market", "all", inputs={"tokens": 1}),
        subtask("report", "legal", "all"),
        subtask("dig", "legal", "all", continue_when="confidence > 0.5"),
    ]
    result = await run(task("t", *made), desk, budget=Budget(tokens=100))
    assert states(result) == {"all": "completed", "more": "failed", "report": "completed", "dig": "skipped"}
    assert result["usage"]["tokens"] == 100
    assert desk.calls.count("more") == 1


async def test_what_a_path_that_ended_does_not_spend_others_may() -> None:
    """Its budget is never taken out of the run's."""
    desk = Desk()
    made = [
        subtask("scan", "legal", inputs={"value": 0.1}),
        subtask("dig", "legal", "scan", continue_when="value > 0.5", budget={"tokens": 60}),
        subtask("other", "market", "dig", "scan", inputs={"tokens": 70}),
    ]
    given = task("t", *made)
    result = await run(given, desk, budget=Budget(tokens=100))
    assert states(result)["other"] == "completed"


# Resume, restart, record.


def test_a_restart_keeps_low_value_ends_and_tries_again_what_the_budget_left_out(tmp_path: Path) -> None:
    """A fresh budget brings back what was left out for want of it, and what builds on that."""
    desk = Desk()
    made = [
        subtask("scan", "legal", inputs={"value": 0.9, "tokens": 80}),
        subtask("poor", "market", inputs={"value": 0.1}),
        subtask("dig", "legal", "scan", continue_when="value > 0.5"),
        subtask("dig-poor", "market", "poor", continue_when="value > 0.5"),
        subtask("report", "legal", "scan", "dig", "dig-poor"),
    ]
    with Planner(
        specialists=desk.specialists, database=f"sqlite:///{tmp_path / 'x.db'}", budget=Budget(tokens=100)
    ) as made_planner:
        first: Any = made_planner.run(task("t", *made)["task"])
        assert states(first)["dig"] == states(first)["dig-poor"] == "skipped"
        assert states(first)["report"] == "completed"
        desk.calls.clear()
        second: Any = made_planner.restart("t")
    assert desk.calls == ["dig", "report"]
    assert states(second)["dig-poor"] == "skipped"
    assert second["status"] == "success"
    assert outputs(second)["report"]["upstream"] == ["dig", "scan"]


async def test_the_record_says_why_a_path_ended() -> None:
    """The event carries kind and reason, and an undecided condition its note."""
    desk = Desk()
    events: list[Event] = []
    made = [
        subtask("scan", "legal", inputs={"value": 0.1}),
        subtask("dig", "legal", "scan", continue_when="value > 0.5"),
        subtask("odd", "legal", "scan", continue_when="findings.scan.nothing > 1"),
    ]
    await run(task("t", *made), desk, on_event=events.append)
    skipped = next(event for event in events if event.type == "TASK_SKIPPED")
    assert (skipped.payload["ended_early"], skipped.payload["is_lost"]) == ("low_value", False)
    assert skipped.payload["reason"] == "`value > 0.5` does not hold"
    done = next(event for event in events if event.type == "TASK_COMPLETED" and event.subtask_id == "odd")
    assert "could not be decided" in str(done.payload["note"])


# What a plan or a rule may say.


@pytest.mark.parametrize("condition", ["value >", "nothing > 1", "findings.all(f, f > 1)", ""])
async def test_a_faulty_condition_is_refused_with_the_plan(condition: str) -> None:
    """Not CEL, an unknown name, a macro in a plan that came with a task."""
    desk = Desk()
    with pytest.raises(PlanInvalid) as caught:
        await run(task("t", subtask("a", "legal", continue_when=condition)), desk)
    assert caught.value.faults[0].place == "plan.subtasks[0].continue_when"


async def test_a_rule_says_it_too() -> None:
    """A workflow's templates carry `refine` and `continue_when`; short names are what conditions speak of."""
    desk = Desk()
    workflow = {
        "name": "deepen",
        "plan": {
            "refine": {"min_value": 0.2},
            "subtasks": [
                {"id": "scan", "specialist": "legal", "for_each": "payload.areas", "stage": "broad",
                 "inputs": {"value": "${item.value}"}},
                {"id": "dig", "specialist": "legal", "needs": ["scan"], "stage": "focused"},
                {"id": "note", "specialist": "market", "needs": ["dig"], "stage": "detailed",
                 "continue_when": "findings.all(name, name != 'x') && findings.dig.by != ''"},
            ],
        },
    }  # fmt: skip
    given = {"task": {"task_id": "t", "title": "x", "payload": {"areas": [{"value": 0.1}, {"value": 0.25}]}}}
    result = await run(given, desk, workflows=[workflow])
    assert result["status"] == "success"
    assert result["ended_early"] == []
    poor = {"task": {"task_id": "t2", "title": "x", "payload": {"areas": [{"value": 0.1}]}}}
    result = await run(poor, desk, workflows=[workflow])
    assert [one["name"] for one in result["ended_early"]] == ["dig", "note"]


def test_a_rule_s_faulty_condition_is_refused_when_it_is_loaded() -> None:
    """Before anything runs."""
    workflow = {"name": "w", "plan": {"subtasks": [{"id": "a", "specialist": "legal", "continue_when": "worth > 1"}]}}
    with pytest.raises(SetupError, match="continue_when"):
        Desk().planner(workflows=[workflow])


async def test_a_plan_that_refines_passes_its_own_validation() -> None:
    """What was printed can be handed in again."""
    desk = Desk()
    events: list[Event] = []
    await run(deepening(), desk, on_event=events.append)
    plan: Any = next(event.payload["plan"] for event in events if event.type == "RUN_PLANNED")
    assert plan["refine"] == {"value": "value", "min_value": 0.3, "min_confidence": 0.3, "min_worth": 0.01}
    kept = {key: plan[key] for key in ("subtasks", "refine")}
    result = await run({"task": {"task_id": "t", "plan": kept}}, desk)
    assert result["status"] == "success"


async def test_the_guide_s_example_runs_as_it_says() -> None:
    """The workflow of the guide: legal goes deep, market stops at its scan, and both make the answer."""
    text = (Path(__file__).parents[2] / "docs/guide/refinement.md").read_text()
    workflow = {"name": "guide", **yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])}

    @specialist("legal")
    async def legal(brief: Brief) -> Finding:
        return Finding(output={"value": 0.9, "risk": 3}, confidence=0.8)

    @specialist("market")
    async def market(brief: Brief) -> Finding:
        return Finding(output={"value": 0.1})

    @specialist("writer")
    async def writer(brief: Brief) -> list[str]:
        return sorted(found.specialist or "" for found in brief.upstream.values())

    app = planner(legal, market, writer, workflows=[workflow])
    result = (await app.ainvoke({"task": {"task_id": "t", "title": "x"}}))["result"]
    assert [one["name"] for one in result["ended_early"]] == ["market-issues"]
    assert result["status"] == "success"
    assert {one["specialist"] for one in result["weights"]} == {"legal", "market"}
