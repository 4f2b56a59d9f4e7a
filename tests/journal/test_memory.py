"""What the journal in this process's memory does beyond the port."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from concertino.contracts.errors import JournalError, RunBusy
from concertino.contracts.event import Event
from concertino.journal import MemoryJournal, this_owner
from tests.journal.test_conformance import begin, event


@pytest.fixture
def journal(clock: Any) -> MemoryJournal:
    """Give an empty one."""
    return MemoryJournal(clock=clock)


def test_every_future_is_done_when_it_is_returned(journal: MemoryJournal) -> None:
    """So nothing waits for a thread, and a coroutine that awaits it goes on at once."""
    lease = begin(journal)
    futures: list[Any] = [journal.append([event()], lease=lease), journal.events("t1"), journal.record()]
    futures += [journal.run("r1"), journal.latest("t1"), journal.head("th1"), journal.runs(), journal.pending()]
    assert all(future.done() for future in futures)


def test_a_lease_without_end_is_never_taken_over(journal: MemoryJournal, clock: Any) -> None:
    """Whoever holds one lives as long as the journal does."""
    lease = begin(journal)
    clock.time += 1e9
    with pytest.raises(RunBusy):
        journal.acquire("r1", owner=this_owner()).result()
    journal.release(lease).result()
    assert journal.acquire("r1", owner=this_owner()).result().epoch == 2


def test_the_record_is_nobodys_to_change(journal: MemoryJournal) -> None:
    """What was appended, and what was read, may be changed without changing what is on the record."""
    lease = begin(journal)
    payload: dict[str, Any] = {"list": [1], "pair": (1, 2)}
    journal.append([event().model_copy(update={"payload": payload})], lease=lease).result()
    payload["list"].append(2)
    (found,) = journal.events("t1").result()
    assert found.payload == {"list": [1], "pair": [1, 2]}
    found.payload.clear()
    assert journal.events("t1").result()[0].payload == {"list": [1], "pair": [1, 2]}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "\ud800", object()])
def test_what_is_no_json_is_refused(journal: MemoryJournal, bad: object) -> None:
    """As by any store, alone."""
    lease = begin(journal)
    refused = journal.append([event().model_copy(update={"payload": {"x": bad}})], lease=lease)
    assert isinstance(refused.exception(), JournalError)
    assert journal.append([event(text="NaN and Infinity are words")], lease=lease).result() == [1]


def test_listeners_hear_of_controls(journal: MemoryJournal) -> None:
    """Each one, once it is on the record, until they are not to any more."""
    lease = begin(journal)
    heard: list[Event] = []
    journal.heed(heard.append)
    journal.append([event("GATE_ANSWERED", gate="g"), event()], lease=lease).result()
    journal.append([event("CANCEL_REQUESTED", run_id="r9")], lease=None).exception()
    journal.ignore(heard.append)
    journal.append([event("GATE_ANSWERED", gate="h")], lease=None).result()
    assert [one.payload for one in heard] == [{"gate": "g"}]


async def test_a_done_future_costs_no_turn_of_the_loop(journal: MemoryJournal) -> None:
    """Others do not get to run before who awaits it goes on."""
    from concertino.journal import wait

    order: list[str] = []
    other = asyncio.get_running_loop().call_soon(order.append, "another")
    await wait(journal.runs())
    order.append("first")
    await asyncio.sleep(0)
    assert order == ["first", "another"]
    other.cancel()
