"""`Planner`: document 004's life cycle, with persistence, for synchronous and asynchronous callers."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from concertino import Brief, Budget, InputError, Planner, RunNotFound, RunStateError, specialist
from tests.graph.plans import alpha, beta, outputs, states, subtask, task

TASK = task("t")["task"]
GATED = task("t", subtask("a", "alpha", gate=True), subtask("b", "beta", "a"))["task"]
MESSAGE = {"agent_id", "task_id", "message_type", "payload", "confidence", "timestamp", "parent_task_id"}
"""Document 004's `AgentMessage`."""


async def _stream(made: Planner, given: Any, *, is_sync: bool) -> list[Any]:
    return list(made.stream(given)) if is_sync else [event async for event in made.astream(given)]


@pytest.mark.parametrize("is_sync", [True, False])
async def test_every_event_is_an_agent_message(is_sync: bool) -> None:
    """The stream is the journal's own order, from admission to the end, each event in document 004's form."""
    with Planner(specialists=[alpha, beta]) as made:
        streamed = await _stream(made, TASK, is_sync=is_sync)
        kept = made.events("t")
        assert [event.type for event in streamed] == [event.type for event in kept]
        assert (kept[0].type, kept[-1].type) == ("RUN_ADMITTED", "RUN_COMPLETED")
        assert [event.seq for event in kept] == list(range(1, len(kept) + 1))
        for event in kept:
            assert set(event.model_dump()) >= MESSAGE
            assert event.message_type in ("TASK", "RESULT", "ERROR", "STATUS")
        assert kept[-1].payload["result"] == made.run(TASK)


@pytest.mark.parametrize("is_sync", [True, False])
async def test_an_event_names_the_parent_task(is_sync: bool) -> None:
    """A task that says whose child it is passes that on with every event."""
    with Planner(specialists=[alpha, beta]) as made:
        streamed = await _stream(made, {**TASK, "parent_task_id": "above"}, is_sync=is_sync)
        assert {event.parent_task_id for event in streamed} == {"above"}


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_stream_ends_with_the_runs_own_error(is_sync: bool) -> None:
    """What is refused is raised where the stream is read."""
    with Planner(specialists=[alpha, beta]) as made:
        with pytest.raises(InputError, match=r"task\.colour"):
            await _stream(made, {**TASK, "colour": 1}, is_sync=is_sync)
        assert made.runs() == []


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_stream_of_a_run_that_waits_ends_with_its_question(is_sync: bool) -> None:
    """When a run parks, its stream ends, and it is taken up with an answer."""
    with Planner(specialists=[alpha, beta]) as made:
        streamed = await _stream(made, GATED, is_sync=is_sync)
        assert [event.type for event in streamed][-1] == "RUN_PARKED"
        made.answer("t", "a", "accept")
        assert made.resume("t")["status"] == "success"


async def test_closing_an_asynchronous_stream_stops_the_run() -> None:
    """Who stops listening stops the invocation; what was done is kept, and a resume goes on."""
    began, stopped = asyncio.Event(), asyncio.Event()
    calls: list[str] = []

    @specialist("slow")
    async def slow(brief: Brief) -> int:
        calls.append("slow")
        if len(calls) == 1:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
        return 1

    with Planner(specialists=[alpha, slow]) as made:
        stream = made.astream(task("t", subtask("a", "alpha"), subtask("s", "slow", "a"))["task"])
        async for event in stream:
            if event.type == "TASK_COMPLETED":
                await began.wait()
                break
        await stream.aclose()
        assert stopped.is_set()
        assert (await made.astatus("t"))["state"] == "waiting"
        result = await made.aresume("t")
        assert states(result) == {"a": "completed", "s": "completed"}
        assert [event.subtask_id for event in made.events("t") if event.type == "TASK_COMPLETED"] == ["a", "s"]


def test_closing_a_synchronous_stream_lets_the_run_end() -> None:
    """A thread cannot be stopped: a run whose stream is given up goes on to its end."""
    began, go, ended = threading.Event(), threading.Event(), threading.Event()

    @specialist("slow")
    def slow(brief: Brief) -> int:
        began.set()
        assert go.wait(10)
        return 1

    def look(event: Any) -> None:
        if event.type == "RUN_COMPLETED":
            ended.set()

    with Planner(specialists=[slow], on_event=look) as made:
        stream = made.stream(task("t", subtask("s", "slow"))["task"])
        for _ in stream:
            if began.wait(10):
                break
        stream.close()
        go.set()
        assert ended.wait(10)
        assert made.status("t")["state"] in ("running", "success")


async def test_the_whole_life_cycle_has_async_twins(tmp_path: Path) -> None:
    """Run, answer, resume, status, events, cancel and restart work awaited, on a database file."""
    place = f"sqlite:///{tmp_path / 'p.db'}"
    with Planner(specialists=[alpha, beta], database=place) as made:
        waiting = await made.arun(GATED)
        assert waiting["status"] == "waiting"
        status = await made.aanswer("t", "a", {"decision": "reject", "reason": "no"})
        assert status["state"] == "waiting"
        result = await made.aresume("t")
        assert states(result) == {"a": "skipped", "b": "skipped"}
        assert await made.aresume("t") == result
        assert await made.arun(GATED) == result
        again = await made.arestart("t")
        assert again["parent_run_id"] == result["run_id"]
        assert len(await made.aevents("t")) > 10
        assert (await made.astatus("t"))["state"] == again["status"]


