"""What a specialist charges and publishes by hand: checked where it is said, and nothing wrong reaches the record."""

from __future__ import annotations

import math
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from concertino import (
    Brief,
    Budget,
    Cost,
    Event,
    Finding,
    InputError,
    PlanInvalid,
    Planner,
    create_planner,
    specialist,
    tool,
)
from tests.graph import isolated
from tests.graph.plans import planner, states, subtask, task
from tests.loopback.openai_server import Malformed, OpenAIServer, Say

WRONG: list[tuple[str, Any]] = [
    *((name, value) for name in ("tokens", "calls", "documents") for value in (1.5, True, "5", None, math.nan, -1)),
    ("tokens", 10**16),
    *(("usd", value) for value in (math.nan, math.inf, -math.inf, -0.01, True, "1", None, 1e10)),
]


@pytest.mark.parametrize("kind", ["coroutine", "function"])
@pytest.mark.parametrize(("name", "amount"), WRONG)
async def test_a_wrong_amount_fails_its_subtask_alone(name: str, amount: Any, kind: str) -> None:
    """`brief.spend` refuses it by field, value and rule; nothing is charged, and the run goes on."""
    if kind == "coroutine":

        @specialist("bad", max_attempts=1)
        async def bad(brief: Brief) -> int:
            await brief.spend(**{name: amount})
            return 1
    else:

        @specialist("bad", max_attempts=1)
        def bad(brief: Brief) -> int:
            brief.spend(**{name: amount})
            return 1

    @specialist("good")
    async def good(brief: Brief) -> int:
        await brief.spend(tokens=2, usd=1, documents=0)
        return 1

    result = (await planner(bad, good).ainvoke(task("t", subtask("s", "bad"), subtask("g", "good"))))["result"]
    assert states(result) == {"s": "failed", "g": "completed"}
    assert result["subtasks"][0]["error"]["type"] == "InputError"
    assert f"spend.{name}" in result["subtasks"][0]["reason"]
    assert (result["usage"]["tokens"], result["usage"]["usd"]) == (2, 1.0)
    assert (result["usage"]["calls"], result["usage"]["documents"]) == (0, 0)


@pytest.mark.parametrize(
    ("name", "amount"),
    [("tokens", "True"), ("tokens", "1.5"), ("tokens", "-1"), ("usd", "-0.5"), ("usd", "float('nan')")],
)
async def test_a_wrong_amount_is_refused_in_a_child_process_too(name: str, amount: Any) -> None:
    """What a child wants to charge is checked as any other."""
    given = task("t", subtask("s", "charger", inputs={"name": name, "amount": amount}))
    result = (await planner(isolated.charger).ainvoke(given))["result"]
    assert states(result) == {"s": "failed"}
    assert f"spend.{name}" in result["subtasks"][0]["reason"]
    assert result["usage"]["tokens"] == result["usage"]["usd"] == 0


async def published(*specialists: Any) -> list[Any]:
    """Return what the run of the first specialist alone published."""
    events: list[Event] = []
    made = planner(*specialists, on_event=events.append)
    name = next(iter(made.conductor.options.specialists))
    result = (await made.ainvoke(task("t", subtask("s", name))))["result"]
    assert states(result) == {"s": "completed"}
    return [event.payload for event in events if event.type == "FINDING_DISCOVERED"]


async def test_a_discovery_may_be_a_mapping_or_keywords() -> None:
    """Document 004's form, keywords, and both together, where keywords go first."""

    @specialist("teller")
    async def teller(brief: Brief) -> int:
        await brief.publish("finding_discovered", {"a": 1, "b": [None]})
        await brief.publish("finding_discovered", a=1)
        await brief.publish(finding="both")
        return 1

    @specialist("blocking")
    def blocking(brief: Brief) -> int:
        brief.publish("price", {"amount": 1, "finding": 3}, amount=2)
        return 1

    assert await published(teller) == [
        {"finding": "finding_discovered", "data": {"a": 1, "b": [None]}},
        {"finding": "finding_discovered", "data": {"a": 1}},
        {"finding": "both", "data": {}},
    ]
    merged = [{"finding": "price", "data": {"amount": 2, "finding": 3}}]
    assert await published(blocking) == merged
    assert await published(isolated.publisher) == merged


