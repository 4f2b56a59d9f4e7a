"""What every journal does, sentence by sentence of the port, over every store in `conftest.store`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import JournalError, RunBusy, RunNotFound, StaleLease, TaskConflict
from concertino.contracts.event import Event, EventType, message_type
from concertino.contracts.journal import Admission, Journal, Lease, LessonJournal, OutboxItem
from concertino.journal import open_journal, this_owner
from tests.clocks import StillClock

ELSEWHERE = "another-host:1:1:x"
"""An owner of whose life nothing is known here."""


def admission(run_id: str = "r1", task_id: str = "t1", content: str = "a", **more: Any) -> Admission:
    task: dict[str, Any] = {"title": content}
    return Admission(run_id, task_id, more.pop("thread_id", "th1"), f"hash-{content}", task, 1_000.0, **more)


def event(kind: EventType = "TASK_STARTED", run_id: str = "r1", task_id: str = "t1", **payload: Any) -> Event:
    return Event(
        task_id=task_id, run_id=run_id, type=kind, message_type=message_type(kind), payload=payload, timestamp=1_000.0
    )


def begin(journal: Journal, run_id: str = "r1", task_id: str = "t1") -> Lease:
    journal.admit(admission(run_id, task_id)).result()
    return journal.acquire(run_id, owner=this_owner()).result()


class TestAdmission:
    def test_a_first_admission_makes_a_run(self, journal: Journal) -> None:
        """The row carries what was admitted and is free."""
        outcome = journal.admit(admission(parent_run_id="r0")).result()
        row = outcome.row
        assert outcome.created
        assert (row.run_id, row.task_id, row.thread_id, row.task) == ("r1", "t1", "th1", {"title": "a"})
        assert (row.state, row.parent_run_id, row.epoch, row.owner) == ("admitted", "r0", 0, None)
        assert (row.created, row.updated) == (1_000.0, 1_000.0)

    def test_the_same_task_gives_its_newest_run(self, journal: Journal) -> None:
        """A resubmission returns what is there, including a restart of it."""
        journal.admit(admission()).result()
        again = journal.admit(admission("r2")).result()
        assert (again.created, again.row.run_id) == (False, "r1")
        journal.admit(admission("r3", token="restart-1")).result()
        assert journal.admit(admission("r4")).result().row.run_id == "r3"

    def test_another_content_is_a_conflict(self, journal: Journal) -> None:
        """A known id with new content is refused and nothing is made."""
        journal.admit(admission()).result()
        with pytest.raises(TaskConflict):
            journal.admit(admission("r2", content="b")).result()
        assert [row.run_id for row in journal.runs().result()] == ["r1"]

    def test_a_token_makes_one_run(self, journal: Journal) -> None:
        """A fork may change the content; its token names it for good."""
        journal.admit(admission()).result()
        fork = journal.admit(admission("r2", content="b", token="fork:1", parent_run_id="r1")).result()
        again = journal.admit(admission("r3", content="b", token="fork:1")).result()
        assert (fork.created, again.created, again.row.run_id) == (True, False, "r2")

    def test_a_changed_fork_does_not_make_the_original_a_conflict(self, journal: Journal) -> None:
        """Submitting the original content again still finds the original run."""
        journal.admit(admission()).result()
        journal.admit(admission("r2", content="b", token="fork:1")).result()
        assert journal.admit(admission("r3")).result().row.run_id == "r1"

    def test_runs_are_found_by_id_task_and_thread(self, journal: Journal) -> None:
        """The newest run answers for a thread, and for a task where it is no fork; unknown names give nothing."""
        journal.admit(admission()).result()
        journal.admit(admission("r2", token="x")).result()
        journal.admit(admission("r4", token="fork:2")).result()
        journal.admit(admission("r3", "t2", thread_id="th2")).result()
        found = journal.run("r1").result(), journal.latest("t1").result(), journal.head("th2").result()
        assert [row.run_id if row else None for row in found] == ["r1", "r2", "r3"]
        assert [row.run_id for row in journal.runs(limit=2).result()] == ["r3", "r4"]
        for name in ("x", "x\ud800", "x\0"):
            assert [call.result() for call in (journal.run(name), journal.latest(name), journal.head(name))] == [
                None
            ] * 3


class TestLeases:
    def test_every_acquisition_raises_the_epoch(self, journal: Journal) -> None:
        """Taking, giving back and taking again counts up."""
        first = begin(journal)
        journal.release(first).result()
        second = journal.acquire("r1", owner=this_owner()).result()
        assert (first.epoch, second.epoch) == (1, 2)

    def test_a_live_owner_keeps_others_out(self, journal: Journal) -> None:
        """Another planner of this very process is refused as well, and is told how long."""
        lease = begin(journal)
        with pytest.raises(RunBusy) as caught:
            journal.acquire("r1", owner=this_owner()).result()
        assert (caught.value.owner, caught.value.expires_in_s) == (lease.owner, 10.0)

    def test_its_own_owner_may_take_a_lease_again(self, journal: Journal) -> None:
        """The same full owner string is the same holder."""
        lease = begin(journal)
        assert journal.acquire("r1", owner=lease.owner).result().epoch == 2

    def test_an_expired_lease_is_taken_over(self, journal: Journal, clock: Any) -> None:
        """At its end a lease is free, even if its owner cannot be examined."""
        journal.admit(admission()).result()
        journal.acquire("r1", owner=ELSEWHERE).result()
        clock.time += 9.9
        with pytest.raises(RunBusy):
            journal.acquire("r1", owner=this_owner()).result()
        clock.time += 0.1
        assert journal.acquire("r1", owner=this_owner()).result().epoch == 2

    def test_renewal_moves_the_end(self, journal: Journal, clock: Any) -> None:
        """A renewed lease counts from the renewal."""
        journal.admit(admission()).result()
        lease = journal.acquire("r1", owner=ELSEWHERE).result()
        clock.time += 9
        journal.renew(lease).result()
        clock.time += 9
        with pytest.raises(RunBusy):
            journal.acquire("r1", owner=this_owner()).result()

    def test_a_dead_local_owner_is_replaced_at_once(self, journal: Journal) -> None:
        """Same host, same process id, another start: that process is gone."""
        journal.admit(admission()).result()
        host, pid, start, nonce = this_owner().split(":")
        journal.acquire("r1", owner=f"{host}:{pid}:{int(start) + 1}:{nonce}").result()
        assert journal.acquire("r1", owner=this_owner()).result().epoch == 2

    def test_a_lost_lease_neither_renews_nor_releases(self, journal: Journal, clock: Any) -> None:
        """The old holder learns that it lost, and cannot free the new holder's lease."""
        old = begin(journal)
        clock.time += 10
        new = journal.acquire("r1", owner=this_owner()).result()
        with pytest.raises(StaleLease) as caught:
            journal.renew(old).result()
        assert (caught.value.held, caught.value.current) == (1, 2)
        journal.release(old).result()
        row = journal.run("r1").result()
        assert row is not None
        assert row.owner == new.owner

    def test_an_unknown_run_cannot_be_taken(self, journal: Journal) -> None:
        """The error names it."""
        with pytest.raises(RunNotFound):
            journal.acquire("nobody", owner=this_owner()).result()


