"""Plain functions on a virtual loop: one at a time, in order, in virtual time."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from concertino.evals.virtual import Stalled, VirtualClock, VirtualLoop, run_virtually, workers
from concertino.tools import background, threads


def clock() -> VirtualClock:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return VirtualClock(loop)


async def in_threads(*functions: Any) -> list[Any]:
    return await asyncio.gather(*(threads.run(function) for function in functions))


def test_functions_run_in_the_order_they_were_handed_in() -> None:
    """Neither the system's scheduler nor which pool they went to has a say."""
    seen: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        calls: list[Any] = []
        for number in range(40):
            do = partial(seen.append, number)
            calls.append(loop.run_in_executor(None, do) if number % 2 else threads.run(do))
            if number % 2 == 0:
                calls[-1] = asyncio.ensure_future(calls[-1])
                await asyncio.sleep(0)
        await asyncio.gather(*calls)

    run_virtually(main)
    assert seen == list(range(40))


def test_sleeping_threads_share_the_time() -> None:
    """Ten functions that sleep for one to ten seconds take ten seconds together and wake in order."""
    woken: list[tuple[float, int]] = []

    async def main() -> float:
        time = clock()

        def sleeper(number: int) -> None:
            time.sleep(number)
            woken.append((time.monotonic(), number))

        await in_threads(*(lambda number=number: sleeper(number) for number in range(10, 0, -1)))
        return time.monotonic()

    assert run_virtually(main) == 10.0
    assert woken == [(float(number), number) for number in range(1, 11)]


def test_an_event_with_a_timeout_waits_in_virtual_time() -> None:
    """A wait that nobody ends is over after its timeout, one that is ended is over then."""

    async def main() -> tuple[bool, float, bool, float]:
        time = clock()
        event = threading.Event()

        def waiter() -> tuple[bool, float, bool, float]:
            first = event.wait(30.0)
            at = time.monotonic()
            return first, at, event.wait(300.0), time.monotonic()

        waiting = asyncio.ensure_future(threads.run(waiter))
        await asyncio.sleep(40.0)
        event.set()
        return await waiting

    assert run_virtually(main) == (False, 30.0, True, 40.0)


def test_a_thread_waits_for_what_the_loop_does() -> None:
    """A future that a coroutine resolves later wakes the thread that waits for it."""

    async def main() -> tuple[str, float]:
        time = clock()
        answer: Future[str] = Future()
        waiting = asyncio.ensure_future(threads.run(lambda: (answer.result(), time.monotonic())))
        await asyncio.sleep(7.0)
        answer.set_result("yes")
        return await waiting

    assert run_virtually(main) == ("yes", 7.0)


def test_threads_wait_for_one_another() -> None:
    """A queue between two threads works, and time passes only where one sleeps."""

    async def main() -> Any:
        time = clock()
        items: queue.Queue[int] = queue.Queue(maxsize=1)

        def produce() -> None:
            for number in range(5):
                time.sleep(1.0)
                items.put(number)

        def consume() -> list[tuple[int, float]]:
            return [(items.get(), time.monotonic()) for _ in range(5)]

        consumed, _ = await in_threads(consume, produce)
        return consumed

    assert run_virtually(main) == [(number, number + 1.0) for number in range(5)]


def test_threads_that_wait_for_nothing_are_named() -> None:
    """A thread nobody will wake is part of what has stalled, with its place."""

    async def main() -> None:
        def forlorn() -> None:
            threading.Event().wait()

        await threads.run(forlorn)

    with pytest.raises(Stalled) as caught:
        run_virtually(main)
    assert any("forlorn" in one for one in caught.value.waiting)


def test_errors_come_through() -> None:
    """What a function raises is raised where it is awaited."""

    async def main() -> None:
        def wrong() -> None:
            raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            await threads.run(wrong)
        with pytest.raises(LookupError, match="mine"):
            await asyncio.to_thread(wrong)

    run_virtually(main)


def test_a_given_up_call_counts_as_leaked_until_it_ends() -> None:
    """Cancelling whoever awaits a function abandons it; it goes on in virtual time."""

    async def main() -> None:
        time = clock()
        before = threads.leaked()
        task = asyncio.ensure_future(threads.run(time.sleep, 100.0))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert threads.leaked() == before + 1
        await asyncio.sleep(100.0)
        assert threads.leaked() == before

    run_virtually(main)


