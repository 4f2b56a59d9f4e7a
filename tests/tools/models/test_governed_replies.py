"""What a provider may answer: errors, waits, cuts, hangs, nonsense; what is retried, charged and told."""

import asyncio
import time
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from concertino.contracts.budget import Budget
from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import BreakerOpen, BudgetExceeded, DeadlineExceeded, ToolFailed
from concertino.tools.models.sources import as_model
from concertino.tools.models.streams import LONGEST_TOKEN_BYTES
from concertino.tools.models.tokens import TokenCounter
from tests.loopback.openai_server import (
    Cut,
    Fail,
    Hang,
    Malformed,
    OpenAIServer,
    Pour,
    Received,
    Refuse,
    Reply,
    Say,
    Slow,
)
from tests.tools.models.governing import Governing, client

HI = TokenCounter().bound([HumanMessage("hi")])
WHOLE = HI + 500
"""What one request holds."""
FINE = Say("fine", input_tokens=10, output_tokens=5)
HOW = ["ainvoke", "astream", "invoke", "stream"]


async def ask(model: Any, how: str, said: Any = "hi") -> str:
    if how == "ainvoke":
        return str((await model.ainvoke(said)).text)
    if how == "astream":
        return "".join([chunk.text async for chunk in model.astream(said)])
    if how == "invoke":
        return str((await asyncio.to_thread(model.invoke, said)).text)
    return await asyncio.to_thread(lambda: "".join(chunk.text for chunk in model.stream(said)))


@pytest.mark.parametrize("how", HOW)
async def test_retry_after_is_waited_for(how: str) -> None:
    """A 429 costs its call alone; the seconds it asks for are waited, and the SDK does not retry beside us."""
    with OpenAIServer([Fail(429, retry_after="7"), FINE]) as server:
        run = Governing(Budget(tokens=5_000))
        assert await ask(run.model(client(server, max_retries=5)), how) == "fine"
        assert run.clock.slept == [7.0]
        assert (len(server.requests), run.tokens, run.ledger.usage().calls) == (2, 15, 2)


@pytest.mark.parametrize("how", HOW)
async def test_upstream_that_always_fails_gets_three_requests(how: str) -> None:
    """Three attempts a call, tokens uncharged, and the same request made again sends nothing more."""
    with OpenAIServer(Fail(500)) as server:
        run = Governing(Budget(tokens=5_000))
        model = run.model(client(server))
        for _ in range(3):
            with pytest.raises(ToolFailed):
                await ask(model, how)
        assert (len(server.requests), run.tokens) == (3, 0)


async def test_other_request_is_another_call() -> None:
    """What failed before does not count against other messages; the breaker does."""
    with OpenAIServer(Fail(400)) as server:
        model = Governing().model(client(server))
        for said in ("one", "two", "three", "four"):
            with pytest.raises(ToolFailed):
                await model.ainvoke(said)
        assert len(server.requests) == 4


async def test_answered_request_may_be_made_again() -> None:
    """The requests that failed are forgotten once it was answered."""
    replies: list[Reply] = [Fail(500), Fail(500), FINE] * 2
    with OpenAIServer(replies) as server:
        model = Governing().model(client(server))
        assert [await ask(model, "ainvoke"), await ask(model, "ainvoke")] == ["fine", "fine"]
        assert len(server.requests) == 6


async def test_breaker_opens_for_server_and_model() -> None:
    """Three failures in a row stop what follows, before it leaves and for all users of that model there, at no cost."""
    with OpenAIServer(Fail(500)) as server:
        run = Governing(Budget(tokens=5_000))
        with pytest.raises(ToolFailed):
            await run.model(client(server)).ainvoke("hi")
        with pytest.raises(BreakerOpen):
            await run.model(client(server)).ainvoke("others")
        with pytest.raises(ToolFailed):
            await run.model(client(server, model="other")).ainvoke("hi")
        assert (len(server.requests), run.tokens) == (6, 0)
        assert {one["endpoint"] for one in run.breakers.snapshot()} == {
            f"{server.url[7:-3]}/m",
            f"{server.url[7:-3]}/other",
        }