class TestAppends:
    def test_events_come_back_as_they_went_in(self, journal: Journal) -> None:
        """Every field survives; the journal adds number and epoch."""
        lease = begin(journal)
        sent = event(text="naïve 🎻", n=[1, 2.5, None, True, {"k": {}}]).model_copy(
            update={"agent_id": "a", "subtask_id": "s", "confidence": 0.5, "parent_task_id": "p"}
        )
        assert journal.append([sent], lease=lease).result() == [1]
        assert journal.events("t1").result() == [sent.model_copy(update={"seq": 1, "epoch": 1})]

    def test_numbers_run_per_task_across_runs(self, journal: Journal) -> None:
        """Two runs of a task share one count; another task has its own."""
        first = begin(journal)
        journal.admit(admission("r2", token="x")).result()
        second = journal.acquire("r2", owner=this_owner()).result()
        other = begin(journal, "r3", "t2")
        assert journal.append([event(), event()], lease=first).result() == [1, 2]
        assert journal.append([event(run_id="r2")], lease=second).result() == [3]
        assert journal.append([event(run_id="r3", task_id="t2")], lease=other).result() == [1]
        assert [found.seq for found in journal.events("t1", after=1).result()] == [2, 3]
        assert [found.seq for found in journal.events("t1", run_id="r2").result()] == [3]
        assert [found.seq for found in journal.events("t1", limit=2).result()] == [1, 2]

    def test_sixteen_threads_leave_no_gap(self, journal: Journal) -> None:
        """Every append gets its own numbers, in the order of each thread's calls."""
        lease = begin(journal)

        def work(worker: int) -> list[int]:
            return [
                number
                for turn in range(20)
                for number in journal.append([event(w=worker, t=turn), event(w=worker, t=turn)], lease=lease).result()
            ]

        with ThreadPoolExecutor(16) as pool:
            numbers = list(pool.map(work, range(16)))
        assert sorted(number for own in numbers for number in own) == list(range(1, 641))
        assert all(own == sorted(own) and own[1::2] == [n + 1 for n in own[::2]] for own in numbers)
        assert [found.seq for found in journal.events("t1").result()] == list(range(1, 641))

    def test_a_stale_epoch_writes_nothing(self, journal: Journal, clock: Any) -> None:
        """Neither events nor state nor outbox of the old holder arrive, while its neighbours' do."""
        old = begin(journal)
        clock.time += 10
        new = journal.acquire("r1", owner=this_owner()).result()
        late = [journal.append([event(who="old")], lease=old, state="failed", outbox=[OutboxItem("k", "t")])]
        late += [journal.append([event(who="new")], lease=new), journal.append([event(who="old")], lease=old)]
        assert isinstance(late[0].exception(), StaleLease)
        assert isinstance(late[2].exception(), StaleLease)
        assert late[1].result() == [1]
        assert [found.payload["who"] for found in journal.events("t1").result()] == ["new"]
        row = journal.run("r1").result()
        assert row is not None
        assert row.state == "admitted"
        assert journal.pending().result() == []

    def test_a_released_lease_writes_nothing(self, journal: Journal) -> None:
        """Who gave the run back has to take it again."""
        lease = begin(journal)
        journal.release(lease).result()
        assert isinstance(journal.append([event()], lease=lease).exception(), StaleLease)

    def test_a_lease_writes_for_its_own_run_only(self, journal: Journal) -> None:
        """An event of another run is refused."""
        lease = begin(journal)
        begin(journal, "r2", "t2")
        assert isinstance(journal.append([event(run_id="r2", task_id="t2")], lease=lease).exception(), JournalError)

    def test_state_changes_with_its_events(self, journal: Journal, clock: Any) -> None:
        """The run's state and time move in the same commit; a state alone is fine, too."""
        lease = begin(journal)
        clock.time = 1_005.0
        journal.append([event("RUN_DISPATCHED")], lease=lease, state="running").result()
        row = journal.run("r1").result()
        assert row is not None
        assert (row.state, row.updated) == ("running", 1_005.0)
        assert journal.append([], lease=lease, state="waiting").result() == []

    def test_what_cannot_be_stored_fails_alone(self, journal: Journal) -> None:
        """NaN in one payload refuses that append as a whole and no other."""
        lease = begin(journal)
        sent = [
            journal.append([event(n=1)], lease=lease),
            journal.append([event(n=2), event(n=float("nan"))], lease=lease, state="failed"),
            journal.append([event(n=3)], lease=lease),
        ]
        assert sent[0].result() + sent[2].result() == [1, 2]
        assert isinstance(sent[1].exception(), JournalError)
        assert [found.payload["n"] for found in journal.events("t1").result()] == [1, 3]
        row = journal.run("r1").result()
        assert row is not None
        assert row.state == "admitted"

    def test_an_append_is_done_even_if_its_waiter_left(self, journal: Journal) -> None:
        """Cancelling the future does not take the events back."""
        lease = begin(journal)
        sent = journal.append([event()], lease=lease)
        assert not sent.cancel()
        assert len(journal.events("t1").result()) == sent.result()[0] == 1


