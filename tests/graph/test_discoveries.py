"""What specialists tell each other while they work: the shared board, its bounds, and what a resume knows of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino import Brief, Limits, Planner, specialist
from concertino.contracts.clock import SystemClock
from concertino.contracts.discovery import Discovery
from concertino.graph.runs.discoveries import KEPT, Discoveries, Reader
from tests.graph import listening
from tests.graph.plans import outputs, planner, states, subtask, task

PAIR = (subtask("tell", "teller"), subtask("hear", "listener"))


@specialist("teller")
async def teller(brief: Brief) -> int:
    """Publish, and stay until it was heard."""
    await brief.publish("compliance_issue", clause="7.2")
    await brief.sync(wait_s=30)
    return 1


async def test_a_running_specialist_hears_what_another_publishes() -> None:
    """It waits for news, and gets each discovery once."""

    @specialist("listener")
    async def listener(brief: Brief) -> dict[str, Any]:
        first = await brief.sync(wait_s=30)
        await brief.publish("heard")
        return {
            "said": [(one.specialist, one.subtask_id, one.finding, one.data["clause"]) for one in first],
            "again": len(await brief.sync()),
            "all": len(brief.discoveries),
        }

    result = (await planner(teller, listener).ainvoke(task("t", *PAIR)))["result"]
    assert outputs(result)["hear"] == {
        "said": [["teller", "tell", "compliance_issue", "7.2"]],
        "again": 0,
        "all": 1,
    }


def test_a_plain_function_hears_it_too() -> None:
    """`brief.sync` has the news when it returns."""

    @specialist("listener")
    def listener(brief: Brief) -> list[str]:
        news = brief.sync(wait_s=30)
        brief.publish("heard")
        return [one.finding for one in news]

    result = planner(teller, listener).invoke(task("t", *PAIR))["result"]
    assert outputs(result)["hear"] == ["compliance_issue"]


@pytest.mark.parametrize("heard_by", [listening.listener, listening.alistener])
async def test_a_child_process_hears_it_too(heard_by: Any) -> None:
    """Over the wire, in plain functions and in coroutines."""
    made = (subtask("tell", "teller"), subtask("hear", heard_by.card.name))
    result = (await planner(teller, heard_by).ainvoke(task("t", *made)))["result"]
    assert outputs(result)["hear"] == {"first": ["compliance_issue"], "all": [{"clause": "7.2"}], "rest": 0}


async def test_a_wrong_wait_is_refused_by_name_in_a_child_process_too() -> None:
    """As any other argument."""
    result = (await planner(listening.impatient).ainvoke(task("t", subtask("s", "impatient"))))["result"]
    assert "sync.wait_s" in result["subtasks"][0]["reason"]


@pytest.mark.parametrize("wait_s", [-1, True, "5", None, float("nan"), float("inf")])
async def test_a_wrong_wait_is_refused(wait_s: Any) -> None:
    """Seconds from 0; nothing else."""

    @specialist("odd", max_attempts=1)
    async def odd(brief: Brief) -> int:
        await brief.sync(wait_s=wait_s)
        return 1

    result = (await planner(odd).ainvoke(task("t", subtask("s", "odd"))))["result"]
    assert "sync.wait_s" in result["subtasks"][0]["reason"]


async def test_nobody_hears_itself_and_nothing_new_is_nothing() -> None:
    """What a subtask published is no news to it; without waiting it returns at once."""

    @specialist("lonely")
    async def lonely(brief: Brief) -> list[int]:
        await brief.publish("a")
        return [len(await brief.sync()), len(await brief.sync(wait_s=0.001)), len(brief.discoveries)]

    result = (await planner(lonely).ainvoke(task("t", subtask("s", "lonely"))))["result"]
    assert outputs(result)["s"] == [0, 0, 0]


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_a_wait_ends_with_its_attempt(kind: str) -> None:
    """A deadline ends it as it ends all work, and a thread that waits is not left behind."""
    ended = threading.Event()

    if kind == "coroutine":

        @specialist("patient", max_attempts=1)
        async def patient(brief: Brief) -> int:
            try:
                await brief.sync(wait_s=1_000)
            finally:
                ended.set()
            return 1
    else:

        @specialist("patient", max_attempts=1)
        def patient(brief: Brief) -> int:
            try:
                brief.sync(wait_s=1_000)
            finally:
                ended.set()
            return 1

    made = planner(patient)
    result = made.invoke(task("t", subtask("s", "patient", budget={"seconds": 0.05})))["result"]
    assert ended.wait(10)
    assert result["usage"]["seconds"] < 10


def test_cancelling_a_run_wakes_a_thread_that_waits(tmp_path: Path) -> None:
    """It does not sit there until its wait is over."""
    begun, ended = threading.Event(), threading.Event()

    @specialist("patient", max_attempts=1)
    def patient(brief: Brief) -> int:
        begun.set()
        try:
            brief.sync(wait_s=1_000)
        finally:
            ended.set()
        return 1

    with Planner(specialists=[patient], database=f"sqlite:///{tmp_path / 'x.db'}") as made:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(made.run(task("t", subtask("s", "patient"))["task"])))
        thread.start()
        assert begun.wait(10)
        made.cancel("t", "enough")
        thread.join(10)
        assert ended.wait(10)
    assert found[0]["status"] == "cancelled"


def test_a_resume_hears_what_was_published_before(tmp_path: Path) -> None:
    """The board is read from the record by whoever carries on."""
    told: list[list[str]] = []

    @specialist("teller")
    async def once(brief: Brief) -> int:
        await brief.publish("early", n=1)
        return 1

    @specialist("listener")
    async def listener(brief: Brief) -> int:
        await brief.publish("own")
        told.append([one.finding for one in await brief.sync(wait_s=30)])
        return 1

    given_task = task("t", subtask("tell", "teller"), subtask("hear", "listener", "tell", gate=True))["task"]
    path = f"sqlite:///{tmp_path / 'x.db'}"
    with Planner(specialists=[once, listener], database=path) as first:
        assert first.run(given_task)["status"] == "waiting"
    with Planner(specialists=[once, listener], database=path) as second:
        second.answer("t", "hear", "accept")
        result: Any = second.resume("t")
    assert states(result) == {"tell": "completed", "hear": "completed"}
    assert told == [["early"]]


# The board itself.


def said(*, number: int, by: str = "a", **data: Any) -> Discovery:
    return Discovery(number, "s", by, "f", data)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 400)), max_size=400))
def test_the_board_is_bounded_and_tells_each_discovery_once(told: list[tuple[str, int]]) -> None:
    """At most so many, at most so large; a reader sees each of the others' in order, none twice, its own never."""
    board = Discoveries(most_bytes=2_000)
    reader = board.since(0, subtask_id="a")
    seen = 0
    heard: list[Discovery] = []
    for by, size in told:
        board.add("s", by, "f", {"x": "x" * size})
        news = board.since(seen, subtask_id="a")
        heard += news
        seen = news[-1].number if news else seen
    assert reader == ()
    assert all(one.subtask_id != "a" for one in heard)
    assert [one.number for one in heard] == sorted({one.number for one in heard})
    kept = board.since(0, subtask_id="nobody")
    assert len(kept) <= KEPT
    assert sum(len(str(one.data["x"])) for one in kept) <= 2_000


