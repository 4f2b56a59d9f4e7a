"""What a governed model sends: its cap, its timeout, and everything else as the caller's model would."""

import asyncio
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from pydantic import BaseModel

from concertino.contracts.budget import Budget
from concertino.contracts.errors import BudgetExceeded, InputError, SetupError
from concertino.tools.models.own import GOVERNED
from concertino.tools.models.request import LEAST_OUTPUT
from concertino.tools.models.sent import GRACE_S
from concertino.tools.models.tokens import TokenCounter
from tests.loopback.openai_server import OpenAIServer, Received, Say
from tests.tools.models.governing import PRICE, Governing, client

SAID = Say("fine", input_tokens=10, output_tokens=5)
HI = TokenCounter().bound([HumanMessage("hi")])
"""The input bound of "hi"."""
WAYS: list[dict[str, Any]] = [{}, {"use_responses_api": True}]


def cap_on_the_wire(received: Received) -> Any:
    name = "max_output_tokens" if received.path == "/responses" else "max_completion_tokens"
    caps = {key: value for key, value in received.body.items() if key.startswith("max_")}
    assert set(caps) == {name}
    return caps[name]


@pytest.mark.parametrize("way", WAYS)
async def test_cap_is_what_was_granted_less_the_input(way: dict[str, Any]) -> None:
    """A limit below what is asked shrinks the cap; input bound and cap are the reservation exactly."""
    with OpenAIServer(SAID) as server:
        run = Governing(Budget(tokens=400))
        await run.model(client(server, **way)).ainvoke("hi")
        assert cap_on_the_wire(server.requests[0]) == 400 - HI
        assert run.tokens == 15


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("streams", [False, True])
async def test_cap_is_never_above_what_the_caller_asked(way: dict[str, Any], streams: bool) -> None:
    """With room for all of it the caller's own cap goes out, on the request before on the model."""
    with OpenAIServer(SAID) as server:
        model = Governing(Budget(tokens=100_000)).model(client(server, **way))
        if streams:
            assert [chunk async for chunk in model.astream("hi")]
            assert [chunk async for chunk in model.astream("hi", max_tokens=70)]
        else:
            await model.ainvoke("hi")
            await model.ainvoke("hi", max_tokens=70)
        assert [cap_on_the_wire(one) for one in server.requests] == [500, 70]


@pytest.mark.parametrize("cap", [-5, 0, True, "many"])
async def test_a_cap_that_is_none_is_refused(cap: Any) -> None:
    """It is no word for any other; nothing leaves."""
    with OpenAIServer(SAID) as server:
        model = Governing().model(client(server))
        with pytest.raises(InputError) as caught:
            await model.ainvoke("hi", max_tokens=cap)
        assert (caught.value.field, server.requests) == ("model.max_tokens", [])


async def test_cap_hidden_in_the_body_is_taken_out() -> None:
    """A cap in `extra_body` reaches the wire by another road than the model's field; the lower one counts."""
    with OpenAIServer(SAID) as server:
        model = Governing().model(client(server, extra_body={"max_tokens": 9_000, "top_k": 4}))
        await model.ainvoke("hi")
        assert cap_on_the_wire(server.requests[0]) == 500
        assert server.requests[0].body["top_k"] == 4


async def test_dollars_shrink_the_cap_too() -> None:
    """What is left in dollars pays for the input and so much output, no more."""
    with OpenAIServer(SAID) as server:
        run = Governing(Budget(usd=0.0002))
        await run.model(client(server), price=PRICE).ainvoke("hi")
        assert cap_on_the_wire(server.requests[0]) == 200 - HI
        assert run.ledger.usage().usd == pytest.approx(15e-6)


async def test_nothing_leaves_below_the_least_useful_output() -> None:
    """Where not even a short answer fits, the request is refused before it leaves, and nothing is charged."""
    with OpenAIServer(SAID) as server:
        run = Governing(Budget(tokens=HI + LEAST_OUTPUT - 1))
        with pytest.raises(BudgetExceeded):
            await run.model(client(server)).ainvoke("hi")
        assert (server.requests, run.tokens) == ([], 0)