class TestControls:
    def test_anybody_may_append_controls(self, journal: Journal) -> None:
        """Answers and cancellations need no lease, and carry epoch 0."""
        begin(journal)
        assert journal.append([event("GATE_ANSWERED", gate="g")], lease=None).result() == [1]
        assert journal.events("t1").result()[0].epoch == 0

    def test_nothing_else_goes_without_a_lease(self, journal: Journal) -> None:
        """Other events, a state, or an unknown run are refused."""
        begin(journal)
        assert isinstance(journal.append([event()], lease=None).exception(), JournalError)
        control = event("CANCEL_REQUESTED")
        assert isinstance(journal.append([control], lease=None, state="cancelled").exception(), JournalError)
        assert isinstance(journal.append([event("CANCEL_REQUESTED", "r9")], lease=None).exception(), RunNotFound)
        assert journal.events("t1").result() == []

    def test_controls_are_polled_by_cursor(self, journal: Journal) -> None:
        """-1 gives the present; then only newer control events come, of all tasks."""
        lease = begin(journal)
        begin(journal, "r2", "t2")
        journal.append([event("GATE_ANSWERED", gate="old")], lease=None).result()
        cursor, found = journal.controls(after=-1).result()
        assert found == []
        journal.append([event(), event()], lease=lease).result()
        assert journal.controls(after=cursor).result() == (cursor, [])
        journal.append([event("CANCEL_REQUESTED", "r2", "t2")], lease=None).result()
        journal.append([event("GATE_ANSWERED", gate="new")], lease=lease).result()
        after, found = journal.controls(after=cursor).result()
        assert [one.type for one in found] == ["CANCEL_REQUESTED", "GATE_ANSWERED"]
        assert journal.controls(after=after).result() == (after, [])


