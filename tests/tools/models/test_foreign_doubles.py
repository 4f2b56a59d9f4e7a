"""Who is called in place of a model that a specialist brings, and where nobody is."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.language_models import BaseChatModel, FakeListChatModel

from concertino.tools.models.foreign import binding
from concertino.tools.models.foreign_doubles import IS_DOUBLE, doubling
from concertino.tools.models.standby import Standby
from tests.tools.models.foreign_world import Capped, World


class Double(Capped):
    """Says who it is."""


setattr(Double, IS_DOUBLE, True)


def standby(world: World) -> Standby:
    return Standby(world.foreign, double=lambda model: Double(responses=["the double"]))


def test_an_attempts_calls_go_to_the_double_by_every_way() -> None:
    """Plain, awaited, streamed, in batches and in threads of its own; the guard holds and settles them."""
    world, model = World(tokens=10_000), Capped(responses=["the model"])

    async def awaited() -> list[str]:
        streamed = [piece.text async for piece in model.astream("hello")]
        events = [one async for one in model.astream_events("hello", version="v2")]
        last: Any = events[-1]["data"]
        return [(await model.ainvoke("hello")).text, "".join(streamed), last["output"].text]

    with doubling(), binding(standby(world)), ThreadPoolExecutor() as pool:
        said: list[str] = [model.invoke("hello").text, *(one.text for one in model.batch(["a", "b"]))]
        said += [
            "".join(piece.text for piece in model.stream("hello")),
            pool.submit(model.invoke, "hello").result().text,
        ]
        said += asyncio.run(awaited())
    assert said == ["the double"] * 8
    assert world.is_settled()
    assert world.outcomes() == ["ok"] * 8


def test_outside_an_attempt_a_model_is_itself() -> None:
    """And inside one that has no double, or while nobody records or replays."""
    model = Capped(responses=["the model"])
    with doubling():
        said = [model.invoke("hello").text]
        with binding(Standby(World(tokens=10_000).foreign)):
            said.append(model.invoke("hello").text)
    with binding(standby(World(tokens=10_000))):
        said.append(model.invoke("hello").text)
    assert said == ["the model"] * 3


def test_the_last_to_leave_puts_langchains_methods_back() -> None:
    """An inner block's end changes nothing."""
    own = vars(BaseChatModel)["generate"]
    with doubling():
        with doubling():
            wrapped = vars(BaseChatModel)["generate"]
            assert wrapped is not own
        assert vars(BaseChatModel)["generate"] is wrapped
    assert vars(BaseChatModel)["generate"] is own
    assert FakeListChatModel(responses=["itself"]).invoke("hello").text == "itself"