@pytest.mark.parametrize("how", ["ainvoke", "astream", "invoke", "stream", "astream_events", "abatch"])
@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_call_is_settled_by_the_usage(how: str, way: dict[str, Any]) -> None:
    """Reported usage is what is charged, and what the message shows."""
    with OpenAIServer(Say("fine and well", input_tokens=40, output_tokens=7)) as server:
        run = Governing(Budget(tokens=5_000))
        model = run.model(client(server, **way))
        usage: Any = None
        if how == "ainvoke":
            usage = (await model.ainvoke("hi")).usage_metadata
        elif how == "astream":
            whole = [chunk async for chunk in model.astream("hi")]
            usage = next(chunk.usage_metadata for chunk in whole if chunk.usage_metadata)
            assert "".join(str(chunk.text) for chunk in whole) == "fine and well"
        elif how == "invoke":
            usage = (await asyncio.to_thread(model.invoke, "hi")).usage_metadata
        elif how == "stream":
            pieces = await asyncio.to_thread(lambda: list(model.stream("hi")))
            usage = next(chunk.usage_metadata for chunk in pieces if chunk.usage_metadata)
        elif how == "astream_events":
            ends = [one async for one in model.astream_events("hi") if one["event"] == "on_chat_model_end"]
            usage = ends[0]["data"]["output"].usage_metadata
        else:
            usage = (await model.abatch(["hi"]))[0].usage_metadata
        assert (usage["input_tokens"], usage["output_tokens"], run.tokens) == (40, 7, 47)
        assert run.ledger.usage().calls == server.billed.calls == 1


async def test_streaming_model_stays_one() -> None:
    """`streaming=True` streams where it is not asked to, with the usage asked for."""
    with OpenAIServer(SAID) as server:
        run = Governing(Budget(tokens=5_000))
        assert (await run.model(client(server, streaming=True)).ainvoke("hi")).text == "fine"
        assert server.requests[0].body["stream_options"] == {"include_usage": True}
        assert run.tokens == 15


async def test_callers_model_is_left_as_it_was() -> None:
    """Retries, timeouts and caps are changed on copies."""
    with OpenAIServer(SAID) as server:
        given = client(server, max_retries=5)
        before = dict(vars(given))
        await Governing(Budget(tokens=300)).model(given).ainvoke("hi")
        assert dict(vars(given)) == before


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sun in {city}"


class Verdict(BaseModel):
    """A verdict."""

    is_sound: bool


@pytest.mark.parametrize("way", WAYS)
async def test_tools_are_bound_and_counted(way: dict[str, Any]) -> None:
    """A tool's schema goes out and is part of the input bound; the call comes back parsed."""
    with OpenAIServer(Say(tool_calls=[("weather", {"city": "Rome"})], input_tokens=30, output_tokens=5)) as server:
        run = Governing(Budget(tokens=700))
        made = await run.model(client(server, **way)).bind_tools([weather]).ainvoke("weather in Rome?")
        assert [(one["name"], one["args"]) for one in made.tool_calls] == [("weather", {"city": "Rome"})]
        schema = server.requests[0].body["tools"]
        assert len(schema) == 1
        assert cap_on_the_wire(server.requests[0]) < 700 - len("weather in Rome?") - len(str(schema))


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("raw", [False, True])
async def test_structured_output_is_the_inner_models_own(method: str, raw: bool) -> None:
    """The wire carries what the caller's model would send; the answer is parsed and settled."""
    said = Say('{"is_sound": true}', input_tokens=50, output_tokens=6)
    if method == "function_calling":
        said = Say(tool_calls=[("Verdict", {"is_sound": True})], input_tokens=50, output_tokens=6)
    with OpenAIServer(said) as server:
        run, given = Governing(Budget(tokens=5_000)), client(server)
        structured: Any = run.model(given).with_structured_output(Verdict, method=method, include_raw=raw)
        found: Any = await structured.ainvoke("is it sound? as JSON")
        assert (found["parsed"] if raw else found) == Verdict(is_sound=True)
        bare: Any = given
        await bare.with_structured_output(Verdict, method=method, include_raw=raw).ainvoke("is it sound? as JSON")
        await bare.root_async_client.close()
        ours, theirs = (one.body for one in server.requests)
        assert ours == theirs
        assert run.tokens == 56


async def test_cut_structured_answer_is_charged_what_it_used() -> None:
    """OpenAI's parser refuses an answer that was cut at its cap; it was billed, and the error tells for how much."""
    with OpenAIServer(Say('{"is_sound": tr' + " " * 2_000, input_tokens=50, output_tokens=600)) as server:
        run = Governing(Budget(tokens=5_000))
        structured = run.model(client(server)).with_structured_output(Verdict, method="json_schema")
        with pytest.raises(Exception, match="length limit"):
            await structured.ainvoke("is it sound?")
        assert run.tokens == server.billed.tokens == 550


