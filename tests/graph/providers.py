"""A provider on the loopback for whole runs: its bill, and real clients of it that are closed with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from pydantic import SecretStr

from concertino import Event
from concertino.contracts.clock import SystemClock
from tests.loopback.openai_server import OpenAIServer, Received, Say

PRICES: Mapping[str, Mapping[str, float]] = {
    "m": {"input_usd_per_m": 1.0, "output_usd_per_m": 1.0},
    "small": {"input_usd_per_m": 0.05, "output_usd_per_m": 0.4},
    "large": {"input_usd_per_m": 1.25, "output_usd_per_m": 10.0},
}


class Hasty(SystemClock):
    """Waits for no retry."""

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def sleep(self, seconds: float) -> None:
        return


class Provider(OpenAIServer):
    """Use as an asynchronous context manager, so that what talks to it is closed in the loop that used it."""

    def __init__(self, answer: Any) -> None:
        super().__init__(answer)
        self._clients: list[tuple[Any, Any]] = []

    def chat(self, **settings: Any) -> ChatOpenAI:
        """Return a client as people make it, with the SDK's own retries; unless told otherwise it is capped."""
        blocking, awaiting = DefaultHttpxClient(), DefaultAsyncHttpxClient()
        self._clients.append((blocking, awaiting))
        given: dict[str, Any] = {"model": "m", "max_tokens": 500, "base_url": self.url, **settings}
        return ChatOpenAI(api_key=SecretStr("key"), http_client=blocking, http_async_client=awaiting, **given)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for blocking, awaiting in self._clients:
            blocking.close()
            await awaiting.aclose()
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    @property
    def nano_usd(self) -> int:
        """What it bills in nano-dollars; all its requests must be for one model, and have been billed."""
        rates = PRICES[{one.body["model"] for one in self.requests}.pop()]
        bill = (
            self.billed.input_tokens * rates["input_usd_per_m"] + self.billed.output_tokens * rates["output_usd_per_m"]
        )
        return round(bill * 1_000)


def thousand(_: Received) -> Say:
    """Bill 1,000 tokens."""
    return Say("word " * 40, input_tokens=20, output_tokens=980)


def planned(*rows: Mapping[str, Any], **billed: Any) -> Say:
    """Return a plan as a model says it: rows with `id`, `specialist` and more."""
    return Say(json.dumps({"subtasks": [{"objective": "Look at owls", **row} for row in rows]}), **billed)


def told(events: list[Event], *types: str) -> list[str]:
    """Return the events of these types, or all about planning, in order."""
    about = types or ("PLAN_DRAFTED", "PLAN_REJECTED", "PLAN_REPAIRED", "PLAN_FALLBACK", "RUN_PLANNED")
    return [one.type for one in events if one.type in about]
