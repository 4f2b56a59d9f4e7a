"""Threads that are given up: counted while they go on, and had back by their pool."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor

from concertino.tools.crew import Crew, Remains

LOOK_S = 0.05


def test_an_end_is_told_once_and_only_where_it_was_waited_for() -> None:
    """What a body begins after nothing was left, or after the end was told, tells nobody."""
    told: list[str] = []
    none, some = Remains(lambda: told.append("none")), Remains(lambda: told.append("some"))
    assert not none.any()
    none.one()()
    end = some.one()
    assert some.any()
    end()
    some.one()()
    assert told == ["some"]


def test_a_pool_has_its_thread_back() -> None:
    """A pool that others use has no more threads than it may while one is given up, and waits for its further calls."""
    crew, pool, course = Crew(), ThreadPoolExecutor(1), list[str]()
    begun, go = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        go.wait()
        course.append("given up")

    pool.submit(crew.hired(pool, block))
    begun.wait()
    remains = Remains(lambda: course.append("told"))
    crew.give_up(remains)
    assert remains.any()
    other = pool.submit(course.append, "other")
    futures.wait([other], LOOK_S)
    go.set()
    other.result()
    assert course == ["given up", "told", "other"]

    again = threading.Event()
    last = pool.submit(again.wait)
    threading.Timer(LOOK_S, again.set).start()
    pool.shutdown()
    assert last.done()


def test_a_pool_that_is_shut_down_does_not_wait_for_what_was_given_up() -> None:
    """As at the end of a `with` in a specialist."""
    crew, pool = Crew(), ThreadPoolExecutor(1)
    begun, go = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        go.wait()

    blocked = pool.submit(crew.hired(pool, block))
    begun.wait()
    crew.give_up(Remains(go.clear))
    pool.shutdown()
    assert not blocked.done()
    go.set()
    blocked.result()


def test_a_thread_that_was_taken_back_is_woken_at_exit() -> None:
    """The interpreter ends the thread with the others; one that it did not know would wait for work for ever."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from concertino.tools import pools\n"
        "pool = ThreadPoolExecutor(1)\n"
        "pool.submit(int).result()\n"
        "(worker,) = pool._threads\n"
        "pools.let_go(worker, pool)\n"
        "pools.take_back(worker, pool)\n"
        "print('done')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=True)
    assert ended.stdout == "done\n"
