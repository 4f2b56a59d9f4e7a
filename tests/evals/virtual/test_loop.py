"""Time on a virtual loop: jumps, order, timeouts, and the end of everything."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from concertino.evals.virtual import Stalled, VirtualClock, VirtualLoop, run_virtually


def loop() -> VirtualLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualLoop)
    return running


def test_a_long_sleep_costs_virtual_time_only() -> None:
    """An hour passes at once, and the loop's time says so exactly."""

    async def main() -> float:
        await asyncio.sleep(3600.0)
        return loop().time()

    began = time.perf_counter()
    assert run_virtually(main, start=5.0) == 3605.0
    assert time.perf_counter() - began < 5.0


def test_thousands_of_timers_fire_in_order_and_quickly() -> None:
    """Timers fire by time, equal ones in the order they were set."""
    fired: list[tuple[float, int]] = []

    async def main() -> None:
        for number in range(20_000):
            when = float(number * 7919 % 100)
            loop().call_at(when, lambda when=when, number=number: fired.append((when, number)))
        await asyncio.sleep(1000.0)

    began = time.perf_counter()
    run_virtually(main)
    assert time.perf_counter() - began < 5.0
    assert fired == sorted(fired)
    assert len(fired) == 20_000


def test_a_timeout_ends_what_is_slower() -> None:
    """`asyncio.timeout` and `wait_for` follow virtual time."""

    async def main() -> list[float]:
        at = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await asyncio.sleep(60.0)
        at.append(loop().time())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(60.0), 3.0)
        at.append(loop().time())
        assert await asyncio.wait_for(asyncio.sleep(1.0, "done"), 3.0) == "done"
        at.append(loop().time())
        return at

    assert run_virtually(main) == [2.0, 5.0, 6.0]


def test_cancelled_timers_do_not_move_time() -> None:
    """A timer that was cancelled neither fires nor is jumped to."""

    async def main() -> float:
        handles = [loop().call_later(100.0, pytest.fail, "cancelled") for _ in range(1000)]
        for handle in handles:
            handle.cancel()
        await asyncio.sleep(1.0)
        return loop().time()

    assert run_virtually(main) == 1.0


def test_a_loop_where_nothing_can_happen_names_what_waits() -> None:
    """A future nobody will resolve is an error with the place that awaits it."""

    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        await asyncio.sleep(4.0)
        await asyncio.create_task(stuck(), name="the-stuck-one")

    with pytest.raises(Stalled) as caught:
        run_virtually(main)
    assert caught.value.at == 4.0
    assert any("the-stuck-one" in one and "stuck" in one for one in caught.value.waiting)


def test_what_is_left_is_cancelled_at_the_end() -> None:
    """Tasks that nobody awaited end in the order they were made."""
    ended: list[int] = []

    async def left(number: int) -> None:
        try:
            await asyncio.sleep(1000.0)
        finally:
            ended.append(number)

    kept: list[Any] = []

    async def main() -> None:
        kept.extend(asyncio.create_task(left(number)) for number in range(50))
        await asyncio.sleep(0)

    run_virtually(main)
    assert ended == list(range(50))


def test_what_refuses_to_be_cancelled_does_not_hold_up_the_end() -> None:
    """A task that waits on for nothing is left behind."""

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                continue

    kept: list[Any] = []

    async def main() -> str:
        kept.append(asyncio.create_task(stubborn()))
        await asyncio.sleep(0)
        return "over"

    assert run_virtually(main) == "over"
    task = kept.pop()
    task.get_coro().close()


def test_an_error_reaches_the_caller() -> None:
    """What the coroutine raises comes out as it is."""

    async def main() -> None:
        await asyncio.sleep(1.0)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run_virtually(main)


def test_a_run_inside_a_running_loop_is_refused() -> None:
    """One thread has one loop at a time."""

    async def main() -> None:
        async def never() -> None:
            pass

        run_virtually(never)

    with pytest.raises(RuntimeError, match="running event loop"):
        run_virtually(main)


def test_context_variables_follow_tasks_and_timers() -> None:
    """A task sees its creator's context, and what it sets stays with it."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    async def child() -> str:
        seen = name.get()
        name.set("child")
        await asyncio.sleep(1.0)
        assert name.get() == "child"
        return seen

    async def main() -> tuple[str, str]:
        name.set("parent")
        return await asyncio.create_task(child()), name.get()

    assert run_virtually(main) == ("parent", "parent")


def test_cancellation_works_as_on_any_loop() -> None:
    """A cancelled task ends at its await, and its waiter hears of it."""

    async def main() -> float:
        task = asyncio.create_task(asyncio.sleep(10.0))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return loop().time()

    assert run_virtually(main) == 1.0


def test_sets_of_tasks_have_one_order() -> None:
    """What `asyncio.wait` returns does not follow memory addresses."""

    async def main() -> list[int]:
        tasks = [asyncio.create_task(asyncio.sleep(1.0, number)) for number in range(40)]
        done, _ = await asyncio.wait(tasks)
        return [task.result() for task in done]

    ballast = []
    found = []
    for size in range(5):
        ballast.append([object() for _ in range(size * 37)])
        found.append(run_virtually(main))
    assert all(one == found[0] for one in found)


def test_the_loop_has_no_sockets() -> None:
    """Whoever asks for a connection is told that there are none."""

    async def main() -> None:
        await asyncio.open_connection("127.0.0.1", 9)

    with pytest.raises(NotImplementedError):
        run_virtually(main)


def test_the_clock_follows_its_loop() -> None:
    """Wall time is the epoch plus the loop's, and an adjustment moves nothing but that."""

    async def main() -> None:
        clock = VirtualClock(loop(), epoch=1_000.0)
        await clock.asleep(2.5)
        assert (clock.now(), clock.monotonic()) == (1_002.5, 2.5)
        clock.adjust(-500.0)
        assert (clock.now(), clock.monotonic()) == (502.5, 2.5)
        clock.sleep(1.0)  # blocks the loop
        assert clock.monotonic() == 3.5

    run_virtually(main)


def test_an_asynchronous_generator_is_closed_at_the_end() -> None:
    """A generator left half way runs its `finally`."""
    closed = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    kept: list[Any] = []

    async def main() -> None:
        generator = numbers()
        kept.append(generator)
        await anext(generator)

    run_virtually(main)
    assert closed == [True]
