"""What a foreign call is charged when it ends in another way than with an answer; and what is refused, and why."""

import asyncio
from typing import Any

import pytest
from langchain_core.exceptions import ModelError
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from concertino.contracts.errors import (
    BreakerOpen,
    BudgetExceeded,
    DeadlineExceeded,
    InputError,
    SetupError,
)
from concertino.tools.models.foreign import guarding
from concertino.tools.models.foreign_call import refusal
from concertino.tools.models.prices import given_price
from concertino.tools.models.tokens import TokenCounter
from tests.loopback.openai_server import Cut, Fail, Hang, Malformed, OpenAIServer, Reply, Say
from tests.tools.models.foreign_world import Capped, World, arrived, chat


def worst(text: str, cap: int = 50) -> int:
    from langchain_core.messages import HumanMessage

    return TokenCounter().bound([HumanMessage(text)]) + cap


@pytest.mark.parametrize(
    ("reply", "is_billed"),
    [
        (Fail(400), False),
        (Fail(401), False),
        (Fail(429), False),
        (Fail(503), False),
        (Fail(408), True),
        (Fail(504), True),
        (Cut(), True),
        (Malformed(), True),
        (Say("well", usage=False), True),
    ],
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_what_may_have_been_billed_is_charged_in_full(reply: Reply, is_billed: bool, is_async: bool) -> None:
    """A refusal of the provider costs its call; an unknown end costs what was reserved."""
    with OpenAIServer(reply) as server:
        world = World(tokens=100_000)
        model = chat(server, max_retries=0)
        with guarding(world.foreign()):
            ended = await asyncio.gather(
                model.ainvoke("hello") if is_async else asyncio.to_thread(model.invoke, "hello"), return_exceptions=True
            )
    assert isinstance(ended[0], Exception) == (not isinstance(reply, Say))
    usage = world.ledger.usage()
    assert (usage.calls, usage.tokens) == (1, worst("hello") if is_billed else 0)
    assert world.is_settled()


async def test_a_refused_connection_costs_its_call() -> None:
    """Nothing reached the provider, so nothing was billed."""
    with OpenAIServer(Say()) as server:
        model = chat(server, max_retries=0)
    world = World(tokens=100_000)
    with guarding(world.foreign()), pytest.raises(Exception, match="onnection"):
        await model.ainvoke("hello")
    assert world.ledger.usage().tokens == 0
    assert world.ledger.usage().calls == 1


async def test_a_cancelled_call_is_charged_in_full() -> None:
    """Nobody knows what the provider went on to do."""
    with OpenAIServer(Hang()) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign()):
            running = asyncio.ensure_future(chat(server).ainvoke("hello"))
            await arrived(server, running)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
    assert world.ledger.usage().tokens == worst("hello")
    assert world.outcomes() == ["cancelled"]


async def test_a_call_cancelled_while_it_waits_costs_nothing() -> None:
    """It never left."""
    with OpenAIServer(Hang()) as server:
        world = World(tokens=150)
        with guarding(world.foreign()):
            model = chat(server)
            first = asyncio.ensure_future(model.ainvoke("hello"))
            await arrived(server, first)
            second = asyncio.ensure_future(model.ainvoke("hello"))
            await asyncio.sleep(0)
            for running in (second, first):
                running.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await running
        assert len(server.requests) == 1
    assert world.ledger.usage().calls == 1
    assert world.is_settled()


async def test_a_stream_left_early_is_charged_in_full() -> None:
    """Whoever stops reading knows only part of the bill."""
    with OpenAIServer(Say("one two three four", chunks=4)) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign()):
            async for _ in chat(server, stream_usage=True).astream("hello"):
                break
    assert world.ledger.usage().tokens == worst("hello")
    assert world.is_settled()