def test_a_thread_that_never_ends_is_ended_with_its_loop() -> None:
    """Whoever still sleeps when the run is over is woken by an error that `except Exception` does not catch."""
    seen: list[str] = []

    async def main() -> None:
        time = clock()

        def endless() -> None:
            try:
                time.sleep(1e9)
            except Exception:
                seen.append("caught")
            finally:
                seen.append("left")

        task = asyncio.ensure_future(threads.run(endless))
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.sleep(0)

    run_virtually(main)
    assert seen == ["left"]
    threads_now = threading.active_count()
    seen.clear()
    run_virtually(main)  # in the thread that the first one has left behind
    assert seen == ["left"]
    assert threading.active_count() <= threads_now


def test_context_variables_reach_threads() -> None:
    """A function sees its caller's context."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    async def main() -> list[str]:
        name.set("somebody")
        return [await threads.run(name.get), await asyncio.to_thread(name.get)]

    assert run_virtually(main) == ["somebody", "somebody"]


def test_a_beat_neither_holds_up_the_end_nor_hides_a_stall() -> None:
    """What beats beside everything else does so as time passes, and is no reason to go on."""
    beats: list[float] = []
    over = threading.Event()

    def beating(time: VirtualClock) -> Any:
        def look() -> float:
            beats.append(time.monotonic())
            return 1.0

        return look

    async def main() -> None:
        threads.beat(beating(clock()), over=over, name="beat")
        await asyncio.sleep(3.5)
        over.set()
        await asyncio.sleep(3.5)

    run_virtually(main)
    assert beats == [0.0, 1.0, 2.0, 3.0]
    over.clear()

    async def stuck() -> None:
        threads.beat(beating(clock()), over=over, name="beat")
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stalled):
        run_virtually(stuck)


def test_the_background_loop_of_a_virtual_run_is_its_own() -> None:
    """A plain function gets its coroutines done on the loop it belongs to, in virtual time."""

    async def main() -> tuple[float, bool]:
        time = clock()
        loop = asyncio.get_running_loop()

        async def slow() -> float:
            await asyncio.sleep(9.0)
            assert asyncio.get_running_loop() is loop
            return time.monotonic()

        found = await threads.run(lambda: background.working().run(slow()))
        with pytest.raises(RuntimeError, match="async twin"):
            background.conducting().run(slow())
        return found, background.working().loop is loop

    assert run_virtually(main) == (9.0, True)


def test_many_threads_make_the_same_trace_every_time() -> None:
    """Sleeps, events and coroutines mixed happen in one order, run after run."""

    async def main() -> list[tuple[float, str]]:
        time = clock()
        trace: list[tuple[float, str]] = []
        events = [threading.Event() for _ in range(10)]

        def worker(number: int) -> None:
            for turn in range(5):
                time.sleep(((number * 31 + turn * 17) % 13) / 4)
                trace.append((time.monotonic(), f"thread {number}.{turn}"))
                events[(number + turn) % 10].set()
                events[(number * 3 + turn) % 10].wait(2.0)

        async def task(number: int) -> None:
            for turn in range(5):
                await asyncio.sleep(((number * 7 + turn * 5) % 11) / 4)
                trace.append((time.monotonic(), f"task {number}.{turn}"))

        await asyncio.gather(
            *(threads.run(worker, number) for number in range(10)), *(task(number) for number in range(10))
        )
        return trace

    first = run_virtually(main)
    assert len(first) == 100
    assert all(run_virtually(main) == first for _ in range(5))


def test_a_thread_that_starts_threads_keeps_its_turn() -> None:
    """Starting a thread from another one takes no virtual time and changes no order."""

    async def main() -> tuple[list[int], float]:
        time = clock()
        seen: list[int] = []

        def starts() -> None:
            calls = [threads.submit(partial(seen.append, number)) for number in range(200)]
            seen.append(-1)
            for call in calls:
                call.result()

        await threads.run(starts)
        return seen, time.monotonic()

    assert run_virtually(main) == ([-1, *range(200)], 0.0)


def test_a_thread_that_blocks_out_of_sight_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that virtual time cannot see is an error with its place, and the thread ends once it can."""
    monkeypatch.setattr(workers, "PATIENCE_S", 0.05)
    bare, ended = threading.Lock(), threading.Event()
    bare.acquire()

    async def main() -> None:
        def blocked() -> None:
            with bare:
                ended.set()

        await threads.run(blocked)

    with pytest.raises(workers.Blocked) as caught:
        run_virtually(main)
    assert "blocked" in caught.value.place
    bare.release()
    assert ended.wait(5.0)
