"""Waiting in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from concertino.journal import post, wait


async def test_results_and_errors_arrive() -> None:
    """A waiter gets what its own future came to, resolved before or after, in whatever thread."""
    futures: list[Future[int]] = [Future() for _ in range(100)]
    futures[0].set_result(0)
    waiters = [asyncio.create_task(wait(future)) for future in futures]
    await asyncio.sleep(0)

    def resolve() -> None:
        for number, future in enumerate(futures[1:], 1):
            if number % 2:
                future.set_exception(ValueError(number))
            else:
                future.set_result(number)

    await asyncio.to_thread(resolve)
    found = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(one) for one in found] == [str(number) for number in range(100)]
    assert [isinstance(one, ValueError) for one in found] == [bool(number % 2) for number in range(100)]


async def test_many_arrivals_ring_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Futures that resolve while the loop is busy cost one wake-up."""
    loop: Any = asyncio.get_running_loop()
    rings = []
    original = loop.call_soon_threadsafe

    def ring(*given: Any, **more: Any) -> Any:
        rings.append(given)
        return original(*given, **more)

    monkeypatch.setattr(loop, "call_soon_threadsafe", ring)
    futures: list[Future[int]] = [Future() for _ in range(50)]
    waiters = [asyncio.create_task(wait(future)) for future in futures]
    await asyncio.sleep(0)
    for future in futures:
        future.set_result(1)
    assert sum(await asyncio.gather(*waiters)) == 50
    assert len(rings) == 1


async def test_a_waiter_that_leaves_takes_nothing_along() -> None:
    """Cancelling the waiter leaves the future, and its later result harms nobody."""
    future: Future[int] = Future()
    waiter = asyncio.create_task(wait(future))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    future.set_result(1)
    await asyncio.sleep(0)
    assert future.result() == 1


def test_a_closed_loop_is_no_harm() -> None:
    """A future that resolves after its waiter's loop has closed goes nowhere, quietly."""
    future: Future[int] = Future()

    async def leave() -> None:
        waiter = asyncio.create_task(wait(future))
        await asyncio.sleep(0)
        waiter.cancel()

    asyncio.run(leave())
    future.set_result(1)
    assert future.done()


async def test_what_is_posted_runs_in_order_at_one_wake_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Acts posted from another thread run on the loop, in order, and wake it once while it is busy."""
    loop: Any = asyncio.get_running_loop()
    rings, ran = [], []
    original = loop.call_soon_threadsafe

    def ring(*given: Any, **more: Any) -> Any:
        rings.append(given)
        return original(*given, **more)

    monkeypatch.setattr(loop, "call_soon_threadsafe", ring)
    done: asyncio.Future[None] = loop.create_future()

    def note(number: int) -> Callable[[], None]:
        return lambda: ran.append(number)

    def from_elsewhere() -> None:
        for number in range(50):
            post(loop, note(number))
        post(loop, lambda: done.set_result(None))

    thread = threading.Thread(target=from_elsewhere)
    thread.start()
    thread.join()  # keeps the loop busy
    await done
    assert ran == list(range(50))
    assert len(rings) == 1


def test_a_closed_loop_takes_no_posts() -> None:
    """Posting to a loop that is closed does nothing, as when a specialist outlives its run."""
    loop = asyncio.new_event_loop()
    loop.close()
    post(loop, lambda: pytest.fail("ran"))
