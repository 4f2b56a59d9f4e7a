"""Governed models where a guard of foreign ones is bound: each call is held by one of the two, and by no more."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda

from concertino.contracts.budget import Budget
from concertino.tools.models.foreign import binding
from concertino.tools.models.foreign_request import Asked
from tests.loopback.openai_server import OpenAIServer, Say
from tests.tools.models.governing import Governing, client

SAID = Say("well", input_tokens=10, output_tokens=5)


class Told:
    """A guard of foreign models that admits all and writes down which it was told of."""

    def __init__(self) -> None:
        self.models: list[str] = []

    async def start(self, run_id: UUID, asked: Asked) -> None:
        self.models.append(asked.kind)

    def start_blocking(self, run_id: UUID, asked: Asked) -> None:
        self.models.append(asked.kind)

    def check(self, run_id: UUID) -> None:
        return None

    def ended(self, run_id: UUID, usage: Mapping[str, Any] | None) -> None:
        self.models.append("ended")

    def failed(self, run_id: UUID, error: BaseException) -> None:
        self.models.append("failed")


class Calls(AsyncCallbackHandler):
    """A user's handler, which calls a model of its own where it is told of another's."""

    run_inline = True

    def __init__(self, model: Any) -> None:
        self.model = model
        self.heard: list[str] = []

    async def on_chat_model_start(self, *told: Any, **more: Any) -> None:
        self.heard.append("start")
        if self.heard == ["start"]:
            await self.model.ainvoke("on the side", {"callbacks": []})

    async def on_llm_end(self, *told: Any, **more: Any) -> None:
        self.heard.append("end")


FOREIGN = FakeListChatModel(responses=["well"])
KIND = "fake-list-chat-model"


async def test_the_guard_of_foreign_models_is_not_told_of_ours() -> None:
    """The call is charged once, by the governed model, and what comes after it is held again."""
    told = Told()
    with OpenAIServer(SAID) as server, binding(told):
        run = Governing(Budget(tokens=5_000))
        await run.model(client(server)).ainvoke("hi")
        assert (told.models, run.tokens) == ([], server.billed.tokens)
        await FOREIGN.ainvoke("hi")
        assert told.models == [KIND, "ended"]


@pytest.mark.parametrize("how", ["alone", "in a chain", "batch"])
async def test_a_handler_of_the_users_is_told_and_held(how: str) -> None:
    """What it calls while ours is on its way is a foreign model's call."""
    told, handler = Told(), Calls(FOREIGN)
    with OpenAIServer(SAID) as server, binding(told):
        run = Governing(Budget(tokens=5_000))
        model: Any = run.model(client(server))
        config: Any = {"callbacks": [handler]}
        if how == "batch":
            await model.abatch(["hi"], config)
        else:
            await (model if how == "alone" else RunnableLambda(lambda text: text) | model).ainvoke("hi", config)
        assert (handler.heard, run.tokens) == (["start", "end"], server.billed.tokens)
    assert [one for one in told.models if one != "ended"] == [KIND]


async def test_calls_at_once_leave_each_other_alone() -> None:
    """Ours are never told of, foreign ones always."""
    told = Told()
    with OpenAIServer(SAID) as server, binding(told):
        run = Governing(Budget(tokens=100_000))
        model: Any = run.model(client(server))
        await asyncio.gather(*(one.ainvoke("hi") for _ in range(5) for one in (model, FOREIGN)))
        assert run.tokens == server.billed.tokens
    assert told.models.count(KIND) == told.models.count("ended") == 5
    assert set(told.models) == {KIND, "ended"}
