"""Commands on earlier tasks, against a journal that a test wrote: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.clock import SystemClock
from concertino.contracts.event import Event, EventType, RunState, message_type
from concertino.contracts.journal import Admission
from concertino.journal import SqliteJournal, open_journal, this_owner
from tests.service.commands import Told, run_command


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture
def journal(url: str) -> Iterator[SqliteJournal]:
    opened = open_journal(url, clock=SystemClock())
    assert isinstance(opened, SqliteJournal)
    yield opened
    opened.close()


@pytest.fixture
def concertino(capsys: pytest.CaptureFixture[str], url: str, tmp_path: Path) -> Any:
    """Return a function that runs a command on the test's journal."""

    def command(*arguments: str) -> Told:
        places = ["--database", url]
        return run_command(capsys, [arguments[0], *places, *arguments[1:]])

    return command


def event(kind: EventType, subtask: str | None = None, **payload: Any) -> Event:
    return Event(
        task_id="t-1",
        run_id="run-1",
        type=kind,
        message_type=message_type(kind),
        subtask_id=subtask,
        payload=payload,
        timestamp=100.0,
    )


def tell(journal: SqliteJournal, *events: Event, state: RunState, live: bool = False) -> None:
    """Write a task of one run that went as far as `state`."""
    admission = Admission(
        run_id="run-1", task_id="t-1", thread_id="t-1", content_hash="0" * 64, task={"task_id": "t-1"}, timestamp=100.0
    )
    journal.admit(admission).result()
    lease = journal.acquire("run-1", owner=this_owner()).result()
    journal.append([event("RUN_ADMITTED"), *events], lease=lease, state=state).result()
    if not live:
        journal.release(lease).result()


SUBTASKS = [{"id": "a", "specialist": "x", "needs": []}, {"id": "b", "specialist": "y", "needs": ["a"]}]
PLAN: dict[str, Any] = {
    "plan": {"task_id": "t-1", "origin": "caller", "subtasks": SUBTASKS},
    "policy": {},
}
ASKED = event("GATE_OPENED", "b", gate="b", question="Go on?", subtask_id="b")


def test_status_shows_subtasks_and_gates(journal: SqliteJournal, concertino: Any) -> None:
    """Where a waiting task stands is one JSON object with the question that it waits for."""
    tell(journal, event("RUN_PLANNED", **PLAN), ASKED, event("RUN_PARKED"), state="waiting")
    code, out, _ = concertino("status", "t-1")
    view = json.loads(out)
    assert (code, view["status"]) == (0, "waiting")
    assert [one["subtask_id"] for one in view["subtasks"]] == ["a", "b"]
    assert [gate["gate"] for gate in view["gates"]["open"]] == ["b"]


def test_status_says_when_nobody_works_on_a_running_task(journal: SqliteJournal, concertino: Any) -> None:
    """After a kill the person is told how to carry on."""
    tell(journal, event("RUN_PLANNED", **PLAN), state="running")
    assert "concertino resume t-1" in concertino("status", "t-1")[2]


def test_status_says_when_a_task_waits_for_nobody(journal: SqliteJournal, concertino: Any) -> None:
    """Left by a process that had to go, it needs no answer but somebody to carry on."""
    tell(journal, event("RUN_PLANNED", **PLAN), event("RUN_PARKED", gates=[]), state="waiting")
    assert "concertino resume t-1" in concertino("status", "t-1")[2]
    tell(journal, ASKED, event("RUN_PARKED", gates=["b"]), state="waiting")
    assert concertino("status", "t-1")[2] == ""


def test_status_without_a_task_lists_the_newest(journal: SqliteJournal, concertino: Any) -> None:
    """Whoever forgot the id finds it."""
    tell(journal, state="success")
    code, out, _ = concertino("status")
    assert code == 0
    assert [(row["task_id"], row["status"]) for row in json.loads(out)] == [("t-1", "success")]


def test_events_are_lines_of_json_in_order(journal: SqliteJournal, concertino: Any) -> None:
    """Each event is one line, numbered; `--after` leaves out what was seen."""
    tell(journal, event("RUN_PLANNED", **PLAN), ASKED, state="waiting")
    lines = [json.loads(line) for line in concertino("events", "t-1")[1].splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    later = concertino("events", "t-1", "--after", "2")[1].splitlines()
    assert [json.loads(line)["type"] for line in later] == ["GATE_OPENED"]


def test_following_ends_with_the_run(journal: SqliteJournal, concertino: Any) -> None:
    """`--follow` on a run that is over prints what there is and returns."""
    tell(journal, state="success")
    code, out, _ = concertino("events", "t-1", "--follow")
    assert (code, len(out.splitlines())) == (0, 1)


@pytest.mark.parametrize("command", [["status"], ["events"], ["resume"], ["restart"], ["cancel"]])
def test_an_unknown_task_is_bad_input(command: list[str], journal: SqliteJournal, concertino: Any) -> None:
    """Every command names the task it did not find, on one line."""
    tell(journal, state="success")
    code, out, err = concertino(*command, "nobody")
    assert (code, out) == (2, "")
    assert err.startswith("error: task_id: 'nobody' refused")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["status", "events", "resume", "cancel"])