async def test_what_never_ends_is_charged_when_its_attempt_is_over() -> None:
    """A task that the specialist left behind holds nothing after it, and what it asks for later is refused."""
    with OpenAIServer(Hang()) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign()):
            running = asyncio.ensure_future(chat(server).ainvoke("hello"))
            await arrived(server, running)
        assert world.is_settled()
        assert world.ledger.usage().tokens == worst("hello")
        running.cancel()
        await asyncio.wait({running})
    assert world.ledger.usage().tokens == worst("hello")


async def test_nothing_leaves_after_the_deadline() -> None:
    """A call begun too late is refused, and costs nothing."""
    with OpenAIServer(Say("well")) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign(deadline=world.clock.time + 5)):
            model = chat(server)
            await model.ainvoke("hello")
            world.clock.time += 6
            with pytest.raises(DeadlineExceeded):
                await model.ainvoke("hello again")
        assert len(server.requests) == 1


async def test_a_model_without_a_cap_is_refused_or_put_down_as_a_breach() -> None:
    """Nothing bounds its answer: it is refused; where that is allowed, what it used beyond is on the record."""
    with OpenAIServer(Say("word", input_tokens=10, output_tokens=9_000)) as server:
        world = World(tokens=6_000)
        model = chat(server, max_tokens=None)
        with pytest.raises(SetupError, match="set max_tokens"), guarding(world.foreign()):
            await model.ainvoke("hello")
        assert server.requests == []
        with guarding(world.foreign(key="s#2", allow_uncapped=True)):
            await model.ainvoke("hello")
    assert world.ledger.usage().tokens == 9_010
    assert [breach.used.tokens for breach in world.ledger.breaches()] == [9_010]
    assert [breach["used"]["tokens"] for breach in world.breaches] == [9_010]
    assert [kind for kind, _ in world.events if kind == "BUDGET_BREACH"] == ["BUDGET_BREACH"]


async def test_an_answer_over_its_cap_is_a_breach() -> None:
    """A server that ignores the cap is found out and charged."""
    with OpenAIServer(Say("word", input_tokens=10, output_tokens=900, ignores_cap=True)) as server:
        world = World(tokens=6_000)
        with guarding(world.foreign()):
            await chat(server).ainvoke("hello")
    assert world.ledger.usage().tokens == 910
    assert len(world.breaches) == 1


async def test_every_choice_is_reserved() -> None:
    """Several answers to one request may each be as long as the cap."""
    with OpenAIServer(Say("well", usage=False)) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign()):
            await chat(server, n=3).ainvoke("hello")
    assert world.ledger.usage().tokens == worst("hello", cap=150)


@pytest.mark.parametrize("given", [{"extra_body": {"max_tokens": 900}}, {"model_kwargs": {"max_output_tokens": 900}}])
async def test_the_largest_cap_counts(given: dict[str, Any]) -> None:
    """Which of two caps a server heeds is not ours to say."""
    with OpenAIServer(Say("well", usage=False)) as server:
        world = World(tokens=100_000)
        model = chat(server, use_responses_api=False, **given)
        with guarding(world.foreign()):
            await asyncio.gather(model.ainvoke("hello"), return_exceptions=True)
    assert world.ledger.usage().tokens >= 900


async def test_an_unpriced_model_is_refused_under_a_dollar_limit() -> None:
    """It is named; with a price of its own it may be called."""
    world = World(usd=1.0)
    model = Capped(responses=["well"])
    with pytest.raises(SetupError, match="no known price"), guarding(world.foreign(needs_price=True)):
        await model.ainvoke("hello")
    free = given_price({"input_usd_per_m": 1, "output_usd_per_m": 2}, field="price")
    with guarding(world.foreign(key="s#2", needs_price=True, price_of=lambda provider, name: free)):
        await model.ainvoke("hello")
    assert world.ledger.usage().usd > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.bind_tools([{"type": "web_search"}]).ainvoke("hello"),
        lambda model: model.ainvoke("hello", previous_response_id="resp_1"),
        lambda model: model.ainvoke(
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
        ),
    ],
)
async def test_input_that_nobody_can_bound_is_refused(call: Any) -> None:
    """Pictures, the provider's own tools and what it has kept of former calls are not in the request's text."""
    with OpenAIServer(Say("well")) as server:
        world = World(tokens=100_000)
        with pytest.raises(InputError), guarding(world.foreign()):
            await call(chat(server))
        assert server.requests == []
    assert world.is_settled()


