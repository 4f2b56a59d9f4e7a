"""Replanning what stayed failed: by rule, by draft, within the plan's rights, and what a crash, a resume and a fork keep of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino import Brief, Budget, Event, Finding, PlanInvalid, Planner, SetupError, specialist
from concertino.contracts.plan import Plan, Subtask
from tests.graph.plans import on, outputs, planner, states, subtask, task


class Shop:
    """Specialists by name; those in `broken` fail."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.calls: list[str] = []
        self.specialists = [
            self.make("legal", {"contracts", "risk"}),
            self.make("paralegal", {"contracts"}),
            self.make("market", {"prices"}),
            self.make("clerk", set()),
            self.make("stranger", {"contracts", "payments"}),
        ]

    def make(self, name: str, capabilities: set[str], **options: Any) -> Any:
        @specialist(name, capabilities=capabilities, max_attempts=1, **options)
        async def work(brief: Brief) -> Finding:
            self.calls.append(f"{brief.subtask_id}@{name}")
            if tokens := brief.inputs.get("tokens"):
                await brief.spend(tokens=int(str(tokens)))
            if name in self.broken:
                raise ValueError(f"{name} is broken")
            named = "review" in brief.upstream
            saw: Any = sorted(brief.upstream)
            return Finding(output={"by": name, "saw": saw, "inputs": brief.inputs, "named": named})

        return work

    def planner(self, **options: Any) -> Any:
        return planner(*self.specialists, **options)

    async def run(self, given: dict[str, Any], **options: Any) -> Any:
        return (await self.planner(**options).ainvoke(given))["result"]


CHAIN = (
    subtask("prices", "market"),
    subtask("review", "legal", "prices", on_failure="clerk", covers=["c1"]),
    subtask("memo", "market", inputs={"text": "${review.by}"}),
    subtask("side", "market"),
)


