"""Endpoints that turned a request away: what is remembered of them, and that nobody plans anew there."""

from __future__ import annotations

from typing import Any, cast

import pytest

from concertino import Brief, Budget, Event, create_planner, specialist
from concertino.graph.runs.endpoints import Endpoints
from tests.clocks import StillClock
from tests.graph.plans import subtask, task
from tests.graph.providers import Hasty, Provider
from tests.loopback.openai_server import Fail

TURNED_AWAY: dict[str, tuple[Fail, dict[str, float]]] = {
    "400": (Fail(400), {}),
    "401": (Fail(401), {}),
    "403": (Fail(403), {}),
    "Retry-After": (Fail(429, retry_after="60"), {}),
    "Retry-After beyond the deadline": (Fail(429, retry_after="5"), {"seconds": 2.0}),
}


@specialist("asking")
async def asking(brief: Brief) -> str:
    return str((await brief.model.ainvoke("hi")).content)


async def run(reply: Fail, limits: dict[str, float]) -> tuple[int, list[Event]]:
    """Return how many requests a run of one subtask makes, and its events."""
    events: list[Event] = []
    async with Provider(reply) as server:
        graph = create_planner(
            specialists=[asking], model=server.chat(), budget=Budget.model_validate({"tokens": 50_000, **limits}),
            on_event=events.append, clock=Hasty(),
        )  # fmt: skip
        await graph.ainvoke(task("t", subtask("a", "asking")))
        return len(server.requests), events


@pytest.mark.parametrize("name", TURNED_AWAY)
async def test_who_turned_a_request_away_is_asked_for_no_other_plan(name: str) -> None:
    """The endpoint would refuse that request, too, or asked to be left alone; the reason is on the record."""
    requests, events = await run(*TURNED_AWAY[name])
    assert requests == 1
    reasons = [str(one.payload["reason"]) for one in events if one.type == "PLAN_REJECTED"]
    assert [one.startswith("no model is asked for another plan") for one in reasons] == [True]
    called: Any = next(one.payload for one in events if one.type == "TOOL_CALLED")
    assert called["status"] == TURNED_AWAY[name][0].status
    assert called.get("retry_after_s") == (
        None if "Retry" not in name else float(TURNED_AWAY[name][0].retry_after or 0)
    )


async def test_another_refusal_leaves_planning_its_chance() -> None:
    """One request of the subtask, and at least one to plan anew."""
    requests, _ = await run(Fail(422), {})
    assert requests > 1


def test_an_answer_or_time_opens_an_endpoint_again() -> None:
    """What it asked for has an end, what it refused has one with its next answer, and other endpoints are not concerned."""
    clock = StillClock()
    known = Endpoints(cast("Any", clock))
    known.note({"endpoint": "a", "outcome": "failed", "status": 429, "retry_after_s": 60.0})
    known.note({"endpoint": "b", "outcome": "failed", "status": 401})
    known.note({"endpoint": "b", "outcome": "over_budget"})
    assert known.why_not("a") == "a asked to be left alone for 60 s"
    assert known.why_not("b") == "b answered the last request with HTTP 401"
    assert known.why_not("c") is None
    clock.time += 60.0
    known.note({"endpoint": "b", "outcome": "ok"})
    assert (known.why_not("a"), known.why_not("b")) == (None, None)