async def test_throttling_opens_no_breaker() -> None:
    """Eight callers that are all told to come back do, and are answered."""
    seen: set[str] = set()

    def answer(received: Received) -> Reply:
        """Throttle every caller once."""
        if received.text in seen:
            return FINE
        seen.add(received.text)
        return Fail(429, retry_after="1")

    with OpenAIServer(answer) as server:
        run = Governing()
        model = run.model(client(server))
        assert await asyncio.gather(*(ask(model, "ainvoke", f"question {n}") for n in range(8))) == ["fine"] * 8
        assert [one["state"] for one in run.breakers.snapshot()] == ["CLOSED"]


@pytest.mark.parametrize("how", ["ainvoke", "invoke"])
async def test_answer_cut_off_is_charged_in_full_and_retried(how: str) -> None:
    """Nobody knows what was billed for it, so its whole reservation is gone."""
    with OpenAIServer([Cut(), FINE]) as server:
        run = Governing(Budget(tokens=5_000))
        assert await ask(run.model(client(server)), how) == "fine"
        assert run.tokens == WHOLE + 15
        assert run.tokens >= server.billed.tokens


@pytest.mark.parametrize("how", ["astream", "stream"])
async def test_stream_that_began_is_not_begun_again(how: str) -> None:
    """Its pieces were read already; it fails, charged in full, and may be made again by whoever read them."""
    with OpenAIServer([Cut("one two three four", after_chunks=2), FINE]) as server:
        run = Governing(Budget(tokens=5_000))
        model = run.model(client(server))
        with pytest.raises(ToolFailed, match="StreamBroken") as caught:
            await ask(model, how)
        assert not caught.value.is_final
        assert (len(server.requests), run.tokens) == (1, WHOLE)
        assert await ask(model, how) == "fine"


@pytest.mark.parametrize("how", ["astream", "stream"])
async def test_stream_that_breaks_before_its_first_piece_is_begun_again(how: str) -> None:
    """Nobody saw it."""
    with OpenAIServer([Cut(after_chunks=0), FINE]) as server:
        run = Governing(Budget(tokens=5_000))
        assert await ask(run.model(client(server)), how) == "fine"
        assert run.tokens == WHOLE + 15


@pytest.mark.parametrize("reply", [Hang(), Slow(), Hang(text="one two")], ids=["hang", "slow", "hang in stream"])
@pytest.mark.parametrize("how", HOW)
async def test_deadline_ends_a_call(how: str, reply: Reply) -> None:
    """No answer, or bytes without end: control is back at the deadline, charged in full, and no retry is made."""
    with OpenAIServer([FINE, reply]) as server:
        run = Governing(Budget(tokens=5_000), clock=SystemClock())
        source = as_model(client(server), field="model")
        await ask(run.model(source), how)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await ask(run.model(source, deadline=began + 0.3), how)
        assert time.monotonic() - began < 5
        assert (len(server.requests), run.tokens) == (2, WHOLE + 15)


@pytest.mark.parametrize("raw", ['{"choices": [{"mess', "<html>hello</html>", "{}", '{"choices": null}', "[]"])
async def test_malformed_answer_is_charged_in_full(raw: str) -> None:
    """A body that cannot be read may have been billed."""
    with OpenAIServer(Malformed(raw)) as server:
        run = Governing(Budget(tokens=5_000))
        with pytest.raises(ToolFailed):
            await run.model(client(server)).ainvoke("hi")
        assert run.tokens == WHOLE * len(server.requests)


async def test_refusal_is_an_answer() -> None:
    """The protocol's own refusal comes through, and is settled like any answer."""
    with OpenAIServer(Refuse("I will not.")) as server:
        run = Governing(Budget(tokens=5_000))
        said = await run.model(client(server)).ainvoke("hi")
        assert said.additional_kwargs["refusal"] == "I will not."
        assert run.tokens == server.billed.tokens


