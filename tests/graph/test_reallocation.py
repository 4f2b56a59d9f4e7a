"""Reallocation in a run: what specialists did not use, others use, within the run's budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concertino import Brief, Budget, Event, Planner, SetupError, specialist
from tests.graph.plans import planner, states, subtask, task


def spender(name: str, *, tokens: int, capabilities: frozenset[str] = frozenset()) -> Any:
    """Return a specialist that spends what its subtask says, and may use `tokens` in a run."""

    @specialist(name, capabilities=capabilities, max_attempts=1, budget=Budget(tokens=tokens))
    async def spend(brief: Brief) -> int:
        await brief.spend(tokens=int(str(brief.inputs["tokens"])))
        if brief.inputs.get("fails"):
            raise ValueError("no")
        return 1

    return spend


THREE = (
    subtask("a", "quick", inputs={"tokens": 20}),
    subtask("b", "hungry", "a", inputs={"tokens": 130}),
    subtask("c", "modest", "a", inputs={"tokens": 10}),
)


def three() -> list[Any]:
    return [spender("quick", tokens=100), spender("hungry", tokens=100), spender("modest", tokens=50)]


async def test_who_has_work_left_uses_what_others_left() -> None:
    """80 are left over: by weight 53 and 27; the record and the report say it."""
    events: list[Event] = []
    app = planner(*three(), budget=Budget(tokens=250), reallocate="budgets", on_event=events.append)
    result = (await app.ainvoke(task("t", *THREE)))["result"]
    assert states(result) == dict.fromkeys("abc", "completed")
    told = [event.payload for event in events if event.type == "BUDGET_REALLOCATED"]
    assert told[0] == {"from": {"quick": {"tokens": 80}}, "to": {"hungry": {"tokens": 53}, "modest": {"tokens": 27}}}
    assert result["usage"]["tokens"] == 160


def unbounded(name: str, *, own: int | None = None) -> Any:
    """Return a specialist that spends what its subtask says, within its share and, where given, a budget of its own."""

    @specialist(name, max_attempts=1, budget=Budget(tokens=own))
    async def spend(brief: Brief) -> int:
        await brief.spend(tokens=int(str(brief.inputs["tokens"])))
        return 1

    return spend


async def test_shares_of_the_run_s_budget_flow_by_default() -> None:
    """Of 250, quick's 40 % leave 80, which all go to hungry, as modest may have no more than it declared."""
    staff = [unbounded("quick"), unbounded("hungry"), unbounded("modest", own=50)]
    shares = {"quick": 0.4, "hungry": 0.4, "modest": 0.2}
    made = (*THREE[:1], {**THREE[1], "inputs": {"tokens": 180}}, {**THREE[2], "inputs": {"tokens": 51}})
    result = (await planner(*staff, budget=Budget(tokens=250), shares=shares).ainvoke(task("t", *made)))["result"]
    assert states(result) == {"a": "completed", "b": "completed", "c": "failed"}
    app = planner(*staff, budget=Budget(tokens=250), shares=shares, reallocate="nothing")
    assert states((await app.ainvoke(task("t", *made)))["result"])["b"] == "failed"


@pytest.mark.parametrize("mode", ["shares", "nothing"])
async def test_a_declared_budget_is_a_promise_by_default(mode: Any) -> None:
    """Only `reallocate="budgets"` moves what specialists declare as their own."""
    events: list[Event] = []
    app = planner(*three(), budget=Budget(tokens=250), reallocate=mode, on_event=events.append)
    result = (await app.ainvoke(task("t", *THREE)))["result"]
    assert states(result)["b"] == "failed"
    assert not any(event.type == "BUDGET_REALLOCATED" for event in events)


async def test_the_run_s_limit_is_never_passed() -> None:
    """However much is left over, nobody gets more than the run has."""
    app = planner(*three(), budget=Budget(tokens=140), reallocate="budgets")
    result = (await app.ainvoke(task("t", *THREE)))["result"]
    assert states(result)["b"] == "failed"
    assert result["usage"]["tokens"] <= 140


async def test_who_is_not_in_the_plan_leaves_its_budget_at_once() -> None:
    """The first dispatch begins with it."""
    app = planner(*three(), reallocate="budgets")
    result = (await app.ainvoke(task("t", subtask("b", "hungry", inputs={"tokens": 250}))))["result"]
    assert states(result) == {"b": "completed"}


async def test_who_may_be_asked_as_an_alternative_keeps_its_budget() -> None:
    """It is not done while somebody whom it could stand in for is at work."""
    able = frozenset({"x"})
    staff = [
        spender("first", tokens=100, capabilities=able), spender("spare", tokens=100, capabilities=able),
        spender("other", tokens=10),
    ]  # fmt: skip
    made = (
        subtask("s", "spare", inputs={"tokens": 0}),
        subtask("o", "other", "s", inputs={"tokens": 10}),
        subtask("f", "first", "o", inputs={"tokens": 60, "fails": True}),
    )
    result = (await planner(*staff, reallocate="budgets", replans=0).ainvoke(task("t", *made)))["result"]
    assert result["budget"]["children"]["work"]["children"]["spare"]["settled"] == {"tokens": 60}


def test_a_resume_gives_the_same_again(tmp_path: Path) -> None:
    """What was reallocated before a night's wait holds after it, and is not told twice."""
    made = (*THREE[:1], {**THREE[1], "gate": True}, THREE[2])
    database = f"sqlite:///{tmp_path / 'x.db'}"
    with Planner(specialists=three(), database=database, reallocate="budgets") as first:
        assert first.run(task("t", *made)["task"])["status"] == "waiting"
    with Planner(specialists=three(), database=database, reallocate="budgets") as second:
        before = [event for event in second.events("t") if event.type == "BUDGET_REALLOCATED"]
        second.answer("t", "b", "accept")
        result: Any = second.resume("t")
        after = [event for event in second.events("t") if event.type == "BUDGET_REALLOCATED"]
    assert result["status"] == "success"
    assert len(before) == 2
    assert after == before


def test_a_resume_of_one_who_spent_more_than_its_own_goes_on(tmp_path: Path) -> None:
    """Its charges are restored before its cap is, and the cap is what it was."""
    made = (*THREE, subtask("d", "hungry", "b", inputs={"tokens": 15}, gate=True))
    database = f"sqlite:///{tmp_path / 'x.db'}"
    with Planner(specialists=three(), database=database, reallocate="budgets") as first:
        assert first.run(task("t", *made)["task"])["status"] == "waiting"
    with Planner(specialists=three(), database=database, reallocate="budgets") as second:
        second.answer("t", "d", "accept")
        result: Any = second.resume("t")
    assert result["status"] == "success"
    assert result["usage"]["tokens"] == 175


async def test_a_replan_gives_work_back_to_one_that_was_done() -> None:
    """Its own bound comes back as far as nobody has used it."""
    staff = [spender("quick", tokens=100), spender("hungry", tokens=100)]
    made = (
        subtask("a", "quick", inputs={"tokens": 20}),
        subtask("b", "hungry", "a", inputs={"tokens": 100, "fails": True}, on_failure={"specialist": "quick", "inputs": {"tokens": 70}}),
    )  # fmt: skip
    result = (await planner(*staff, reallocate="budgets").ainvoke(task("t", *made)))["result"]
    assert result["status"] == "success"
    assert result["usage"]["tokens"] == 190


def test_an_unknown_mode_is_refused() -> None:
    """By name."""
    with pytest.raises(SetupError, match="reallocate"):
        planner(reallocate="all")
