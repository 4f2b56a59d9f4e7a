"""A run's way into the journal: what a turn brings goes in together, in order, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from langgraph.types import Send

from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import JournalError, StaleLease
from concertino.contracts.event import Event
from concertino.contracts.journal import RunRow
from concertino.graph.checkpoints import StrictSerializer
from concertino.graph.dataflow.errands import Errand
from concertino.graph.runs.record import LATE_S, Record
from concertino.graph.runs.voice import Voice


class _Journal:
    """Takes appends and answers them when told."""

    def __init__(self) -> None:
        self.appends: list[tuple[list[str], str | None]] = []
        self._answers: list[Future[list[int]]] = []

    def append(self, events: Sequence[Event], *, lease: Any, state: str | None) -> Future[list[int]]:
        self.appends.append(([str(event.subtask_id) for event in events], state))
        self._answers.append(Future())
        return self._answers[-1]

    def answer(self, error: Exception | None = None) -> None:
        for answer in self._answers:
            if error is None:
                answer.set_result([1])
            else:
                answer.set_exception(error)
        self._answers = []


def _event(name: str) -> Event:
    return Event(task_id="t", run_id="r", type="TASK_STARTED", message_type="TASK", subtask_id=name, timestamp=1.0)


def _settled(name: str) -> Event:
    return _event(name).model_copy(update={"type": "SETTLED"})


def _record(lost: list[StaleLease]) -> tuple[_Journal, Record]:
    journal: Any = _Journal()
    row = RunRow("r", "t", "thread", "hash", {}, "running")
    return journal, Record(
        journal, row, None, parent_task_id=None, clock=SystemClock(), voice=Voice(()), loop=asyncio.get_running_loop(),
        on_lost=lost.append,
    )  # fmt: skip


async def test_what_one_turn_brings_is_one_append() -> None:
    """It is handed in at the turn's end, before anything that was started in it runs."""
    journal, record = _record([])
    seen: list[int] = []
    for name in "abc":
        record.add(_event(name))
        asyncio.get_running_loop().call_soon(lambda: seen.append(len(journal.appends)))
    assert journal.appends == []
    await asyncio.sleep(0)
    assert journal.appends == [(["a", "b", "c"], None)]
    assert seen == [1, 1, 1]


async def test_order_holds_between_threads_and_new_states() -> None:
    """Whatever is handed in at once takes along what came before it."""
    journal, record = _record([])
    record.add(_event("a"))
    await asyncio.to_thread(record.add, _event("b"))
    record.add(_event("c"))
    record.add(_event("d"), state="running")
    record.add(_event("e"))
    await asyncio.sleep(0)
    assert [name for names, _ in journal.appends for name in names] == list("abcde")
    assert (["c", "d"], "running") in journal.appends


async def test_a_settlement_goes_in_with_the_next_event() -> None:
    """Nobody waits for it, so it costs no append of its own."""
    journal, record = _record([])
    record.add(_settled("a"))
    await asyncio.sleep(0)
    assert journal.appends == []
    record.add(_event("b"))
    await asyncio.sleep(0)
    assert journal.appends == [(["a", "b"], None)]


async def test_a_settlement_waits_for_no_event_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is handed in when its time is over, and one timer does for all that came meanwhile."""
    journal, record = _record([])
    timers: list[tuple[float, Any]] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda *timer: timers.append(timer))
    record.add(_settled("a"))
    record.add(_settled("b"))
    assert [seconds for seconds, _ in timers] == [LATE_S]
    timers[0][1]()
    assert journal.appends == [(["a", "b"], None)]
    record.add(_settled("c"))
    assert len(timers) == 2


async def test_flush_waits_for_what_is_not_even_handed_in() -> None:
    """It ends once everything is committed."""
    journal, record = _record([])
    written = record.add(_event("a"))
    flushed = asyncio.create_task(record.flush())
    await asyncio.sleep(0)
    assert (journal.appends, flushed.done(), written.done()) == ([(["a"], None)], False, False)
    journal.answer()
    await flushed
    assert written.result() == [1]


async def test_a_refusal_reaches_who_waits_and_who_does_not() -> None:
    """A lost lease is told on; a storage error stays as the record's hole."""
    lost: list[StaleLease] = []
    journal, record = _record(lost)
    for error in (JournalError(place="here", reason="full"), StaleLease(run_id="r", held=1, current=2)):
        written = record.add(_event("a"))
        await asyncio.sleep(0)
        journal.answer(error)
        with pytest.raises(type(error)):
            written.result(timeout=0)
    assert isinstance(record.hole, JournalError)
    assert [error.current for error in lost] == [2]


def test_an_errand_comes_back_as_a_send() -> None:
    """What is stored names LangGraph's class alone, so that any reader of a checkpoint knows it."""
    serializer = StrictSerializer()
    sent = Errand("noop", {"subtask_id": "a"})
    kind, data = serializer.dumps_typed([sent])
    back = serializer.loads_typed((kind, data))
    assert type(back[0]) is Send
    assert (back, [sent]) == ([Send("noop", {"subtask_id": "a"})], back)
    assert b"concertino" not in data
