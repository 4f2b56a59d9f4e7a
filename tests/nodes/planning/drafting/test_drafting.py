"""Asking a model for a plan: what is accepted, repaired, given up, and what stands in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from pydantic import SecretStr

from concertino.contracts.errors import (
    BreakerOpen,
    BudgetExceeded,
    DeadlineExceeded,
    JournalError,
    StaleLease,
    ToolFailed,
)
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.drafting import PlanCache
from concertino.prompts import load
from tests.loopback.openai_server import Fail, Malformed, OpenAIServer, Refuse, Reply, Say
from tests.nodes.planning.drafting.world import Model, draft, kinds, row, said, task

GOOD = said(row("s1", "finance"), row("s2", "legal", needs=["s1"]))
TWO = {"acceptance_criteria": [{"id": "c1", "text": "a"}, {"id": "c2", "text": "b"}]}


async def test_a_good_plan_costs_one_request() -> None:
    """It gets ids of its own, its requirements, and the hash of the prompt behind it."""
    model = Model(GOOD)
    made, steps = await draft(model)
    assert made.origin == made.plan.origin == "model"
    assert [one.id for one in made.plan.subtasks] == ["finance::t::1", "legal::t::1"]
    assert made.plan.requirements is not None
    assert made.prompts == {"plan": load("plan").hash}
    assert (len(model.heard), made.repairs, kinds(steps)) == (1, 0, ["PLAN_DRAFTED"])


async def test_what_rules_can_mend_costs_no_further_request() -> None:
    """A name in another case and a need of nobody are mended, and both are on the record."""
    model = Model(said(row("s1", "Finance"), row("s2", "legal", needs=["s1", "s9"])))
    made, steps = await draft(model)
    assert made.origin == "model"
    assert len(model.heard) == 1
    assert kinds(steps) == ["PLAN_DRAFTED", "PLAN_REPAIRED"]


@pytest.mark.parametrize("calls", [1, 2])
async def test_a_model_repairs_at_most_twice(calls: int) -> None:
    """Each time it is told what is wrong; the plan that comes of it is the model's."""
    ring = [row("s1", "finance", inputs={"x": {"$from": "s2"}}), row("s2", "legal", inputs={"x": {"$from": "s1"}})]
    half = said(row("s1", "finance", covers=["c1"]), row("s2", "legal"), requirements=TWO)
    whole = said(row("s1", "finance", covers=["c1"]), row("s2", "legal", covers=["c2"]), requirements=TWO)
    faulty = [said(*ring), half][-calls:]
    model = Model(*faulty, whole)
    made, steps = await draft(model)
    assert (made.origin, made.repairs, len(model.heard)) == ("model", calls, calls + 1)
    assert kinds(steps).count("PLAN_REJECTED") == calls
    assert "c2" in str(model.heard[-1][-1])
    assert [one.covers for one in made.plan.subtasks] == [("c1",), ("c2",)]


@pytest.mark.parametrize("later", [None, {"acceptance_criteria": [{"id": "c1", "text": "less"}]}])
async def test_a_repair_cannot_take_back_what_was_understood(later: dict[str, Any] | None) -> None:
    """A criterion that the first answer stated is covered, or there is no plan by the model."""
    header = {"requirements": later} if later else {}
    first = said(row("s1", "finance", covers=["c1"]), row("s2", "legal"), requirements=TWO)
    made, _ = await draft(Model(first, said(row("s1", "finance", covers=["c1"]), row("s2", "legal"), **header)))
    assert made.origin == "fallback"
    whole = said(row("s1", "finance", covers=["c1"]), row("s2", "legal", covers=["c2"]), **header)
    made, _ = await draft(Model(first, whole))
    assert made.origin == "model"
    assert made.plan.requirements is not None
    assert [(one.id, one.text) for one in made.plan.requirements.acceptance_criteria] == [("c1", "a"), ("c2", "b")]


async def test_the_same_fault_twice_ends_it() -> None:
    """A third request would only cost: the fallback stands in, and says why."""
    model = Model(said(row("s1", "finance"), row("s2", "legal"), requirements=TWO))
    made, steps = await draft(model)
    assert (made.origin, len(model.heard)) == ("fallback", 2)
    assert kinds(steps)[-1] == "PLAN_FALLBACK"
    assert made.reason is not None
    assert "returned" in made.reason


async def test_who_is_unknown_is_asked_about_and_never_left_out() -> None:
    """The model is told the name; said again, the fallback stands in rather than a plan without the work."""
    wrong = said(row("s1", "finance"), row("s2", "astrologer"))
    model = Model(wrong, GOOD)
    made, _ = await draft(model)
    assert (made.origin, made.repairs, len(made.plan.subtasks)) == ("model", 1, 2)
    assert "astrologer" in str(model.heard[1][-1])
    again, _ = await draft(Model(wrong))
    assert again.origin == "fallback"


