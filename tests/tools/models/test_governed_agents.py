"""A governed model inside LangChain's own machinery: agents, retries, fallbacks, caches, limits."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.tools import tool
from pydantic import BaseModel

from concertino.contracts.budget import Budget
from concertino.contracts.errors import BudgetExceeded, ToolFailed
from tests.loopback.openai_server import Fail, OpenAIServer, Received, Reply, Say
from tests.tools.models.governing import Governing, client


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sun in {city}"


class Verdict(BaseModel):
    """A verdict."""

    is_sound: bool


def answers(received: Received) -> Reply:
    """Call the tool first, then answer by its result."""
    told = [one["content"] for one in received.messages if one["role"] == "tool"]
    if told:
        return Say(f"I see {told[-1]}.", input_tokens=80, output_tokens=9)
    return Say(tool_calls=[("weather", {"city": "Rome"})], input_tokens=60, output_tokens=12)


ASKED: Any = {"messages": [{"role": "user", "content": "weather in Rome?"}]}


@pytest.mark.parametrize("streams", [False, True])
async def test_agent_works_on_a_governed_model(streams: bool) -> None:
    """Tool call, tool, answer; both requests are settled, and the messages show their usage."""
    with OpenAIServer(answers) as server:
        run = Governing(Budget(tokens=5_000))
        agent: Any = create_agent(run.model(client(server)), [weather])
        if streams:
            pieces = [piece async for piece, _ in agent.astream(ASKED, stream_mode="messages")]
            assert "".join(one.text for one in pieces if isinstance(one, AIMessage)) == "I see sun in Rome."
        else:
            said = (await agent.ainvoke(ASKED))["messages"]
            assert said[-1].text == "I see sun in Rome."
            usages = [one.usage_metadata for one in said if isinstance(one, AIMessage)]
            assert [usage["total_tokens"] for usage in usages if usage] == [72, 89]
        assert run.tokens == server.billed.tokens == 161


async def test_agent_answers_in_a_schema() -> None:
    """Structured answers work by tool call."""
    with OpenAIServer(Say(tool_calls=[("Verdict", {"is_sound": True})], input_tokens=60, output_tokens=12)) as server:
        run = Governing(Budget(tokens=5_000))
        agent: Any = create_agent(run.model(client(server)), [], response_format=ToolStrategy(Verdict))
        assert (await agent.ainvoke(ASKED))["structured_response"] == Verdict(is_sound=True)
        assert run.tokens == 72


@pytest.mark.parametrize("always", [False, True], ids=["as it comes", "retrying everything"])
async def test_retry_middleware_adds_no_request(always: bool) -> None:
    """Upstream always fails: three requests, though LangChain's middleware would make twelve."""
    with OpenAIServer(Fail(500)) as server:
        options: Any = {"max_retries": 3, "initial_delay": 0.0, "jitter": False}
        if always:
            options["retry_on"] = (Exception,)
        run = Governing(Budget(tokens=5_000))
        agent: Any = create_agent(
            run.model(client(server)), [], middleware=[ModelRetryMiddleware(on_failure="error", **options)]
        )
        with pytest.raises(ToolFailed):
            await agent.ainvoke(ASKED)
        assert len(server.requests) == 3


async def test_with_retry_adds_no_request() -> None:
    """Neither does a runnable's own retry."""
    with OpenAIServer(Fail(503)) as server:
        model = Governing().model(client(server)).with_retry(stop_after_attempt=4, wait_exponential_jitter=False)
        with pytest.raises(ToolFailed):
            await model.ainvoke("hi")
        assert len(server.requests) == 3


async def test_spent_budget_is_no_answer_of_an_agent() -> None:
    """LangChain's retry middleware turns errors into messages; a refusal of ours goes through it as it is."""
    with OpenAIServer(answers) as server:
        run = Governing(Budget(tokens=200))
        agent: Any = create_agent(run.model(client(server)), [weather], middleware=[ModelRetryMiddleware()])
        with pytest.raises(BudgetExceeded):
            await agent.ainvoke(ASKED)
        assert run.tokens <= 200


async def test_fallback_model_takes_over() -> None:
    """Each model has its own three requests, its own breaker, and the same ledger."""
    with OpenAIServer(Fail(500)) as broken, OpenAIServer(Say("fine", input_tokens=9, output_tokens=1)) as server:
        run = Governing(Budget(tokens=5_000))
        model = run.model(client(broken)).with_fallbacks([run.model(client(server))])
        assert (await model.ainvoke("hi")).text == "fine"
        assert (len(broken.requests), len(server.requests), run.tokens) == (3, 1, 10)


async def test_cache_costs_nothing() -> None:
    """What LangChain's cache answers leaves no trace in the ledger."""
    from langchain_core.caches import InMemoryCache

    with OpenAIServer(Say("fine", input_tokens=9, output_tokens=1)) as server:
        run = Governing(Budget(tokens=5_000))
        model = run.model(client(server, cache=InMemoryCache()))
        assert [(await model.ainvoke("hi")).text for _ in range(2)] == ["fine", "fine"]
        assert (len(server.requests), run.tokens) == (1, 10)


async def test_callers_rate_limiter_still_counts() -> None:
    """A limiter on the caller's model is asked before every request."""
    with OpenAIServer(Say("fine", input_tokens=9, output_tokens=1)) as server:
        asked: list[bool] = []

        class Limiter(InMemoryRateLimiter):
            async def aacquire(self, *, blocking: bool = True) -> bool:
                asked.append(blocking)
                return True

        await Governing().model(client(server, rate_limiter=Limiter())).ainvoke("hi")
        assert asked == [True]
