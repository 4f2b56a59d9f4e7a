"""Only what a held call sends is held on the wire; everything else passes untouched."""

from collections.abc import Iterator

import httpx
import pytest

from concertino.tools.models import wire
from concertino.tools.models.foreign import guarding
from tests.loopback.openai_server import OpenAIServer, Say
from tests.tools.models.foreign_world import World, chat

OWNER = object()
"""Stands for a guard."""
OK = httpx.MockTransport(lambda request: httpx.Response(200, json={}))


@pytest.fixture(autouse=True)
def _nothing_held() -> Iterator[None]:
    """Leave no call in the context that plain tests share."""
    yield
    wire.let_go()


class Call:
    """Notes what it is told."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.is_over, self.refuses = False, refuses
        self.told: list[object] = []

    async def leave(self) -> float | None:
        return self.leave_blocking()

    def leave_blocking(self) -> float | None:
        if self.refuses:
            raise PermissionError
        self.told.append("left")
        return 5.0

    def returned(self, status: int) -> None:
        self.told.append(status)

    def broke(self, error: BaseException) -> None:
        self.told.append(type(error))


def test_a_held_request_is_told_of_and_bounded_in_time() -> None:
    """It leaves with the seconds that are left, or does not leave."""
    call = Call()
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        wire.hold(call, owner=OWNER, batch=1)
        client.post("http://x/v1", json={}, timeout=60)
        call.refuses = True
        with pytest.raises(PermissionError):
            client.post("http://x/v1", json={})
    assert call.told == ["left", 503]
    assert [request.extensions["timeout"]["read"] for request in seen] == [5.0]


async def test_coroutines_are_held_alike() -> None:
    """And errors of the connection are told of."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    call = Call()
    wire.hold(call, owner=OWNER, batch=1)
    async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post("http://x/v1", json={})
    assert call.told == ["left", httpx.ConnectError]


def test_other_requests_pass() -> None:
    """Forms that fetch a token, reads, and whatever comes after the call or is ours."""
    call = Call()
    with httpx.Client(transport=OK) as client:
        wire.hold(call, owner=OWNER, batch=1)
        client.post("http://x/token", data={"grant": "x"})
        client.get("http://x/v1")
        wire.let_go()
        client.post("http://x/v1", json={})
        wire.hold(call, owner=OWNER, batch=1)
        call.is_over = True
        client.post("http://x/v1", json={})
    assert call.told == []


def test_calls_told_of_together_leave_one_each() -> None:
    """Which of them a request is does not matter: all are bounded alike."""
    first, second = Call(), Call()
    with httpx.Client(transport=OK) as client:
        for call in (first, second):
            wire.hold(call, owner=OWNER, batch=2)
        client.post("http://x/v1", json={})
        client.post("http://x/v1", json={})
    assert first.told == second.told == ["left", 200]


async def test_a_tool_that_posts_is_not_the_model() -> None:
    """A tool's own request, in the very context in which its agent's model has answered, is nobody's business."""
    with OpenAIServer(Say("well")) as server:
        world = World(tokens=100_000)
        with guarding(world.foreign()):
            await chat(server).ainvoke("hello")
            async with httpx.AsyncClient(transport=OK) as client:
                for _ in range(5):
                    await client.post("http://x/tool", json={})
    assert world.ledger.usage().calls == 1