async def test_an_endpoint_that_fails_is_not_asked_again() -> None:
    """Three failures open the breaker of that server and model, for governed models too."""
    with OpenAIServer(Fail(500)) as server:
        world = World(tokens=100_000)
        model = chat(server, max_retries=0)
        with guarding(world.foreign()):
            for n in range(3):
                with pytest.raises(Exception, match="500"):
                    await model.ainvoke(f"question {n}")
            with pytest.raises(BreakerOpen):
                await model.ainvoke("another")
        assert len(server.requests) == 3


async def test_a_handler_of_others_may_refuse_too() -> None:
    """What was admitted and then stopped by another handler holds nothing after its attempt."""
    from langchain_core.callbacks import BaseCallbackHandler

    class Strict(BaseCallbackHandler):
        raise_error = True

        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            raise PermissionError("not today")

    world = World(tokens=100_000)
    with guarding(world.foreign()), pytest.raises(PermissionError):
        await asyncio.to_thread(Capped(responses=["well"]).invoke, "hello", {"callbacks": [Strict()]})
    assert world.is_settled()


async def test_governed_models_are_not_held_twice() -> None:
    """What says that it is ours is left to its own guard."""

    class Ours(FakeListChatModel):
        @property
        def _llm_type(self) -> str:
            return "concertino-governed"

    world = World(tokens=1)
    with guarding(world.foreign()):
        assert (await Ours(responses=["well"]).ainvoke("hello")).text == "well"
    assert world.events == []


def test_refusals_are_ours() -> None:
    """They keep their class and their data, and are no reason for LangChain to try again; others' errors are theirs."""
    made = refusal(BudgetExceeded(scope="run", dimension="tokens", asked=2, left=1))
    assert isinstance(made, BudgetExceeded)
    assert isinstance(made, ModelError)
    assert not made.is_retryable
    assert (made.asked, str(made)) == (2, "run budget: asked 2 tokens, 1 left")
    other = ValueError("theirs")
    assert refusal(other) is other


@pytest.mark.parametrize("limit", [150, 100_000])
async def test_a_call_inside_an_open_stream_does_not_wait_for_itself(limit: int) -> None:
    """A stream holds its reservation until it ends: what its reader asks for meanwhile fits beside it, or is refused."""
    with OpenAIServer(Say("well", input_tokens=5, output_tokens=5)) as server:
        world = World(tokens=limit)
        model = chat(server, stream_usage=True)
        said = []
        with guarding(world.foreign()):
            async for piece in model.astream("hello"):
                said.append(piece)
                if len(said) == 1:
                    inner = await asyncio.gather(model.ainvoke("hello"), return_exceptions=True)
    assert isinstance(inner[0], BudgetExceeded) == (limit == 150)
    assert world.ledger.usage().calls == len(server.requests) == (1 if limit == 150 else 2)
    assert world.is_settled()


@pytest.mark.parametrize("is_async", [True, False])
async def test_prompts_told_together_do_not_wait_for_each_other(is_async: bool) -> None:
    """The first would be sent only once the last has its reservation: where not all fit, the call is refused."""
    from langchain_core.messages import HumanMessage

    with OpenAIServer(Say("well")) as server:
        world = World(tokens=200)
        prompts: Any = [[HumanMessage(f"hello {n}")] for n in range(5)]
        model = chat(server)
        with pytest.raises(BudgetExceeded), guarding(world.foreign()):
            await model.agenerate(prompts) if is_async else await asyncio.to_thread(model.generate, prompts)
        assert server.requests == []
    assert world.is_settled()