async def test_what_is_no_json_is_not_published() -> None:
    """A payload without a form in JSON, or a name that is no text, is an input error, and nothing is on the record."""
    wrong: list[tuple[Any, ...]] = [("x", {"a": object()}), ("x", {"a": math.nan}), ("x", [1]), ("x", {1: 2}), (5, {})]

    @specialist("teller")
    async def teller(brief: Brief) -> Finding:
        fields = []
        for arguments in wrong:
            with pytest.raises(InputError) as caught:
                await brief.publish(*arguments)
            fields.append(caught.value.field)
        return Finding(output=fields)

    events: list[Event] = []
    made = planner(teller, on_event=events.append)
    result = (await made.ainvoke(task("t", subtask("s", "teller"))))["result"]
    assert result["subtasks"][0]["outputs"] == ["publish.a", "publish.a", "publish", "publish", "publish.finding"]
    assert [event for event in events if event.type == "FINDING_DISCOVERED"] == []


@pytest.mark.parametrize(
    "bounds",
    [
        {"node_budgets": {"plan": Budget(tokens=5)}},
        {"node_budgets": {"plan": Budget(calls=0)}},
        {"budget": Budget(tokens=10_000), "shares": {"orchestrator": 0.0005}},
    ],
)
async def test_what_planning_may_use_binds_it_before_there_is_a_plan(bounds: dict[str, Any]) -> None:
    """No request leaves that the node's own limit does not pay for."""

    @specialist("good")
    async def good(brief: Brief) -> int:
        return 1

    with OpenAIServer(Say('{"subtasks": [{"id": "a", "specialist": "good"}]}')) as server:
        model = ChatOpenAI(model="m", base_url=server.url, api_key=SecretStr("k"))
        graph = create_planner(specialists=[good], models={"plan": model}, **bounds)
        result = (await graph.ainvoke({"task": {"title": "Assess X"}}))["result"]
    assert (server.requests, result["costs"]["nodes"]["plan"].get("tokens", 0)) == ([], 0)
    assert (result["status"], result["plan"]["origin"]) == ("success", "fallback")


@pytest.mark.parametrize("reply", [Malformed("{not json"), Malformed("")])
@pytest.mark.parametrize("budget", [Budget(tokens=6_000), Budget(calls=6), Budget(usd=0.006)])
async def test_a_model_that_fails_at_the_plan_leaves_half_of_the_run(budget: Budget, reply: Malformed) -> None:
    """What its requests may have cost is charged in full, and the fallback's specialists still work."""

    @specialist("good")
    async def good(brief: Brief) -> int:
        await brief.spend(tokens=2_900, calls=2, usd=0.0029)
        return 1

    price = {"m": {"input_usd_per_m": 1.0, "output_usd_per_m": 1.0}}
    with OpenAIServer(reply) as server:
        model = ChatOpenAI(model="m", base_url=server.url, api_key=SecretStr("k"))
        graph = create_planner(specialists=[good], models={"plan": model}, budget=budget, prices=price)
        result = (await graph.ainvoke({"task": {"title": "Assess X"}}))["result"]
    assert server.requests
    assert (result["status"], result["plan"]["origin"], result["answer"]) == ("success", "fallback", 1)


@pytest.mark.parametrize("bound", [{"floor": Budget(tokens=20)}, {"node_budgets": {"work": Budget(tokens=80)}}])
def test_a_plan_that_cannot_fit_beside_the_floor_is_refused(bound: dict[str, Any]) -> None:
    """What specialists can never have is not promised to them: of 100 tokens 80 are theirs."""
    graph = planner(budget=Budget(tokens=100), **bound)
    with pytest.raises(PlanInvalid, match=r"81 tokens asked, the run has 80"):
        graph.invoke(task("t", subtask("a", "alpha", budget={"tokens": 81})))
    out = graph.invoke(task("t", subtask("a", "alpha", budget={"tokens": 80})))
    assert out["result"]["status"] == "success"


def test_a_status_counts_what_was_spent_by_hand_and_through_tools() -> None:
    """While the run goes on, as once it is over: what views and progress bars show is what the ledger has."""

    @tool("search", cost=Cost(calls=1, usd=0.25, documents=2))
    def search() -> int:
        return 1

    seen: list[Any] = []

    @specialist("spender", tools=[search])
    def spender(brief: Brief) -> int:
        brief.spend(tokens=30, usd=0.5)
        brief.tools.search()
        brief.spend(tokens=1)
        seen.append(made.status("t")["budget"])
        return 1

    with Planner(specialists=[spender], budget=Budget(tokens=100, usd=1)) as made:
        result: Any = made.run(task("t", subtask("s", "spender"))["task"])
        seen.append(made.status("t")["budget"])
    spent = {"tokens": 31, "calls": 1, "usd": 0.75, "documents": 2}
    assert {name: result["usage"][name] for name in spent} == spent
    assert seen == [{**spent, "open": 0}] * 2