class TestLessons:
    def test_completions_and_truths_come_in_the_order_of_commit(self, journal: LessonJournal) -> None:
        """Of all tasks, by cursor; nothing else is among them."""
        lease, other = begin(journal), begin(journal, "r2", "t2")
        journal.append([event(), event("TASK_COMPLETED", n=1)], lease=lease).result()
        journal.append([event("TRUTH_SETTLED", truth="yes")], lease=None).result()
        journal.append(
            [event("AGENT_FAILED", "r2", "t2"), event("TASK_COMPLETED", "r2", "t2", n=2)], lease=other
        ).result()
        cursor, found = journal.lessons().result()
        assert [one.type for one in found] == ["TASK_COMPLETED", "TRUTH_SETTLED", "TASK_COMPLETED"]
        assert [one.payload for one in found] == [{"n": 1}, {"truth": "yes"}, {"n": 2}]
        assert journal.lessons(after=cursor).result() == (cursor, [])
        journal.append([event("TRUTH_SETTLED", truth="no")], lease=None).result()
        assert [one.payload for one in journal.lessons(after=cursor).result()[1]] == [{"truth": "no"}]

    def test_they_come_in_pages(self, journal: LessonJournal) -> None:
        """A limit cuts the oldest off, and the cursor leads to the rest without a gap."""
        lease = begin(journal)
        for n in range(3):
            journal.append([event("TASK_COMPLETED", n=n)], lease=lease).result()
            journal.append([event("TRUTH_SETTLED", n=n)], lease=None).result()
        told: list[Any] = []
        cursor, page = journal.lessons(limit=2).result()
        while page:
            told += [(one.type, one.payload["n"]) for one in page]
            assert len(page) <= 2
            cursor, page = journal.lessons(after=cursor, limit=2).result()
        assert told == [(kind, n) for n in range(3) for kind in ("TASK_COMPLETED", "TRUTH_SETTLED")]

    def test_a_truth_needs_no_lease_and_disturbs_no_live_run(self, journal: LessonJournal) -> None:
        """It may come after a run's end, and those who listen for answers and cancellations hear nothing of it."""
        lease = begin(journal)
        journal.append([event("RUN_COMPLETED")], lease=lease, state="success").result()
        cursor, _ = journal.controls(after=-1).result()
        assert journal.append([event("TRUTH_SETTLED", truth=1)], lease=None).result() == [2]
        assert journal.controls(after=cursor).result() == (cursor, [])


