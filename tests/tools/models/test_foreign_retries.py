"""However many layers retry, one logical call sends at most three requests, and each has its own reservation."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware

from concertino.contracts.errors import ConcertinoError, ToolFailed
from concertino.tools.models.foreign import guarding
from tests.loopback.openai_server import Fail, OpenAIServer, Say
from tests.tools.models.foreign_world import Capped, World, chat

DOWN = Fail(500, retry_after="0.001")
ASKED: Any = {"messages": [{"role": "user", "content": "hello"}]}


def retrying(model: Any, **options: Any) -> Any:
    return create_agent(model, middleware=[ModelRetryMiddleware(max_retries=4, initial_delay=0.0, **options)])


@pytest.mark.parametrize("sdk_retries", [None, 0, 1, 2, 5])
@pytest.mark.parametrize("is_async", [True, False])
async def test_retries_in_all_layers_make_three_requests(sdk_retries: int | None, is_async: bool) -> None:
    """SDK, LangChain's retry middleware and three attempts at the subtask: three requests together."""
    with OpenAIServer(DOWN) as server:
        world = World(tokens=100_000)
        agent = retrying(chat(server, max_retries=sdk_retries))
        for number in (1, 2, 3):
            with pytest.raises(ConcertinoError), guarding(world.foreign(key=f"s#{number}")):
                await agent.ainvoke(ASKED) if is_async else _in_thread(agent)
        assert len(server.requests) == 3
    usage = world.ledger.usage()
    assert (usage.calls, usage.tokens) == (3, 0)
    assert world.is_settled()


def _in_thread(agent: Any) -> Any:
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, agent.invoke, ASKED).result()


async def test_a_refusal_is_not_taken_for_an_answer() -> None:
    """LangChain's middleware makes a message of what it gives up on; our refusals come through as errors."""
    with OpenAIServer(DOWN) as server:
        world = World(tokens=100_000)
        with pytest.raises(ToolFailed) as caught, guarding(world.foreign()):
            await retrying(chat(server, max_retries=0)).ainvoke(ASKED)
    assert caught.value.is_final


async def test_a_retry_reserves_anew() -> None:
    """An SDK's own retry leaves only with a reservation of its own; the failed request costs its call."""
    with OpenAIServer([DOWN, Say("well", input_tokens=10, output_tokens=5)]) as server:
        world = World(calls=10)
        with guarding(world.foreign()):
            assert (await chat(server).ainvoke("hello")).text == "well"
    assert world.ledger.usage().model_dump(include={"calls", "tokens"}) == {"calls": 2, "tokens": 15}
    assert world.outcomes() == ["failed", "ok"]


async def test_a_retry_that_does_not_fit_does_not_leave() -> None:
    """Where the budget pays for one request only, the SDK's retry is refused before it leaves."""
    with OpenAIServer(DOWN) as server:
        world = World(calls=1)
        with pytest.raises(ConcertinoError), guarding(world.foreign()):
            await chat(server).ainvoke("hello")
        assert len(server.requests) == 1
    assert world.ledger.usage().calls == 1


async def test_another_question_may_be_asked() -> None:
    """The bound is on one logical call: a model that failed may still be asked something else."""
    with OpenAIServer([Fail(400), Say("well")]) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign()):
            model = chat(server)
            with pytest.raises(Exception, match="400"):
                await model.ainvoke("hello")
            assert (await model.ainvoke("hello again")).text == "well"


class Stubborn(Capped):
    """Has retries that nobody can see."""

    max_retries: int = 1

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True


async def test_retries_that_nobody_sees_are_reserved_and_charged() -> None:
    """A client that does not use httpx may have sent, and been billed for, each of its retries."""
    world = World(tokens=100_000)
    with guarding(world.foreign()):
        await Stubborn(responses=["well"]).ainvoke("hello")
    assert world.ledger.usage().calls == 2


async def test_more_unseen_retries_than_allowed_are_refused() -> None:
    """A client that may send four requests for one call is told to leave retrying to us."""
    world = World(tokens=100_000)
    with pytest.raises(ToolFailed, match="max_retries=0"), guarding(world.foreign()):
        await Stubborn(responses=["well"], max_retries=3).ainvoke("hello")
    assert world.ledger.usage().calls == 0