def chain(*subtasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return task("t", *(subtasks or CHAIN), acceptance_criteria=["terms are checked"], **fields)


# By rule.


async def test_a_stand_in_takes_over_the_failed_cone_and_nothing_else() -> None:
    """Completed findings are reused; the replacement has new ids, the short names stay."""
    shop = Shop("legal")
    result = await shop.run(chain())
    assert result["status"] == "success"
    assert shop.calls.count("prices@market") == shop.calls.count("side@market") == 1
    assert states(result) == dict.fromkeys(["prices", "side", "review-r1", "memo-r1"], "completed")
    found = outputs(result)
    assert found["review-r1"]["by"] == "clerk"
    assert found["memo-r1"]["inputs"] == {"text": "clerk"}
    assert (found["memo-r1"]["saw"], found["memo-r1"]["named"]) == (["review-r1"], True)
    (replan,) = result["replans"]
    assert (replan["number"], replan["by"], replan["removed"]) == (1, ["rule"], ["review", "memo"])
    assert replan["added"] == ["review-r1", "memo-r1"]
    assert replan["failed"][0]["error"]["message"] == "legal is broken"
    assert result["needs_review"] == result["missing"] == []
    assert any(note.startswith("replan 1: review stayed failed") for note in result["plan"]["notes"])


async def test_the_stand_in_s_own_objective_and_inputs_are_used() -> None:
    """What it leaves out is as in the subtask."""
    shop = Shop("legal")
    stand_in = {"specialist": "clerk", "inputs": {"from": "${prices.by}", "n": 1}, "objective": "Only list them."}
    made = (subtask("prices", "market"), subtask("review", "legal", inputs={"n": 2}, on_failure=stand_in))
    result = await shop.run(chain(*made))
    assert outputs(result)["review-r1"]["inputs"] == {"from": "market", "n": 1}


async def test_a_specialist_with_some_of_the_capabilities_stands_in() -> None:
    """Where nobody has them all; one that could do more than the plan allowed is not asked."""
    shop = Shop("legal")
    result = await shop.run(chain(subtask("review", "legal")))
    assert shop.calls == ["review@legal", "review-r1@paralegal"]
    assert result["status"] == "success"


async def test_who_has_all_capabilities_was_asked_within_the_run_and_is_not_asked_again() -> None:
    """A replan tries what was not tried."""
    shop = Shop("legal", "twin")
    shop.specialists.append(shop.make("twin", {"contracts", "risk"}))
    result = await shop.run(chain(subtask("review", "legal")))
    assert shop.calls == ["review@legal", "review@twin", "review-r1@paralegal"]
    assert result["status"] == "success"


async def test_without_any_rule_the_failure_stands() -> None:
    """As without replanning."""
    shop = Shop("market")
    result = await shop.run(chain(subtask("a", "market"), subtask("b", "clerk")))
    assert (result["status"], result["replans"], result["needs_review"]) == ("partial_success", [], ["a"])


async def test_it_is_replanned_at_most_so_often() -> None:
    """By default once; 0 leaves the plan as it is."""
    made = (subtask("review", "legal", on_failure="clerk"),)
    shop = Shop("legal", "clerk", "paralegal")
    result = await shop.run(chain(*made))
    assert shop.calls == ["review@legal", "review-r1@clerk"]
    assert result["needs_review"] == ["review-r1"]
    shop = Shop("legal", "clerk")
    result = await shop.run(chain(*made), replans=0)
    assert (shop.calls, result["replans"]) == (["review@legal"], [])
    with pytest.raises(SetupError):
        shop.planner(replans=-1)


async def test_an_optional_failure_is_replanned_only_where_something_required_builds_on_it() -> None:
    """A run that is complete is left alone."""
    optional = subtask("review", "legal", on_failure="clerk", required=False)
    shop = Shop("legal")
    assert (await shop.run(chain(optional, subtask("b", "market"))))["replans"] == []
    result = await shop.run(chain(optional, subtask("b", "market", "review"), subtask("c", "market")))
    assert (len(result["replans"]), result["status"]) == (1, "success")


async def test_siblings_are_not_interrupted_and_the_replan_waits_for_review() -> None:
    """A sibling that runs when the failure comes finishes first, once."""
    order: list[str] = []
    failed = asyncio.Event()

    @specialist("bad", max_attempts=1)
    async def bad(brief: Brief) -> int:
        failed.set()
        raise ValueError("no")

    @specialist("slow")
    async def slow(brief: Brief) -> int:
        await failed.wait()
        await asyncio.sleep(0)
        order.append("slow")
        return 1

    @specialist("spare")
    async def spare(brief: Brief) -> int:
        order.append("spare")
        return 1

    made = (subtask("a", "bad", on_failure="spare"), subtask("b", "slow"))
    result = (await planner(bad, slow, spare).ainvoke(task("t", *made)))["result"]
    assert order == ["slow", "spare"]
    assert result["status"] == "success"


async def test_gates_stay() -> None:
    """A replacement is asked about as what it replaces was."""
    shop = Shop("legal")
    made = (subtask("review", "legal", gate={"question": "Send it?"}, on_failure="clerk"),)
    app = shop.planner(checkpointer=InMemorySaver())
    await app.ainvoke(chain(*made), on("t"))
    asked = await app.ainvoke(Command(resume="accept"), on("t"))
    assert asked["__interrupt__"][0].value["gate"] == "review-r1"
    assert shop.calls == ["review@legal"]
    done = await app.ainvoke(Command(resume="accept"), on("t"))
    assert shop.calls[1:] == ["review-r1@clerk"]
    assert done["result"]["status"] == "success"


async def test_a_person_is_asked_about_what_no_replan_mends() -> None:
    """`escalate="ask"` comes after replanning; the clerk has no capability that anybody could share."""
    shop = Shop("legal", "clerk")
    app = shop.planner(checkpointer=InMemorySaver(), escalate="ask", replans=2)
    asked = await app.ainvoke(chain(subtask("review", "legal", on_failure="clerk"), subtask("b", "market")), on("t"))
    assert asked["__interrupt__"][0].value["gate"] == "review-r1.review"
    done = await app.ainvoke(Command(resume="accept"), on("t"))
    assert done["result"]["status"] == "partial_success"
    assert len(done["result"]["replans"]) == 1


async def test_what_may_have_acted_is_not_done_again_by_another() -> None:
    """What is delivered at most once and was begun stays failed."""
    made = (subtask("pay", "payer"), subtask("b", "clerk"))
    for delivery, replans in (("at_most_once", 0), ("at_least_once", 1)):
        shop = Shop("payer")
        shop.specialists.append(shop.make("payer", {"contracts", "wire"}, delivery=delivery))
        assert len((await shop.run(chain(*made)))["replans"]) == replans


async def test_nothing_is_replanned_once_the_budget_is_used_up() -> None:
    """At 100 % the run ends with what there is."""
    shop = Shop("legal")
    made = (subtask("a", "market", inputs={"tokens": 10}), subtask("review", "legal", "a", on_failure="clerk"))
    result = await shop.run(chain(*made), budget=Budget(tokens=10))
    assert (result["replans"], result["status"]) == ([], "partial_success")


async def test_a_rule_says_who_stands_in() -> None:
    """`on_failure` in a workflow, its placeholders filled; ids are numbered on, none is used twice."""
    workflow = {
        "name": "w",
        "plan": {
            "subtasks": [
                {"id": "prices", "specialist": "market"},
                {
                    "id": "review", "capability": "risk", "needs": ["prices"],
                    "on_failure": {
                        "specialist": "clerk", "objective": "List ${payload.what}.",
                        "inputs": {"what": "${payload.what}", "by": "${prices.by}"},
                    },
                },
                {"id": "memo", "specialist": "clerk", "needs": ["review"]},
            ],
            "answer": ["memo"],
        },
    }  # fmt: skip
    shop = Shop("legal")
    events: list[Event] = []
    given = {"task": {"task_id": "t", "title": "x", "payload": {"what": "terms"}}}
    result = await shop.run(given, workflows=[workflow], on_event=events.append)
    assert result["status"] == "success"
    assert result["replans"][0]["removed"] == ["legal::t::1", "clerk::t::1"]
    assert result["replans"][0]["added"] == ["clerk::t::2", "clerk::t::3"]
    assert outputs(result)["clerk::t::2"]["inputs"] == {"what": "terms", "by": "market"}
    replanned = next(event for event in events if event.type == "RUN_REPLANNED")
    plan: Any = replanned.payload["plan"]
    assert (plan["answer"], plan["origin"], plan["workflow"]) == (["clerk::t::3"], "rule", "w")
    assert [one["name"] for one in plan["subtasks"]] == ["prices", "review", "memo"]
    again = Plan.model_validate(plan)
    assert again.subtasks[1].objective == "List terms."


@pytest.mark.parametrize(
    ("stand_in", "field"),
    [
        ({"specialist": "nobody"}, "specialist"),
        ({"capability": "nothing"}, "capability"),
        ({"inputs": {"x": "${nowhere.a}"}}, "inputs.x"),
    ],
)
async def test_a_stand_in_that_cannot_be_is_refused_with_the_plan(stand_in: dict[str, Any], field: str) -> None:
    """Not when it is needed."""
    with pytest.raises(PlanInvalid) as caught:
        await Shop().run(chain(subtask("review", "legal", on_failure=stand_in)))
    assert caught.value.faults[0].place == f"plan.subtasks[0].on_failure.{field}"


def test_a_rule_whose_stand_in_nobody_is_is_refused_when_it_is_loaded() -> None:
    """Before anything runs."""
    workflow = {"name": "w", "plan": {"subtasks": [{"id": "a", "specialist": "legal", "on_failure": "nobody"}]}}
    with pytest.raises(SetupError, match="on_failure"):
        Shop().planner(workflows=[workflow])


# By draft.


@dataclasses.dataclass
class Drafted:
    plan: Plan


class Drafter:
    """Drafts these subtasks for whatever failed."""

    def __init__(self, *subtasks: dict[str, Any], answer: tuple[str, ...] | None = None) -> None:
        self.asked: list[tuple[list[str], list[str]]] = []
        self._made = subtasks
        self._answer = answer

    async def __call__(self, plan: Plan, failed: Sequence[str], findings: Mapping[str, Finding]) -> Drafted | None:
        self.asked.append((list(failed), sorted(findings)))
        new = tuple(Subtask.model_validate(one) for one in self._made)
        kept = tuple(one for one in plan.subtasks if one.id in findings)
        return Drafted(plan.model_copy(update={"subtasks": (*kept, *new), "answer": self._answer})) if new else None


NEW = (subtask("scan", "market", "prices"), subtask("judge", "paralegal", inputs={"scan": "${scan.by}"}, covers=["c1"]))
DRAFTED = (subtask("prices", "market"), subtask("review", "clerk", "prices", covers=["c1"]), subtask("law", "legal"))


async def test_a_draft_takes_the_place_of_what_no_rule_replaces() -> None:
    """It is told the plan, what failed and what was found; its subtasks get new ids."""
    drafter, shop = Drafter(*NEW), Shop("clerk")
    result = await shop.run(chain(*DRAFTED), replan=drafter)
    assert drafter.asked == [(["review"], ["law", "prices"])]
    assert result["status"] == "success"
    assert set(states(result)) == {"prices", "law", "scan-r1", "judge-r1"}
    assert outputs(result)["judge-r1"]["inputs"] == {"scan": "market"}
    assert result["replans"][0]["by"] == ["model"]


@pytest.mark.parametrize(
    "new",
    [
        (subtask("judge", "stranger", covers=["c1"]),),  # can do what the plan never could
        (subtask("judge", "market"),),  # leaves a criterion uncovered
        (subtask("judge", "market", "review", covers=["c1"]),),  # builds on what failed
        (subtask("judge", "market", covers=["c1"], inputs={"x": "${nowhere.y}"}),),
        (subtask("judge", "nobody", covers=["c1"]),),
        (subtask("prices", "clerk"),),  # nothing but what the plan has
        (),
    ],
)
async def test_a_draft_beyond_the_plan_s_rights_or_faulty_is_not_taken(new: tuple[dict[str, Any], ...]) -> None:
    """The failure stands, and the drafter is not asked again for it."""
    drafter, shop, events = Drafter(*new), Shop("clerk"), list[Event]()
    made = (*DRAFTED, subtask("later", "market", stage="later"))
    result = await shop.run(chain(*made), replan=drafter, replans=3, on_event=events.append)
    assert (result["replans"], result["status"]) == ([], "partial_success")
    assert len(drafter.asked) == 1
    assert len([event for event in events if event.type == "PLAN_REJECTED"]) == bool(new)
    assert result["needs_review"] == ["review"]


async def test_a_draft_cannot_touch_what_stands() -> None:
    """A drafted subtask with the id of one outside the cone is ignored."""
    evil = {**subtask("prices", "legal"), "objective": "Do something else"}
    drafter, shop = Drafter(evil, *NEW), Shop("clerk")
    result = await shop.run(chain(*DRAFTED), replan=drafter)
    assert result["status"] == "success"
    assert outputs(result)["prices"]["by"] == "market"
    assert "prices@legal" not in shop.calls


async def test_a_draft_keeps_the_gates_of_what_it_replaces() -> None:
    """Whatever it makes of gated work is gated; conditions and stand-ins of its own it has none."""
    made = (subtask("prices", "market"), subtask("review", "clerk", "prices", gate={"question": "Pay?"}, covers=["c1"]))
    new = (
        *NEW[:1],
        {**NEW[1], "specialist": "market", "continue_when": "true", "on_failure": {"specialist": "market"}},
    )
    shop = Shop("clerk")
    events: list[Event] = []
    app = shop.planner(checkpointer=InMemorySaver(), replan=Drafter(*new), on_event=events.append)
    await app.ainvoke(chain(*made), on("t"))
    await app.ainvoke(Command(resume="accept"), on("t"))
    plan: Any = next(event.payload["plan"] for event in events if event.type == "RUN_REPLANNED")
    added = plan["subtasks"][-2:]
    assert [one["gate"] for one in added] == [{"question": "Pay?"}] * 2
    assert [(one["continue_when"], one["on_failure"]) for one in added] == [(None, None)] * 2
    assert not any("r1" in call for call in shop.calls)


async def test_a_draft_in_an_approved_plan_is_asked_about() -> None:
    """People approved another plan than this; a rule's stand-in was part of theirs."""
    shop = Shop("clerk")
    app = shop.planner(checkpointer=InMemorySaver(), replan=Drafter(*NEW), require_approval=True)
    await app.ainvoke(chain(*DRAFTED), on("t"))
    asked = await app.ainvoke(Command(resume="accept"), on("t"))
    assert [gate["gate"] for gate in asked["__interrupt__"][0].value["gates"]] == ["scan-r1"]
    done = await app.ainvoke(Command(resume="accept"), on("t"))
    assert done["result"]["status"] == "success"


async def test_rules_come_first_and_the_draft_gets_the_rest() -> None:
    """Two cones, one replan."""
    made = (subtask("prices", "market"), subtask("review", "clerk", "prices", covers=["c1"]), subtask("law", "legal"))
    drafter, shop = Drafter(*NEW), Shop("clerk", "legal")
    result = await shop.run(chain(*made), replan=drafter)
    assert [asked for asked, _ in drafter.asked] == [["review"]]
    assert result["status"] == "success"
    assert result["replans"][0]["by"] == ["rule", "model"]
    assert len(result["replans"]) == 1


async def test_a_drafter_that_raises_or_hangs_costs_the_run_nothing() -> None:
    """Failure is data; a hang ends within the run's time."""

    async def raising(plan: Plan, failed: Sequence[str], findings: Mapping[str, Finding]) -> None:
        raise RuntimeError("no idea")

    async def hanging(plan: Plan, failed: Sequence[str], findings: Mapping[str, Finding]) -> None:
        await asyncio.Event().wait()

    async def answering(plan: Plan, failed: Sequence[str], findings: Mapping[str, Finding]) -> Any:
        return "a plan"

    for drafter in (raising, hanging, answering):
        result = await Shop("clerk").run(chain(*DRAFTED), replan=drafter, budget=Budget(seconds=0.3))
        assert result["status"] == "partial_success"
        assert result["usage"]["seconds"] < 0.3


def test_cancelling_stops_a_drafter(tmp_path: Path) -> None:
    """A cancelled run does not wait for a plan that nobody wants any more."""
    begun = threading.Event()

    async def hanging(plan: Plan, failed: Sequence[str], findings: Mapping[str, Finding]) -> None:
        begun.set()
        await asyncio.Event().wait()

    shop = Shop("clerk")
    with Planner(specialists=shop.specialists, database=f"sqlite:///{tmp_path / 'x.db'}", replan=hanging) as made:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(made.run(chain(*DRAFTED)["task"])))
        thread.start()
        assert begun.wait(10)
        made.cancel("t", "enough")
        thread.join(10)
    assert found[0]["status"] == "cancelled"


