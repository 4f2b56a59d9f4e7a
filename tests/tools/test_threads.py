"""Daemon threads: nothing that runs in one can hold or kill the process."""

import asyncio
import contextvars
import subprocess
import sys
import threading
from concurrent import futures

import pytest

from concertino.tools import threads
from concertino.tools.threads import Abandoned, Stray, Threads

WAIT_S = 10.0


def test_result_and_context_arrive() -> None:
    """The function sees the submitting thread's context variables and its result is the future's."""
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
    var.set("here")
    assert Threads().submit(lambda a: (var.get(), a), 2).result(WAIT_S) == ("here", 2)


def test_given_context_is_the_one_entered() -> None:
    """A context that is handed in is used itself, so what the function sets there stays."""
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)
    context = contextvars.copy_context()
    Threads().submit(var.set, 5, context=context).result(WAIT_S)
    assert context[var] == 5
    assert var.get() == 0


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("x"), GeneratorExit()])
def test_anything_raised_is_the_futures_exception(error: BaseException) -> None:
    """Even what usually ends a process only fails the future, and the thread goes on working."""
    pool = Threads()

    def fail() -> None:
        raise error

    assert pool.submit(fail).exception(WAIT_S) is error
    assert pool.submit(lambda: 1).result(WAIT_S) == 1


@pytest.mark.parametrize("error", [StopIteration(1), asyncio.CancelledError(), futures.CancelledError()])
def test_control_flow_errors_come_wrapped(error: BaseException) -> None:
    """What asyncio would take for its own signal, or cannot carry, arrives as `Stray` with its cause."""

    def fail() -> None:
        raise error

    async def main() -> None:
        await asyncio.wait_for(threads.run(fail), WAIT_S)

    with pytest.raises(Stray) as caught:
        asyncio.run(main())
    assert caught.value.__cause__ is error


def test_idle_thread_is_reused() -> None:
    """Calls one after another need no more than the thread that just ended and its stand-in."""
    pool = Threads()
    for n in range(50):
        assert pool.submit(lambda n=n: n).result(WAIT_S) == n
    assert pool.alive() <= 2


def test_busy_threads_make_room_for_more() -> None:
    """Any number of blocked calls leaves room for the next."""
    pool, go = Threads(), threading.Event()
    blocked = [pool.submit(go.wait, WAIT_S) for _ in range(40)]
    assert pool.submit(lambda: "free").result(WAIT_S) == "free"
    go.set()
    assert all(call.result(WAIT_S) for call in blocked)


def test_idle_threads_end() -> None:
    """A thread without work ends after its idle time."""
    pool = Threads(idle_s=0.01)
    thread = pool.submit(threading.current_thread).result(WAIT_S)
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert pool.alive() == 0
    assert pool.submit(lambda: 1).result(WAIT_S) == 1


def test_abandoned_call_is_leaked_until_it_ends() -> None:
    """Giving a running call up resolves its future at once; it counts until it really ends, and its result is dropped."""
    pool, go, started, ended = Threads(), threading.Event(), threading.Event(), threading.Event()

    def work() -> str:
        started.set()
        go.wait(WAIT_S)
        return "late"

    call = pool.submit(work)
    assert started.wait(WAIT_S)
    assert pool.abandon(call, on_end=ended.set)
    assert pool.abandon(call)
    assert isinstance(call.exception(0), Abandoned)
    assert pool.leaked() == 1
    go.set()
    assert ended.wait(WAIT_S)
    assert pool.leaked() == 0
    assert isinstance(call.exception(0), Abandoned)


def test_abandoning_a_finished_call_changes_nothing() -> None:
    """A call that has ended keeps its result and is not leaked."""
    pool = Threads()
    call = pool.submit(lambda: 7)
    assert call.result(WAIT_S) == 7
    assert not pool.abandon(call, on_end=lambda: pytest.fail("it had ended"))
    assert (call.result(0), pool.leaked()) == (7, 0)


def test_cancelled_coroutine_abandons_its_call() -> None:
    """`run` gives its call up when the coroutine is cancelled."""
    go, started = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        go.wait(WAIT_S)

    async def main() -> None:
        task = asyncio.ensure_future(threads.run(work))
        while not started.is_set():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = threads.leaked()
    asyncio.run(main())
    assert threads.leaked() == before + 1
    go.set()


def test_process_ends_while_a_call_blocks_for_ever() -> None:
    """Neither a running nor an abandoned call delays interpreter exit."""
    code = (
        "import threading, time\n"
        "from concertino.tools import threads\n"
        "calls = [threads.submit(threading.Event().wait) for _ in range(3)]\n"
        "calls += [threads.submit(time.sleep, 3600)]\n"
        "threads.abandon(calls[0])\n"
        "print('done')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert (ended.stdout, ended.stderr) == ("done\n", "")
