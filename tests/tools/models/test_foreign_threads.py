"""Threads and pools that a specialist's code uses by itself are held with it, and nobody else's are."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import httpx
import pytest

from concertino.contracts.errors import BudgetExceeded, DeadlineExceeded
from concertino.tools.models.foreign import guarding
from tests.loopback.openai_server import OpenAIServer, Say
from tests.tools.models.foreign_world import Capped, World, chat

SAID = Say("well", input_tokens=10, output_tokens=5)
CALLS = 4
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")

Ask = Callable[[], Any]


def mapped(ask: Ask) -> None:
    with ThreadPoolExecutor(CALLS) as pool:
        list(pool.map(lambda _: ask(), range(CALLS)))


def submitted(ask: Ask) -> None:
    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(ask) for _ in range(CALLS)]:
            one.result()


def submitted_from_within(ask: Ask) -> None:
    with ThreadPoolExecutor(2) as outer, ThreadPoolExecutor(2) as inner:
        for one in [outer.submit(lambda: inner.submit(ask).result()) for _ in range(CALLS)]:
            one.result()


def in_threads(ask: Ask) -> None:
    threads = [threading.Thread(target=ask) for _ in range(CALLS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def in_threads_of_threads(ask: Ask) -> None:
    thread = threading.Thread(target=in_threads, args=(ask,))
    thread.start()
    thread.join()


def in_a_timer(ask: Ask) -> None:
    timers = [threading.Timer(0.0, ask) for _ in range(CALLS)]
    for one in timers:
        one.start()
    for one in timers:
        one.join()


def in_a_subclass(ask: Ask) -> None:
    class Works(threading.Thread):
        def run(self) -> None:
            for _ in range(CALLS):
                ask()

    works = Works()
    works.start()
    works.join()


def in_the_other_pool(ask: Ask) -> None:
    with ThreadPool(2) as pool:
        pool.map(lambda _: ask(), range(CALLS))
    pool.join()


WAYS = [
    mapped, submitted, submitted_from_within, in_threads, in_threads_of_threads, in_a_timer, in_a_subclass, in_the_other_pool,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_a_specialist_starts_is_settled_by_its_usage(way: Callable[[Ask], None]) -> None:
    """Each call is reserved and settled once, whichever thread makes it."""
    with OpenAIServer(SAID) as server:
        world, model = World(tokens=100_000), chat(server)
        with guarding(world.foreign()):
            way(lambda: model.invoke("hello"))
        assert server.billed.calls == CALLS
        assert (world.ledger.usage().tokens, world.ledger.usage().calls) == (server.billed.tokens, CALLS)
    assert world.is_settled()


@pytest.mark.parametrize("way", [mapped, submitted, submitted_from_within, in_the_other_pool])
def test_what_does_not_fit_does_not_leave(way: Callable[[Ask], None]) -> None:
    """The refusal comes back by the pool's own way, as our error."""
    with OpenAIServer(SAID) as server:
        world, model = World(tokens=20), chat(server)
        with guarding(world.foreign()), pytest.raises(BudgetExceeded):
            way(lambda: model.invoke("hello"))
        assert server.requests == []
    assert world.ledger.usage().calls == 0


async def test_a_loops_default_executor_is_held() -> None:
    """`run_in_executor`, whose threads may be anybody's: each call belongs to who handed it in."""
    loop = asyncio.get_running_loop()
    with OpenAIServer(SAID) as server:
        model, worlds = chat(server), (World(tokens=100_000), World(tokens=100_000))

        async def work(world: World, calls: int) -> None:
            with guarding(world.foreign()):
                await asyncio.gather(*(loop.run_in_executor(None, model.invoke, "hello") for _ in range(calls)))

        await asyncio.gather(work(worlds[0], 3), work(worlds[1], 5))
        await loop.run_in_executor(None, model.invoke, "hello")
        assert server.billed.calls == 9
    assert [world.ledger.usage().calls for world in worlds] == [3, 5]
    assert [world.ledger.usage().tokens for world in worlds] == [45, 75]


@pytest.fixture
def shared() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_shared_pool_serves_the_next_one_unguarded(shared: ThreadPoolExecutor) -> None:
    """Its thread was started by a specialist, and is held by nobody once that one's work is done."""
    world, other = World(tokens=100_000), World(tokens=100_000)
    model = Capped(responses=["well"])
    with guarding(world.foreign()):
        shared.submit(model.invoke, "hello").result()
    shared.submit(model.invoke, "hello").result()
    with guarding(other.foreign()):
        shared.submit(model.invoke, "hello").result()
    assert (world.ledger.usage().calls, other.ledger.usage().calls) == (1, 1)


def test_a_pools_thread_keeps_no_call_on_the_wire(shared: ThreadPoolExecutor) -> None:
    """A stream that was left open there does not hold what somebody else posts from the same thread."""
    with OpenAIServer(SAID) as server:
        world, model = World(tokens=100_000), chat(server)

        def begin() -> Any:
            stream = model.stream("hello")
            next(stream)
            return stream

        def post() -> int:
            with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client:
                return client.post("http://x/tool", json={}).status_code

        with guarding(world.foreign()):
            stream = shared.submit(begin).result()
        assert shared.submit(post).result() == 200
        shared.submit(stream.close).result()
    assert world.ledger.usage().calls == 1


def test_an_attempts_threads_send_nothing_after_it() -> None:
    """Also those that were waiting in a pool, or started a thread of their own since."""
    world, model = World(tokens=100_000), Capped(responses=["well"])
    over = threading.Event()
    ends: list[Future[Any]] = []
    with ThreadPoolExecutor(1) as pool:
        with guarding(world.foreign()):
            pool.submit(over.wait)
            ends.append(pool.submit(model.invoke, "hello"))
        over.set()
        with pytest.raises(DeadlineExceeded, match="over"):
            ends[0].result()
    assert world.ledger.usage().calls == 0


def test_only_the_guard_goes_along() -> None:
    """What else is set in a context is as it would be without a guard; outside of one nothing is changed."""
    seen: list[str] = []

    def look() -> None:
        seen.append(VARIABLE.get())

    token = VARIABLE.set("the caller's")
    try:
        with guarding(World(tokens=1).foreign()):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
            assert "run" not in vars(thread)
        plain = threading.Thread(target=look)
        plain.start()
        assert "run" not in vars(plain)
        plain.join()
    finally:
        VARIABLE.reset(token)
    assert seen == ["nobody's"] * 2


def test_threads_of_ours_belong_to_nobody() -> None:
    """They outlive the attempt that happened to need one first."""
    world, model = World(tokens=100_000), Capped(responses=["well"])
    with guarding(world.foreign()):
        thread = threading.Thread(target=model.invoke, args=("hello",), name="concertino-7")
        thread.start()
        thread.join()
    assert world.ledger.usage().calls == 0