@pytest.mark.parametrize(
    "error",
    [
        BudgetExceeded(scope="run", dimension="tokens", asked=1, left=0),
        BreakerOpen(name="m", retry_after_s=1),
        DeadlineExceeded(scope="run", limit_s=1),
        ToolFailed(tool="m", attempts=1, reason="down"),
        TimeoutError(),
        ValueError("not ours"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_failing_model_is_no_failing_plan(error: Exception) -> None:
    """Whatever it raises, the fallback stands in after one request."""
    model = Model(error)
    made, steps = await draft(model)
    assert (made.origin, len(model.heard), kinds(steps)) == ("fallback", 1, ["PLAN_FALLBACK"])
    assert type(error).__name__ in (made.reason or "")


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        StaleLease(run_id="r", held=1, current=2),
        JournalError(place="x", reason="y"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_ends_a_run_is_raised(error: BaseException) -> None:
    """Cancelling, a lost lease and a lost journal are not the model's failures."""
    with pytest.raises(type(error)):
        await draft(Model(error))


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (AIMessage("", additional_kwargs={"refusal": "no"}), 1),
        (AIMessage([{"type": "refusal", "refusal": "no"}]), 1),
        (AIMessage("", response_metadata={"finish_reason": "content_filter"}), 1),
        ("I'm sorry, but I can't help with that.", 1),
        ("", 1),
        (" \n", 1),
        (AIMessage([]), 1),
        (AIMessage("", response_metadata={"finish_reason": "length"}), 1),
        ("{{{", 2),
        ("Owls are birds.", 2),
    ],
)
async def test_an_answer_without_a_plan_falls_back(answer: Any, requests: int) -> None:
    """After a refusal or nothing at once; something else entirely is asked about once more."""
    model = Model(answer)
    made, steps = await draft(model)
    assert made.origin == "fallback"
    assert len(model.heard) == requests
    assert kinds(steps)[-1] == "PLAN_FALLBACK"


async def test_a_plan_in_a_tool_call_beside_an_empty_text_is_read() -> None:
    """A message without text says something by its calls."""
    call = {"name": "plan", "args": {"subtasks": [row("s1", "finance"), row("s2", "legal")]}, "id": "1"}
    made, _ = await draft(Model(AIMessage("", tool_calls=[call])))
    assert (made.origin, len(made.plan.subtasks)) == ("model", 2)


async def test_an_answer_that_was_cut_off_is_asked_for_again() -> None:
    """However whole it looks; cut off once more, the fallback stands in."""
    cut = AIMessage(said(row("s1", "finance")), response_metadata={"finish_reason": "length"})
    model = Model(cut, GOOD)
    made, steps = await draft(model)
    assert (made.origin, made.repairs, len(made.plan.subtasks)) == ("model", 1, 2)
    assert kinds(steps) == ["PLAN_DRAFTED", "PLAN_REJECTED", "PLAN_DRAFTED", "PLAN_REPAIRED"]
    assert "cut off" in str(model.heard[1][-1])
    model = Model(cut)
    made, _ = await draft(model)
    assert (made.origin, len(model.heard)) == ("fallback", 2)


async def test_another_value_at_the_same_place_is_another_fault() -> None:
    """A model that gets further is asked once more."""
    model = Model(said(row("s1", "astrologer")), said(row("s1", "cartomancer")), GOOD)
    made, _ = await draft(model)
    assert (made.origin, made.repairs, len(model.heard)) == ("model", 2, 3)


async def test_without_a_model_the_fallback_knows_the_requirements() -> None:
    """They are read from the text by rule."""
    made, steps = await draft(None, task(description="It must be quick.\n\nAcceptance criteria:\n- all owls counted"))
    assert (made.origin, kinds(steps)) == ("fallback", ["PLAN_FALLBACK"])
    assert made.plan.requirements is not None
    assert made.plan.requirements.constraints == ("It must be quick.",)
    assert [one.text for one in made.plan.requirements.acceptance_criteria] == ["all owls counted"]


async def test_criteria_in_the_text_bind_the_model() -> None:
    """They stand where the model states others."""
    of = task(description="Acceptance criteria:\n- all owls counted")
    made, _ = await draft(Model(said(row("s1", "finance", covers=["c1"]), row("s2", "legal"), requirements=TWO)), of)
    assert made.plan.requirements is not None
    texts = [one.text for one in made.plan.requirements.acceptance_criteria]
    assert texts == ["all owls counted"]


async def test_a_plan_is_kept_for_the_same_question_and_gets_new_ids() -> None:
    """Another task with the same content costs no request; another content does."""
    cache, model = PlanCache(), Model(GOOD)
    await draft(model, cache=cache)
    again, _ = await draft(model, task(task_id="t2"), cache=cache)
    assert (again.origin, len(model.heard)) == ("cache", 1)
    assert [one.id for one in again.plan.subtasks] == ["finance::t2::1", "legal::t2::1"]
    await draft(model, task(payload={"x": 1}), cache=cache)
    assert len(model.heard) == 2


async def test_a_fallback_is_not_kept() -> None:
    """What failed once may work the next time."""
    cache = PlanCache()
    await draft(Model(ValueError("down")), cache=cache)
    made, _ = await draft(Model(GOOD), cache=cache)
    assert made.origin == "model"


@pytest.mark.parametrize(
    ("reply", "origin"),
    [(Say(GOOD), "model"), (Say(f"Here it is:\n```json\n{GOOD}\n```"), "model"), (Refuse(), "fallback"),
     (Malformed("{not json"), "fallback"), (Fail(500), "fallback")],
)  # fmt: skip
async def test_over_the_wire(reply: Reply, origin: str) -> None:
    """The same through the real client and a server that speaks the protocol."""
    with OpenAIServer(reply) as server:
        async with DefaultAsyncHttpxClient() as http:
            model = ChatOpenAI(
                model="m", base_url=server.url, api_key=SecretStr("k"), max_retries=0, http_async_client=http
            )
            made, _ = await draft(model)
        assert made.origin == origin
        assert len(server.requests) <= 2


async def test_an_edge_that_a_constraint_adds_is_a_repair_on_the_record() -> None:
    """The plan was fit to be carried out only with it."""
    both = Model(said(row("s1", "finance"), row("s2", "legal")))
    made, steps = await draft(both, constraints=Constraints.model_validate({"ends": "legal"}))
    assert (made.origin, kinds(steps)) == ("model", ["PLAN_DRAFTED", "PLAN_REPAIRED"])
    assert steps[1][1]["by"] == "rule"
    assert any("the plan must end in legal" in note for note in steps[1][1]["notes"])