async def test_the_drafted_answer_stands_for_the_one_that_failed() -> None:
    """What made the answer is replaced in it, by what the draft says or by its ends."""
    for answer, expected in ((None, ["prices", "judge-r1"]), (("scan",), ["prices", "scan-r1"])):
        shop, events = Shop("clerk"), list[Event]()
        given = chain(*DRAFTED)
        given["task"]["plan"]["answer"] = ["prices", "review"]
        await shop.run(given, replan=Drafter(*NEW, answer=answer), on_event=events.append)
        plan: Any = next(event.payload["plan"] for event in events if event.type == "RUN_REPLANNED")
        assert plan["answer"] == expected


# What binds the plan binds its replacement.


def bound(**plan: Any) -> dict[str, Any]:
    """Return a workflow in which the clerk or legal is going to fail."""
    subtasks = [{"id": "prices", "specialist": "market"}, {"id": "review", "specialist": "legal", "needs": ["prices"]}]
    return {"name": "w", "plan": {"subtasks": subtasks, **plan}}


PLAIN: dict[str, Any] = {"task": {"task_id": "t", "title": "x"}}


@pytest.mark.parametrize("forbidden", [["prices", "paralegal"], ["market", "paralegal"]])
async def test_forbidden_combinations_hold_in_a_replan(forbidden: list[str]) -> None:
    """A stand-in that the workflow forbids beside what stands is not asked."""
    shop = Shop("legal")
    result = await shop.run(PLAIN, workflows=[bound(constraints={"forbidden": [forbidden]})])
    assert (result["replans"], result["status"]) == ([], "partial_success")
    result = await Shop("legal").run(PLAIN, workflows=[bound()])
    assert result["status"] == "success"


