"""A ledger and a guard around foreign models; time is faked, the other side is the loopback server."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from pydantic import SecretStr

from concertino.budgets import Ledger
from concertino.contracts.budget import Budget
from concertino.tools.attempt import Desk
from concertino.tools.breaker import Breakers
from concertino.tools.guard import Guard
from concertino.tools.models.foreign import ForeignGuard
from concertino.tools.retry import RetryBudget
from tests.clocks import StillClock
from tests.loopback.openai_server import OpenAIServer

CLIENTS: list[tuple[Any, Any]] = []
"""Connections to be closed at a test's end."""


class World:
    """One run's money, and what is on its record."""

    def __init__(self, **limit: Any) -> None:
        self.clock = StillClock()
        self.ledger = Ledger(Budget(**limit), clock=self.clock)
        self.events: list[tuple[str, Any]] = []
        self.breaches: list[Any] = []
        desk = Desk(breakers=Breakers(), clock=self.clock, emit=lambda kind, said: self.events.append((kind, said)))
        self.guard = Guard(desk, retries=RetryBudget(), random=lambda: 0.5)

    def foreign(self, name: str = "s", **options: Any) -> ForeignGuard:
        """Return the guard of one attempt at subtask `name`; attempts after the first need a `key` of their own."""
        given = {"key": f"{name}#1", "caller": name, "on_breach": self.breaches.append, **options}
        return ForeignGuard(self.guard, account=self.ledger.account(("work", name)), **given)

    def outcomes(self) -> list[str]:
        return [said["outcome"] for kind, said in self.events if kind == "TOOL_CALLED"]

    def is_settled(self) -> bool:
        return self.ledger.open_holds() == 0


def chat(server: OpenAIServer, **options: Any) -> ChatOpenAI:
    """Return a client as people make it: capped, and with the SDK's own retries."""
    given: dict[str, Any] = {"model": "gpt-5-mini", "max_tokens": 50, "base_url": server.url, **options}
    blocking, awaiting = DefaultHttpxClient(), DefaultAsyncHttpxClient()
    CLIENTS.append((blocking, awaiting))
    given |= {"http_client": blocking, "http_async_client": awaiting}
    return ChatOpenAI(api_key=SecretStr("none"), **given)


class Capped(FakeListChatModel):
    """A fake with an output cap."""

    max_tokens: int = 50

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"max_tokens": self.max_tokens, "responses": self.responses}


async def together(count: int, work: Callable[[int], Coroutine[Any, Any, Any]]) -> Sequence[Any]:
    """Do something many times at once and return what each came to, errors too."""
    return await asyncio.gather(*(work(n) for n in range(count)), return_exceptions=True)


async def arrived(server: OpenAIServer, running: asyncio.Future[Any]) -> None:
    """Wait until the server has been asked something; a call that has ended will not ask."""
    while not server.requests:
        assert not running.done(), running
        await asyncio.sleep(0)
