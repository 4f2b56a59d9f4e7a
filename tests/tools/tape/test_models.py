"""The real client against a server on this machine, recorded once: played, a governed model gives the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from concertino.contracts.errors import BreakerOpen, TapeMiss, ToolFailed
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.tape.files import read_tape, write_tape
from concertino.tools.tape.injection import Called, Injection, InjectionKind
from tests.loopback.openai_server import Cut, Fail, OpenAIServer, Refuse, Reply, Say
from tests.tools.models.governing import client
from tests.tools.tape.tapes import line, played, recorded, tape

Ask = Callable[[Any], Awaitable[Any]]


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return city


class Grade(BaseModel):
    """A grade with its reason."""

    grade: int
    reason: str


async def streamed(model: Any) -> list[str]:
    return [piece.text async for piece in model.astream("Count.") if piece.text]


async def with_tools(model: Any) -> Any:
    bound = model.bind_tools([weather], tool_choice="any")
    first = await bound.ainvoke([SystemMessage("Help."), HumanMessage("Rain?")])
    call = first.tool_calls[0]
    second = await bound.ainvoke(
        [SystemMessage("Help."), HumanMessage("Rain?"), first, ToolMessage("dry", tool_call_id=call["id"])]
    )
    return call["name"], call["args"], second.text


async def cut_at_its_cap(model: Any) -> Any:
    said = await model.ainvoke("Tell.", max_tokens=20)
    return said.response_metadata["finish_reason"], said.usage_metadata["output_tokens"]


def asks(text: str) -> Ask:
    async def ask(model: Any) -> Any:
        said = await model.ainvoke(text)
        return said.text, said.usage_metadata, said.additional_kwargs.get("refusal")

    return ask


def structured(method: str, form: Any = Grade, **options: Any) -> Ask:
    async def ask(model: Any) -> Any:
        return await model.with_structured_output(form, method=method, **options).ainvoke("Grade.")

    return ask


GRADE = '{"grade": 2, "reason": "so"}'
JSON_FORM = {
    "title": "Grade",
    "description": "A grade.",
    "type": "object",
    "properties": {"grade": {"type": "integer"}},
}

SAME: dict[str, tuple[list[Reply], Ask]] = {
    "an answer": ([Say("It rains.", input_tokens=9, output_tokens=4)], asks("Rain?")),
    "a stream": ([Say("one two three four", chunks=4)], streamed),
    "tools": ([Say(tool_calls=[("weather", {"city": "Kiel"})]), Say("Dry.")], with_tools),
    "a cap": ([Say("word " * 100, output_tokens=100)], cut_at_its_cap),
    "a form": ([Say(GRADE)], structured("json_schema")),
    "a form as JSON schema": ([Say('{"grade": 3}')], structured("json_schema", JSON_FORM)),
    "a form by a tool": ([Say(tool_calls=[("Grade", {"grade": 1, "reason": "why"})])], structured("function_calling")),
    "a form with the raw answer": ([Say(GRADE)], structured("json_mode", include_raw=True)),
    "a form that is none": ([Say("I do not know.")], structured("json_schema")),
    "a refusal": ([Refuse("No.")], asks("Bad?")),
    "a refused form": ([Refuse("No.")], structured("json_schema")),
    "429, then an answer": ([Fail(429, retry_after="3"), Say("Now.")], asks("Busy?")),
    "500 three times": ([Fail(500)], asks("Down?")),
    "a wrong request": ([Fail(400, message="bad")], asks("Wrong?")),
    "a broken connection": ([Cut()], asks("Cut?")),
    "a broken stream": ([Cut(after_chunks=2)], streamed),
}  # fmt: skip


def shown(outcome: Any) -> Any:
    """Return an outcome to be compared: of an error its class and its words, without what another server says."""
    if isinstance(outcome, Exception):
        return type(outcome).__name__, str(outcome)
    if isinstance(outcome, dict) and isinstance(outcome.get("raw"), AIMessage):
        return outcome["raw"].text, outcome["parsed"], outcome["parsing_error"]
    return outcome


@pytest.mark.parametrize("case", SAME)
async def test_what_is_played_is_what_was_recorded(case: str, tmp_path: Any) -> None:
    """Answer or error, retries and their waits, what is charged, how the breaker stands: through a file, without a request."""
    replies, ask = SAME[case]
    with OpenAIServer(replies) as server:
        given = client(server)
        before, at_first, made = await recorded(given, ask)
        requests = len(server.requests)
        write_tape(tmp_path / "c.jsonl", made)
        after, then, player = await played(read_tape(tmp_path / "c.jsonl"), given, ask)
        assert len(server.requests) == requests
    assert shown(after) == shown(before)
    assert then.outcomes() == at_first.outcomes()
    assert then.tokens == at_first.tokens
    assert [round(one, 3) for one in then.clock.slept if one > 0.1] == [
        round(one, 3) for one in at_first.clock.slept if one > 0.1
    ]
    assert player.unplayed() == []
    assert (player.misses, len(player.calls())) == ([], requests)


async def test_nothing_of_the_connection_is_on_a_tape() -> None:
    """No address, no key, no header but those that are allowed, and no id that the provider made up."""
    with OpenAIServer(Say("Yes.", tool_calls=[("weather", {"city": "Kiel"})])) as server:
        given = client(server, include_response_headers=True)
        _, _, made = await recorded(given, lambda model: model.bind_tools([weather]).ainvoke("Rain?"))
        port = server.url.split(":")[2].split("/")[0]
    text = str([one.as_json() for one in made.lines]) + str(made.head)
    assert made.lines[0].response is not None
    assert "Kiel" in text
    assert port not in text
    assert "chatcmpl" not in text
    assert "call_0" not in text
    assert set(made.lines[0].response.get("meta", {}).get("headers", {})) <= {"retry-after", "content-type"}  # type: ignore[union-attr,arg-type]


async def test_a_miss_is_not_tried_again() -> None:
    """It is our own error, goes through the guard as it is, and is kept by the player."""
    outcome, governing, player = await played(tape([line(said="Rain?")]), client_of_nobody(), asks("Sun?"))
    assert isinstance(outcome, TapeMiss)
    assert "recorded 'Rain?', now 'Sun?'" in str(outcome)
    assert (len(player.misses), governing.clock.slept) == (1, [])


def client_of_nobody() -> Any:
    """Return a model under the name that the tapes of these tests have, which nobody may ask."""
    from concertino.tools.models.sources import ModelSource

    def make() -> Any:
        raise AssertionError("was built")

    return ModelSource(name="openai:m", provider="openai", model="m", make=make)


HIT: dict[InjectionKind, str] = {
    "429": "ok after 429", "500": "ok after 500", "timeout": "ok after timeout", "cut": "length", "bad_json": "shorter",
    "refuse": "refused",
}  # fmt: skip


@pytest.mark.parametrize("what", HIT)
async def test_a_recorded_call_can_go_with_a_fault(what: InjectionKind) -> None:
    """The first call is hit; what the guard tries again finds the answer that was recorded."""
    known = tape(
        [
            line(
                1,
                said="Rain?",
                answer="It rains all day long.",
                usage={"input_tokens": 5, "output_tokens": 8, "total_tokens": 13},
            )
        ]
    )

    def inject(call: Called) -> Injection | None:
        return Injection(what, retry_after=2.0 if what == "429" else None) if call.n == 1 else None

    outcome, governing, player = await played(known, client_of_nobody(), asks("Rain?"), inject=inject)
    text, usage, refusal = outcome
    if what in ("429", "500", "timeout"):
        assert (text, len(player.calls())) == ("It rains all day long.", 2)
        assert governing.outcomes() == ["timeout" if what == "timeout" else "failed", "ok"]
        assert player.calls()[0]["fault"] == what
        assert what != "429" or 2.0 in governing.clock.slept
    elif what == "refuse":
        assert (text, refusal) == ("", "I cannot help with that.")
    else:
        assert "It rains all day long.".startswith(text)
        assert 0 < len(text) < 22
        assert what != "cut" or usage["output_tokens"] < 8


async def test_a_call_that_hangs_never_answers() -> None:
    """It is for the caller's deadline to give it up."""
    known = tape([line(1, said="Rain?")])
    asking = asyncio.create_task(played(known, client_of_nobody(), asks("Rain?"), inject=lambda _: Injection("hang")))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not asking.done()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_failures_open_the_breaker_as_they_did() -> None:
    """After as many failures as the policy says nothing leaves any more."""
    known = tape([line(n, said=f"q{n}") for n in range(1, 9)])
    said: list[bool] = []

    async def ask(model: Any) -> None:
        for n in range(1, 9):
            try:
                await model.ainvoke(f"q{n}")
            except (ToolFailed, BreakerOpen) as error:
                said.append(isinstance(error, BreakerOpen))

    _, governing, player = await played(known, client_of_nobody(), ask, inject=lambda _: Injection("500"))
    assert said[0] is False
    assert said[-1] is True
    assert governing.outcomes().count("failed") == len(player.calls()) == BreakerPolicy().failure_threshold


async def test_an_answer_is_cut_to_a_smaller_cap_than_it_was_recorded_with() -> None:
    """As a server would: what was granted now bounds what comes."""
    usage = {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105}
    known = tape([line(1, said="Tell.", answer="word " * 100, usage=usage)])
    outcome, governing, _ = await played(known, client_of_nobody(), cut_at_its_cap)
    assert outcome == ("length", 20)
    assert governing.tokens == 25