async def test_required_steps_hold_in_a_replan() -> None:
    """A draft cannot do without a template that every plan has to have; a rule's stand-in is one."""
    workflow = bound(constraints={"required": [{"subtask": "review"}]})
    drafted = subtask("review", "market")
    shop = Shop("legal", "paralegal")
    shop.specialists = [one for one in shop.specialists if one.card.name != "paralegal"]
    result = await shop.run(PLAIN, workflows=[workflow], replan=Drafter(drafted))
    assert result["replans"] == []
    result = await Shop("legal").run(PLAIN, workflows=[workflow], replan=Drafter(drafted))
    assert result["replans"][0]["by"] == ["rule"]


async def test_gate_policies_hold_in_a_replan() -> None:
    """Whoever the policy asks about is asked about when he stands in."""
    shop = Shop("legal")
    policy = {"when": "card.name == 'paralegal'", "question": "A paralegal?"}
    app = shop.planner(workflows=[bound(gates=[policy])], checkpointer=InMemorySaver())
    asked = await app.ainvoke(PLAIN, on("t"))
    assert asked["__interrupt__"][0].value["question"] == "A paralegal?"
    assert shop.calls == ["market::t::1@market", "legal::t::1@legal"]


async def test_a_hole_s_bounds_hold_in_a_replan() -> None:
    """Who may not work in the hole does not stand in for who works there, by rule or by draft."""
    holes: list[dict[str, Any]] = [{"id": "gap", "specialists": ["legal"], "objective": "Check."}]
    workflow = {"name": "w", "plan": {"subtasks": [{"id": "prices", "specialist": "market"}], "holes": holes}}
    result = await Shop("legal").run(PLAIN, workflows=[workflow], replan=Drafter(subtask("judge", "market")))
    assert (result["replans"], result["status"]) == ([], "partial_success")
    holes[0]["specialists"] = ["legal", "paralegal"]
    holes[0]["max_subtasks"] = 1
    shop = Shop("legal")
    result = await shop.run(PLAIN, workflows=[workflow])
    assert result["status"] == "success"