@pytest.mark.parametrize("is_sync", [True, False])
async def test_a_cancelled_run_is_restarted_from_its_last_good_state(is_sync: bool) -> None:
    """`cancel` stops what runs at once, with its reason; `restart` keeps what was completed."""
    began = threading.Event()
    calls: list[str] = []

    @specialist("first")
    async def first(brief: Brief) -> int:
        calls.append("first")
        return 1

    @specialist("slow")
    async def slow(brief: Brief) -> int:
        calls.append("slow")
        if calls.count("slow") == 1:
            began.set()
            await asyncio.Event().wait()
        return 2

    given = task("t", subtask("f", "first"), subtask("s", "slow", "f"), subtask("z", "first", "s"))["task"]
    with Planner(specialists=[first, slow]) as made:

        def cancel() -> None:
            assert began.wait(10)
            made.cancel("t", "changed my mind")

        helper = threading.Thread(target=cancel)
        helper.start()
        result = made.run(given) if is_sync else await made.arun(given)
        helper.join()
        assert (result["status"], result["reason"]) == ("cancelled", "changed my mind")
        assert states(result) == {"f": "completed", "s": "cancelled", "z": "cancelled"}
        again = made.restart("t") if is_sync else await made.arestart("t")
        assert states(again) == {"f": "completed", "s": "completed", "z": "completed"}
        assert calls.count("first") == 2


def test_a_run_that_waits_can_be_cancelled() -> None:
    """Nobody has to work on a run for it to be cancelled."""
    with Planner(specialists=[alpha, beta]) as made:
        made.run(GATED)
        made.cancel("t", "too late")
        with pytest.raises(RunStateError):
            made.answer("t", "a", "accept")
        assert made.resume("t")["status"] == "cancelled"


def test_the_result_of_a_run_cancelled_while_it_waited_is_whole() -> None:
    """Nothing in it is still to come, and it has what was spent, as one of a run that was cancelled at work."""

    @specialist("spender", authority=0.5)
    def spender(brief: Brief) -> int:
        brief.spend(tokens=30, usd=0.5)
        return 1

    given = task("t", subtask("s", "spender"), subtask("a", "alpha", gate=True), subtask("b", "beta", "a"))["task"]
    with Planner(specialists=[alpha, beta, spender], budget=Budget(tokens=100)) as made:
        made.run(given)
        made.cancel("t", "too late")
        for result in (made.resume("t"), made.run(given)):
            assert states(result) == {"s": "completed", "a": "cancelled", "b": "cancelled"}
            told: Any = result
            assert {one["reason"] for one in told["subtasks"]} == {None, "too late"}
            assert (told["usage"]["tokens"], told["usage"]["usd"], told["limits"]) == (30, 0.5, {"tokens": 100})
            assert [one["specialist"] for one in told["missing"]] == ["alpha", "beta"]
            assert 0 < told["confidence"] < 0.5
            assert told["costs"]["specialists"]["spender"]["usd"] == 0.5
        assert told.keys() == made.run(TASK | {"task_id": "other"}).keys()


@pytest.mark.parametrize("call", ["status", "events", "resume", "restart", "cancel"])
def test_an_unknown_task_is_not_found(call: str) -> None:
    """Every method says so by the task's id."""
    with Planner(specialists=[alpha]) as made, pytest.raises(RunNotFound, match="nope"):
        getattr(made, call)("nope")


def test_a_status_shows_the_open_gates() -> None:
    """What a run waits for can be read off its status."""
    with Planner(specialists=[alpha, beta]) as made:
        made.run(GATED)
        status = made.status("t")
        assert status["state"] == "waiting"
        gates: Any = status["gates"]
        assert [gate["gate"] for gate in gates["open"]] == ["a"]


def test_listeners_hear_every_run() -> None:
    """`on_event` of the planner hears all runs, `on_event` of a run that one alone."""
    everything: list[str] = []
    mine: list[str] = []
    with Planner(specialists=[alpha, beta], on_event=lambda event: everything.append(event.task_id)) as made:
        made.run(task("one")["task"], on_event=lambda event: mine.append(event.task_id))
        made.run(task("two")["task"])
    assert set(everything) == {"one", "two"}
    assert set(mine) == {"one"}
    assert len(mine) == everything.count("one")


def test_a_context_goes_with_a_run() -> None:
    """`run` hands LangGraph's own arguments on."""
    with Planner(specialists=[alpha, beta]) as made:
        assert made.run(TASK, context={"require_approval": True})["status"] == "waiting"
        made.answer("t", "plan", "accept")
        assert outputs(made.resume("t"))["a"] == {"alpha": 1}