def test_a_missing_journal_is_not_created(command: str, concertino: Any, tmp_path: Path) -> None:
    """Asking in the wrong directory leaves nothing behind."""
    code, _, err = concertino(command, "t-1")
    assert code == 2
    assert "no such journal" in err
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_journal_is_one_clear_error(concertino: Any, tmp_path: Path) -> None:
    """A file that is no database ends with code 4 and its place, without a traceback."""
    (tmp_path / "journal.db").write_bytes(b"not a database" * 100)
    code, out, err = concertino("status", "t-1")
    assert (code, out) == (4, "")
    assert err.startswith("error: journal ")
    assert "Traceback" not in err


def test_an_answer_to_a_live_run_is_recorded(journal: SqliteJournal, concertino: Any) -> None:
    """Where a process works on the run, the answer goes on the record and that process takes it from there."""
    tell(journal, event("RUN_PLANNED", **PLAN), ASKED, state="running", live=True)
    code, out, _ = concertino("answer", "t-1", "b", "reject", "--reason", "too high")
    assert (code, json.loads(out)["answer"]) == (0, {"decision": "reject", "reason": "too high"})
    recorded = journal.events("t-1").result()[-1]
    assert (recorded.type, recorded.payload["gate"]) == ("GATE_ANSWERED", "b")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["nowhere", "accept"], "gate"),
        (["b", "edit"], "answer.inputs"),
        (["b", "edit", "--inputs", "{"], "--inputs"),
        (["b", "edit", "--inputs", '{"a": 1, "a": 2}'], "--inputs.a"),
        (["plan", "edit", "--inputs", '{"zzz": {}}'], "answer.inputs.zzz"),
    ],
)
def test_a_faulty_answer_leaves_no_trace(
    arguments: list[str], field: str, journal: SqliteJournal, concertino: Any
) -> None:
    """An unknown gate, an edit without inputs or with broken ones is refused before it is on the record."""
    tell(journal, event("RUN_PLANNED", **PLAN), ASKED, state="running", live=True)
    before = len(journal.events("t-1").result())
    code, _, err = concertino("answer", "t-1", *arguments)
    assert code == 2
    assert err.startswith(f"error: {field}: ")
    assert len(journal.events("t-1").result()) == before


def test_an_unknown_decision_is_bad_input(journal: SqliteJournal, concertino: Any) -> None:
    """The three decisions are all there are."""
    tell(journal, ASKED, state="waiting")
    code, _, err = concertino("answer", "t-1", "b", "perhaps")
    assert code == 2
    assert "perhaps" in err


def test_a_gate_is_answered_once(journal: SqliteJournal, concertino: Any) -> None:
    """The first answer holds; a second one is told so."""
    tell(journal, event("RUN_PLANNED", **PLAN), ASKED, state="running", live=True)
    assert concertino("answer", "t-1", "b", "accept")[0] == 0
    code, _, err = concertino("answer", "t-1", "b", "reject")
    assert code == 4
    assert "past gate b (accept)" in err


def test_a_live_run_is_asked_to_stop(journal: SqliteJournal, concertino: Any) -> None:
    """The reason goes on the record; the process that has the run stops it."""
    tell(journal, event("RUN_PLANNED", **PLAN), state="running", live=True)
    assert concertino("cancel", "t-1", "--reason", "wrong person")[0] == 0
    recorded = journal.events("t-1").result()[-1]
    assert (recorded.type, recorded.payload) == ("CANCEL_REQUESTED", {"reason": "wrong person"})


@pytest.mark.parametrize("command", [["answer", "t-1", "b", "accept"], ["cancel", "t-1"]])
def test_what_is_over_cannot_be_changed(command: list[str], journal: SqliteJournal, concertino: Any) -> None:
    """A finished run takes neither answers nor cancellations."""
    tell(journal, event("RUN_PLANNED", **PLAN), state="success")
    code, _, err = concertino(*command)
    assert (code, err.count("\n")) == (4, 1)
    assert "t-1 is success" in err


def test_a_task_of_no_agent_is_carried_on_where_its_planner_is(journal: SqliteJournal, concertino: Any) -> None:
    """The command line has no specialists of its own, and says so."""
    tell(journal, event("RUN_PLANNED", **PLAN), state="running")
    code, _, err = concertino("resume", "t-1")
    assert code == 2
    assert "no agent's task" in err