@pytest.mark.parametrize("how", HOW)
async def test_without_a_usage_the_whole_hold_is_charged(how: str) -> None:
    """A server that reports none may have billed as much as the cap allowed."""
    with OpenAIServer(Say("fine", output_tokens=300, usage=False)) as server:
        run = Governing(Budget(tokens=5_000))
        assert await ask(run.model(client(server)), how) == "fine"
        assert run.tokens == WHOLE >= server.billed.tokens


async def test_server_that_bills_beyond_the_hold_is_a_breach() -> None:
    """What was used is charged as it is, the breach is told, and nothing more leaves where that passed the limit."""
    with OpenAIServer(Say("fine", input_tokens=10, output_tokens=3_000, ignores_cap=True)) as server:
        run = Governing(Budget(tokens=1_000))
        model = run.model(client(server))
        assert await ask(model, "ainvoke") == "fine"
        assert run.tokens == 3_010
        assert [(one["held"]["tokens"], one["used"]["tokens"]) for one in run.breaches()] == [(WHOLE, 3_010)]
        with pytest.raises(BudgetExceeded):
            await model.ainvoke("more")
        assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["astream", "stream"])
async def test_stream_beyond_its_cap_is_cut(how: str) -> None:
    """The server goes on without end: it is left once its text proves that, and charged with all that this can be."""
    with OpenAIServer(Pour(piece="word" * 16)) as server:
        run = Governing(Budget(tokens=HI + 40))
        model = run.model(client(server))
        pieces: Any
        if how == "astream":
            pieces = [chunk async for chunk in model.astream("hi")]
        else:
            pieces = await asyncio.to_thread(lambda: list(model.stream("hi")))
        assert sum(len(chunk.text) for chunk in pieces) == 40 * LONGEST_TOKEN_BYTES
        assert any(chunk.response_metadata.get("finish_reason") == "length" for chunk in pieces)
        assert server.billed.tokens <= run.tokens == HI + 40 * LONGEST_TOKEN_BYTES + 64
        assert [one["held"]["tokens"] for one in run.breaches()] == [HI + 40]
        with pytest.raises(BudgetExceeded):
            await model.ainvoke("more")
        assert len(server.requests) == 1


async def test_cancelled_request_is_charged_in_full() -> None:
    """The provider may bill it to its end."""
    with OpenAIServer(Hang(billed=100)) as server:
        run = Governing(Budget(tokens=5_000))
        calling = asyncio.create_task(run.model(client(server)).ainvoke("hi"))
        while not server.requests:
            await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert run.tokens == WHOLE >= server.billed.tokens
        assert run.outcomes() == ["cancelled"]


async def test_stream_that_nobody_reads_on_is_charged_in_full() -> None:
    """Whoever leaves a stream leaves it at its whole price; its connection is closed."""
    with OpenAIServer(Hang(text="one two", billed=100)) as server:
        run = Governing(Budget(tokens=5_000))
        stream: Any = run.model(client(server)).astream("hi")
        assert (await anext(stream)).text == "one "
        await stream.aclose()
        assert run.tokens == WHOLE >= server.billed.tokens


async def test_waiting_for_budget_holds_up_nobody() -> None:
    """While a call waits for what another holds, the loop turns; the wait ends when the other is settled."""
    with OpenAIServer([Hang(), FINE]) as server:
        run = Governing(Budget(tokens=WHOLE))
        first = asyncio.create_task(run.model(client(server)).ainvoke("hi"))
        while not server.requests:
            await asyncio.sleep(0)
        second = asyncio.create_task(run.model(client(server)).ainvoke("hi"))
        for _ in range(50):
            await asyncio.sleep(0)
        assert (len(server.requests), second.done()) == (1, False)
        first.cancel()
        with pytest.raises(BudgetExceeded):
            await second
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_revoked_model_sends_nothing() -> None:
    """An attempt that is over makes no request any more."""
    with OpenAIServer(FINE) as server:
        over = DeadlineExceeded(scope="attempt", limit_s=0.0)
        with pytest.raises(DeadlineExceeded):
            await Governing().model(client(server), revoked=lambda: over).ainvoke("hi")
        assert server.requests == []
