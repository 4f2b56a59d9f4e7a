"""Whole runs with several models: who gets which, what each costs, and models that specialists bring themselves."""

from __future__ import annotations

from typing import Any, cast

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware

from concertino import Brief, Budget, Event, create_planner, specialist
from concertino.contracts.errors import SetupError
from concertino.tools.models.prices import price_of
from tests.graph.plans import states, subtask, task
from tests.graph.providers import PRICES, Hasty, Provider, planned, told
from tests.loopback.openai_server import Fail, Pour, Received, Reply, Say

HI: Any = {"messages": [{"role": "user", "content": "hi"}]}


def asking(name: str, **options: Any) -> Any:
    """Return a specialist that asks its model once, and says which it was."""

    @specialist(name, max_attempts=1, **options)
    async def body(brief: Brief) -> dict[str, str]:
        await brief.model.ainvoke("hi")
        return {"model": brief.model.model_name}

    return body


def agent(name: str, model: Any, **options: Any) -> Any:
    """Return an agent of LangChain's, with its own model, as a specialist."""
    return specialist(name, **options)(create_agent(model, name=name))


def models_of(result: dict[str, Any]) -> dict[str, str]:
    return {one["specialist"]: one["outputs"]["model"] for one in result["subtasks"]}


async def test_each_gets_its_own_model_else_that_of_its_tier_else_the_default() -> None:
    """`models=` goes before what a specialist declares, that before the tier's, and that before the default."""
    async with Provider(Say("fine", input_tokens=10, output_tokens=5)) as server:
        chat = {
            name: server.chat(model=name)
            for name in ("default", "small", "large", "own", "told", "planning", "merging")
        }
        graph = create_planner(
            specialists=[asking("declared", model=chat["own"]), asking("chosen", model=chat["own"]),
                         asking("easy"), asking("middling"), asking("hard")],
            model=chat["default"],
            models={"chosen": chat["told"], "simple": chat["small"], "complex": chat["large"],
                    "plan": chat["planning"], "synthesize": chat["merging"]},
        )  # fmt: skip
        tiers = {"declared": "simple", "chosen": "complex", "easy": "simple", "middling": "standard", "hard": "complex"}
        rows = [subtask(name, name, tier=tier) for name, tier in tiers.items()]
        result = (await graph.ainvoke(task("t", *rows)))["result"]
        assert models_of(result) == {
            "declared": "own", "chosen": "told", "easy": "small", "middling": "default", "hard": "large",
        }  # fmt: skip
        assert sorted(one.body["model"] for one in server.requests) == ["default", "large", "own", "small", "told"]
        assert result["models"]["roles"] == {
            "default": "openai:default", "declared": "openai:own", "chosen": "openai:told", "simple": "openai:small",
            "complex": "openai:large", "plan": "openai:planning", "synthesize": "openai:merging",
        }  # fmt: skip