class TestOutbox:
    def test_a_key_leaves_once(self, journal: Journal) -> None:
        """A second item with a known key is dropped, also after delivery."""
        lease = begin(journal)
        items = [OutboxItem("k1", "topic", {"n": 1}), OutboxItem("k2", "topic"), OutboxItem("k1", "topic", {"n": 2})]
        journal.append([event()], lease=lease, outbox=items).result()
        assert journal.pending().result() == items[:2]
        assert journal.pending(limit=1).result() == items[:1]
        journal.acknowledge(["k1", "unknown"]).result()
        journal.append([event()], lease=lease, outbox=items[:1]).result()
        assert journal.pending().result() == [items[1]]


class TestRecord:
    def test_specialists_have_a_history(self, journal: Journal) -> None:
        """Completions, final failures and seconds are summed by specialist, however often it is asked."""
        lease = begin(journal)
        done = event("TASK_COMPLETED", specialist="a", usage={"seconds": 1.5})
        journal.append([done], lease=lease).result()
        assert journal.record().result()["a"].completed == 1
        failures = [event("AGENT_FAILED", specialist="a", final=final) for final in (True, False)]
        journal.append([done, *failures], lease=lease).result()
        found = journal.record().result()
        assert set(found) == {"a"}
        assert (found["a"].completed, found["a"].failed, found["a"].seconds) == (2, 1, 3.0)
        assert found["a"].last_success == 1_000.0


class TestClosing:
    def test_a_closed_journal_says_so(self, journal: Journal) -> None:
        """What was queued is written first; closing twice is harmless."""
        lease = begin(journal)
        sent = [journal.append([event()], lease=lease) for _ in range(50)]
        journal.close()
        journal.close()
        assert [number for one in sent for number in one.result()] == list(range(1, 51))
        assert isinstance(journal.append([event()], lease=lease).exception(), JournalError)
        assert isinstance(journal.events("t1").exception(), JournalError)


@given(
    st.lists(
        st.tuples(st.sampled_from(["leased", "stale", "control", "other"]), st.integers(0, 5)), min_size=1, max_size=40
    )
)
def test_any_interleaving_keeps_numbers_gapless(calls: list[tuple[str, int]]) -> None:
    """Whatever mix of appends is queued, each task's accepted events are numbered 1..n in the order of the calls."""
    journal = open_journal(None, clock=StillClock())
    lease, other = begin(journal), begin(journal, "r2", "t2")
    stale = Lease("r1", "t1", "somebody", 0)
    sent: dict[str, list[int]] = {"t1": [], "t2": []}
    futures = []
    for mark, (kind, size) in enumerate(calls):
        if kind == "other":
            futures.append(journal.append([event(run_id="r2", task_id="t2", m=mark)] * size, lease=other))
            sent["t2"] += [mark] * size
        elif kind == "control":
            futures.append(journal.append([event("GATE_ANSWERED", m=mark)] * size, lease=None))
            sent["t1"] += [mark] * size
        else:
            held = stale if kind == "stale" else lease
            futures.append(journal.append([event(m=mark)] * size, lease=held))
            sent["t1"] += [mark] * size if held is lease else []
    outcomes = [future.exception() for future in futures]
    for task_id, marks in sent.items():
        found = journal.events(task_id).result()
        assert [one.seq for one in found] == list(range(1, len(marks) + 1))
        assert [one.payload["m"] for one in found] == marks
    refused = [isinstance(outcome, StaleLease) for outcome in outcomes]
    assert refused == [kind == "stale" for kind, _ in calls]
    journal.close()