async def test_what_cannot_be_bounded_is_refused_before_it_leaves() -> None:
    """Pictures, tools that the provider runs, and what the provider remembers have no bound in the request."""
    with OpenAIServer(SAID) as server:
        run = Governing(Budget(tokens=5_000))
        model = run.model(client(server))
        picture: Any = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])
        unbounded: list[tuple[Any, dict[str, Any]]] = [
            ([picture], {}),
            ("hi", {"tools": [{"type": "web_search_preview"}]}),
            ("hi", {"previous_response_id": "resp_1"}),
        ]
        for said, settings in unbounded:
            with pytest.raises(InputError):
                await model.ainvoke(said, **settings)
        assert (server.requests, run.tokens) == ([], 0)


async def test_more_answers_than_one_are_all_reserved() -> None:
    """`n=3` divides what is left among three answers."""
    with OpenAIServer(SAID) as server:
        model = Governing(Budget(tokens=HI + 300)).model(client(server))
        await model.ainvoke("hi", n=3)
        assert cap_on_the_wire(server.requests[0]) == 100


async def test_deadline_is_the_http_timeout() -> None:
    """The client is told the seconds that are left, and a moment more: it is for the guard to say what passed."""
    with OpenAIServer(SAID) as server:
        run = Governing()
        run.clock.time = 3.0
        await run.model(client(server), deadline=10.0).ainvoke("hi")
        assert server.requests[0].headers["x-stainless-read-timeout"] == str(7.0 + GRACE_S)


async def test_blocking_call_on_an_event_loop_is_refused() -> None:
    """It would hold up the loop while it waits for budget; in a thread it goes."""
    with OpenAIServer(SAID) as server:
        model = Governing().model(client(server))
        with pytest.raises(SetupError, match="ainvoke"):
            model.invoke("hi")
        with pytest.raises(SetupError, match="ainvoke"):
            list(model.stream("hi"))
        assert server.requests == []


def test_event_loops_come_and_go() -> None:
    """One model serves run after run, each in a loop of its own, and leaves no connection open behind one."""
    with OpenAIServer(SAID) as server:
        run = Governing()
        model = run.model(client(server))
        for _ in range(3):
            assert asyncio.run(model.ainvoke("hi")).text == "fine"
        assert len(server.requests) == 3


async def test_tracing_shows_the_callers_model() -> None:
    """Provider, model and parameters are those of the model inside; the type says that it is governed."""
    with OpenAIServer(SAID) as server:
        model = Governing().model(client(server, temperature=0.5))
        seen: list[dict[str, Any]] = []

        from langchain_core.callbacks import AsyncCallbackHandler

        class Trace(AsyncCallbackHandler):
            async def on_chat_model_start(self, serialized: Any, messages: Any, **more: Any) -> None:
                seen.append(more)

        await model.ainvoke("hi", config={"callbacks": [Trace()]})
        assert len(seen) == 1
        assert (seen[0]["metadata"]["ls_provider"], seen[0]["metadata"]["ls_model_name"]) == ("openai", "m")
        assert (seen[0]["invocation_params"]["temperature"], seen[0]["invocation_params"]["_type"]) == (0.5, GOVERNED)


class Plain(BaseChatModel):
    """A caller's own class: no cap field, no streams, plain functions only."""

    seen: list[dict[str, Any]] = []  # noqa: RUF012

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        self.seen.append(kwargs)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("ok"))])


async def test_any_chat_model_can_be_governed() -> None:
    """One without usage, streams or a cap of its own is told the cap with the request and charged in full."""
    run = Governing(Budget(tokens=10_000))
    given = Plain()
    model = run.model(given)
    messages = [SystemMessage("be brief"), HumanMessage("hi")]
    assert (await model.ainvoke(messages)).text == "ok"
    assert [chunk.text async for chunk in model.astream(messages)] == ["ok"]
    assert (await asyncio.to_thread(model.invoke, messages)).text == "ok"
    assert [set(one) for one in given.seen] == [{"max_tokens"}] * 3
    assert run.tokens == 10_000
    assert run.breaches() == []