async def test_an_invocation_may_bring_another_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """`context` replaces the default alone, for this run alone."""
    async with Provider(Say("fine")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        graph = create_planner(
            specialists=[asking("own", model=server.chat(model="mine")), asking("other")], model=server.chat()
        )
        rows = [subtask("a", "own"), subtask("b", "other")]
        led: Any = {"model": "openai:another"}
        first = (await graph.ainvoke(task("t1", *rows), context=led))["result"]
        second = (await graph.ainvoke(task("t2", *rows)))["result"]
        assert models_of(first) == {"own": "mine", "other": "another"}
        assert models_of(second) == {"own": "mine", "other": "m"}
        assert first["models"]["roles"]["default"] == "openai:another"


async def test_costs_are_the_bill_to_the_nano_dollar() -> None:
    """By node, specialist and run, of plans, texts and work; a model's prices are the caller's, else the snapshot's."""
    plan = planned(
        {"id": "a", "specialist": "one"}, {"id": "b", "specialist": "two"}, input_tokens=777, output_tokens=91
    )
    words = Say(
        "They say the same in other words, all of them, one after the other.", input_tokens=333, output_tokens=17
    )

    def mean(received: Received) -> Reply:
        """Bill something else for each."""
        return Say("x" * 40, input_tokens=101 + len(received.text) % 7, output_tokens=53)

    async with Provider(plan) as planner, Provider(mean) as small, Provider(mean) as known, Provider(words) as merger:

        @specialist("one")
        async def one(brief: Brief) -> str:
            return "One says: " + str([(await brief.model.ainvoke("hi" * n)).text for n in range(1, 4)])

        @specialist("two")
        async def two(brief: Brief) -> str:
            return "Two says: " + "".join([piece.text async for piece in brief.model.astream("hi")])

        graph = create_planner(
            specialists=[one, two], prices=PRICES, budget=Budget(usd=1.0),
            models={"plan": planner.chat(model="large"), "one": small.chat(model="small"),
                    "two": known.chat(model="gpt-5-mini"), "synthesize": merger.chat()},
        )  # fmt: skip
        result = (await graph.ainvoke({"task": {"title": "Assess the owls"}}))["result"]
        price = price_of("openai", "gpt-5-mini")
        assert price is not None
        tokens = {"input_tokens": known.billed.input_tokens, "output_tokens": known.billed.output_tokens}
        usd = {
            "plan": planner.nano_usd,
            "one": small.nano_usd,
            "two": price.actual(tokens),
            "synthesize": merger.nano_usd,
        }
        costs = {**result["costs"]["nodes"], **result["costs"]["specialists"]}
        assert {name: round(costs[name]["usd"] * 1e9) for name in usd} == usd
        assert {name: (costs[name]["tokens"], costs[name]["calls"]) for name in usd} == {
            name: (server.billed.tokens, server.billed.calls)
            for name, server in (("plan", planner), ("one", small), ("two", known), ("synthesize", merger))
        }
        assert round(result["usage"]["usd"] * 1e9) == sum(usd.values())
        assert round(costs["work"]["usd"] * 1e9) == usd["one"] + usd["two"]
        assert result["models"]["prices"] == {
            "openai:large": "caller", "openai:small": "caller", "openai:gpt-5-mini": price.source, "openai:m": "caller",
        }  # fmt: skip
        assert set(result["models"]["prompts"]) == {"plan", "synthesize"}


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_stream_without_end_is_left_and_charged(is_async: bool) -> None:
    """A server that heeds no cap is left once that is certain: its whole text is charged, on the record as a breach."""
    pieces: list[str] = []

    @specialist("reader")
    async def reads(brief: Brief) -> int:
        pieces.extend([piece.text async for piece in brief.model.astream("hi") if piece.text])
        return len(pieces)

    @specialist("reader")
    def waits(brief: Brief) -> int:
        pieces.extend(piece.text for piece in brief.model.stream("hi") if piece.text)
        return len(pieces)

    async with Provider(Pour(piece="word" * 32)) as server:
        told: list[Event] = []
        graph = create_planner(
            specialists=[reads if is_async else waits],
            model=server.chat(max_tokens=4_000),
            budget=Budget(tokens=150),
            on_event=told.append,
        )
        result = (await graph.ainvoke(task("t", subtask("a", "reader"))))["result"]
        assert result["status"] == "success"
        assert len(pieces) == server.requests[0].cap
        assert server.billed.tokens <= result["usage"]["tokens"]
        [breach] = [cast("Any", event.payload) for event in told if event.type == "BUDGET_BREACH"]
        assert breach["held"]["tokens"] == 150


@pytest.mark.parametrize("is_ours", [True, False], ids=["governed", "foreign"])
async def test_retries_in_every_layer_make_three_requests(is_ours: bool) -> None:
    """The SDK's, LangChain's middleware's and the subtask's own attempts, against a server that is down."""
    async with Provider(Fail(500, retry_after="0.001")) as server:
        retries = ModelRetryMiddleware(max_retries=4, initial_delay=0.0)

        @specialist("analyst", max_attempts=3)
        async def foreign(brief: Brief) -> str:
            ended = await create_agent(mine, middleware=[retries]).ainvoke(HI)
            return str(ended["messages"][-1].text)

        @specialist("analyst", max_attempts=3)
        async def governed(brief: Brief) -> str:
            ended = await create_agent(brief.model, middleware=[retries]).ainvoke(HI)
            return str(ended["messages"][-1].text)

        mine = server.chat(max_retries=5)
        graph = create_planner(
            specialists=[governed if is_ours else foreign], model=mine if is_ours else None, clock=Hasty(),
            budget=Budget(tokens=100_000),
        )  # fmt: skip
        result = (await graph.ainvoke(task("t", subtask("a", "analyst"))))["result"]
        assert states(result) == {"a": "failed"}
        assert 1 <= len(server.requests) <= 3
        assert (result["usage"]["calls"], server.billed.calls) == (len(server.requests), 0)


async def test_an_agent_with_its_own_capped_model_is_held() -> None:
    """What fits is answered and charged by its bill; what does not fits does not leave."""
    async with Provider(Say("fine", input_tokens=20, output_tokens=30)) as server:
        graph = create_planner(
            specialists=[agent("owls", server.chat(), max_attempts=1)],
            budget=Budget(tokens=3_000, usd=0.01),
            prices=PRICES,
        )
        result = (await graph.ainvoke(task("t", subtask("a", "owls", objective="hi"))))["result"]
        assert states(result) == {"a": "completed"}
        assert result["costs"]["specialists"]["owls"] == {"tokens": 50, "calls": 1, "usd": server.nano_usd / 1e9}
        result = (await graph.ainvoke(task("t2", subtask("a", "owls", objective="hi " * 2_000))))["result"]
        assert (states(result), len(server.requests)) == ({"a": "failed"}, 1)
        assert result["subtasks"][0]["error"]["type"] == "BudgetExceeded"


@pytest.mark.parametrize("limit", [{"tokens": 10_000}, {"usd": 1}])
async def test_a_model_without_a_cap_is_refused_before_anything_runs(limit: dict[str, Any]) -> None:
    """The error names whose it is, which, and what would mend it."""
    async with Provider(Say("fine")) as server:
        with pytest.raises(SetupError) as caught:
            create_planner(
                specialists=[agent("owls", server.chat(max_tokens=None))], budget=Budget(**limit), prices=PRICES
            )
        assert caught.value.field == "specialists.owls"
        assert "ChatOpenAI(m)" in str(caught.value)
        assert "max_tokens" in str(caught.value)
        assert server.requests == []


async def test_a_model_without_a_cap_may_be_allowed_and_its_overrun_is_on_the_record() -> None:
    """What it used beyond what was held is charged, and said."""
    events: list[Event] = []
    async with Provider(Say("fine", input_tokens=20, output_tokens=9_000)) as server:
        graph = create_planner(
            specialists=[agent("owls", server.chat(max_tokens=None), max_attempts=1)], budget=Budget(tokens=5_000),
            allow_uncapped=True, on_event=events.append,
        )  # fmt: skip
        result = (await graph.ainvoke(task("t", subtask("a", "owls", objective="hi"))))["result"]
        assert result["usage"]["tokens"] == server.billed.tokens == 9_020
        assert told(events, "BUDGET_BREACH") == ["BUDGET_BREACH"]


async def test_a_model_without_a_price_is_refused_where_dollars_are_limited() -> None:
    """Ours before anything runs, also one of an invocation; a specialist's own at its call, which does not leave."""
    async with Provider(Say("fine")) as server:
        for roles in ({"model": server.chat()}, {"models": {"plan": server.chat()}}):
            with pytest.raises(SetupError, match="no price is known"):
                create_planner(specialists=[asking("a")], budget=Budget(usd=1), **roles)
        with pytest.raises(SetupError, match="no price is known"):
            create_planner(specialists=[asking("a", model=server.chat(), budget=Budget(usd=1))])
        graph = create_planner(specialists=[agent("owls", server.chat(), max_attempts=1)], budget=Budget(usd=1))
        result = (await graph.ainvoke(task("t", subtask("a", "owls", objective="hi"))))["result"]
        assert (states(result), server.requests) == ({"a": "failed"}, [])
        assert "price" in result["subtasks"][0]["reason"]


@pytest.mark.parametrize("given", ["yes", 1, None])
def test_only_a_boolean_lets_models_without_a_cap_through(given: Any) -> None:
    """What loosens a bound is taken at no other word."""
    with pytest.raises(SetupError) as caught:
        create_planner(specialists=[asking("one")], allow_uncapped=given)
    assert caught.value.field == "allow_uncapped"