async def test_a_drafted_subtask_cannot_pass_for_one_that_stands() -> None:
    """A name of what stands is not its own: conditions read what they were written for."""
    made = [
        subtask("prices", "market", stage="first"),
        subtask("review", "clerk", stage="first"),
        subtask("later", "market", stage="second"),
    ]
    given = task("t", *made)
    given["task"]["plan"]["stop_when"] = {"first": "findings.prices.by == 'legal'"}
    fake = {**subtask("judge", "market"), "name": "prices"}
    shop = Shop("clerk")
    result = await shop.run(given, replan=Drafter(fake))
    assert result["replans"][0]["added"] == ["judge-r1"]
    assert "later@market" in shop.calls


# Crash, resume, fork, restart.


@pytest.mark.parametrize("kind", ["rule", "draft"])
def test_wherever_the_process_is_killed_a_resume_goes_on_with_the_plan_in_force(tmp_path: Path, kind: str) -> None:
    """At every event of the run: one replan on the record, nothing completed is done again, and it ends right."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.graph.replanning_world", str(tmp_path), kind],
        capture_output=True, text=True, timeout=300, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["kills"] >= 15


async def test_without_a_checkpointer_the_record_alone_carries_the_replan_on() -> None:
    """A task whose invocation was cut off is submitted again: it goes on with the replacement."""
    begun, shop = asyncio.Event(), Shop("legal")

    @specialist("spare")
    async def spare(brief: Brief) -> int:
        shop.calls.append(f"{brief.subtask_id}@spare")
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return 1

    shop.specialists.append(spare)
    app, given = shop.planner(), chain(subtask("review", "legal", on_failure="spare"), subtask("b", "market"))
    first = asyncio.ensure_future(app.ainvoke(given))
    await begun.wait()
    first.cancel()
    await asyncio.wait({first})
    result = (await app.ainvoke(given))["result"]
    assert shop.calls == ["review@legal", "b@market", "review-r1@spare", "review-r1@spare"]
    assert (result["status"], len(result["replans"])) == ("success", 1)


async def test_a_fork_before_the_replan_goes_its_own_way_and_one_behind_it_keeps_it() -> None:
    """A run made of an old checkpoint has that checkpoint's plan, and may be replanned itself."""
    shop = Shop("legal")
    app = shop.planner(checkpointer=InMemorySaver())
    first = (await app.ainvoke(chain(), on("t")))["result"]
    history = [entry async for entry in app.aget_state_history(on("t"))]
    before = next(entry for entry in history if entry.next == ("dispatch",) and not entry.values.get("records"))
    behind = next(entry for entry in history if entry.next == ("dispatch",) and entry.values.get("records"))
    assert [one["id"] for one in behind.values["plan"]["subtasks"]][-1].endswith("-r1")
    shop.broken.clear()
    mended = (await app.ainvoke(None, before.config))["result"]
    assert (mended["replans"], mended["parent_run_id"]) == ([], first["run_id"])
    assert outputs(mended)["review"]["by"] == "legal"
    shop.broken.add("legal")
    again = (await app.ainvoke(None, behind.config))["result"]
    assert states(again) == states(first)
    assert again["run_id"] != first["run_id"]