def test_what_is_larger_than_the_board_stays_on_the_record_alone() -> None:
    """It drives nothing else off."""
    board = Discoveries([said(number=9, x=1), said(number=11, x=1), said(number=12, x=2)], most_bytes=100)
    board.add("s", "b", "f", {"x": "x" * 200})
    assert [(one.number, one.data["x"]) for one in board.since(0, subtask_id="z")] == [(1, 1), (2, 2)]


async def test_the_bound_is_the_planner_s_limit() -> None:
    """`Limits.bytes` bounds what all discoveries take together."""

    @specialist("teller")
    async def loud(brief: Brief) -> int:
        for n in range(20):
            await brief.publish("noise", n=n, text="x" * 100)
        return 1

    @specialist("listener")
    async def listener(brief: Brief) -> list[Any]:
        return [one.data["n"] for one in await brief.sync()]

    made = (subtask("tell", "teller"), subtask("hear", "listener", "tell"))
    result = (await planner(loud, listener, limits=Limits(bytes=1_000)).ainvoke(task("t", *made)))["result"]
    heard = outputs(result)["hear"]
    assert 0 < len(heard) < 10
    assert heard == list(range(20 - len(heard), 20))


def test_threads_that_wait_and_publish_lose_no_wake_up() -> None:
    """Many readers and writers at once: every reader hears of every discovery."""
    board, clock = Discoveries(most_bytes=10**6), SystemClock()
    heard: dict[int, int] = {}

    def hear(me: int) -> None:
        reader, count = Reader(board, f"r{me}", clock), 0
        while count < 100:
            news = reader.news_blocking(30, deadline=None)
            assert news
            count += len(news)
        heard[me] = count

    def tell(me: int) -> None:
        for n in range(25):
            board.add("s", f"w{me}", "f", {"n": n})

    threads = [threading.Thread(target=hear, args=(me,)) for me in range(4)]
    writers = [threading.Thread(target=tell, args=(me,)) for me in range(4)]
    for thread in threads + writers:
        thread.start()
    for thread in threads + writers:
        thread.join(30)
    assert heard == dict.fromkeys(range(4), 100)