def test_a_restart_of_a_replanned_run_keeps_its_plan_and_what_completed(tmp_path: Path) -> None:
    """Only what did not complete is done again."""
    shop = Shop("legal", "clerk")
    with Planner(specialists=shop.specialists, database=f"sqlite:///{tmp_path / 'x.db'}") as made:
        first: Any = made.run(chain()["task"])
        assert states(first)["review-r1"] == "failed"
        shop.broken.clear()
        shop.calls.clear()
        second: Any = made.restart("t")
    assert shop.calls == ["review-r1@clerk", "memo-r1@market"]
    assert second["status"] == "success"


def test_status_and_events_tell_of_the_replan(tmp_path: Path) -> None:
    """The status has old and new subtasks, the record one event with who, what and why."""
    shop = Shop("legal")
    with Planner(specialists=shop.specialists, database=f"sqlite:///{tmp_path / 'x.db'}") as made:
        result: Any = made.run(chain()["task"])
        status: Any = made.status("t")
        events = [event for event in made.events("t") if event.type == "RUN_REPLANNED"]
    assert {one["subtask_id"]: one["state"] for one in status["subtasks"]} == {
        **states(result), "review": "failed", "memo": "skipped",
    }  # fmt: skip
    (event,) = events
    assert event.payload["added"] == ["review-r1", "memo-r1"]
    assert event.payload["reason"] == "review stayed failed"
    spent = sum(one["usage"]["seconds"] for one in result["subtasks"] if one["usage"])
    assert spent <= result["usage"]["seconds"] + 1
