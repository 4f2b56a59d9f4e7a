"""The journal on SQLite where the port leaves off: files, versions, faults, processes."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.errors import JournalError, SetupError
from concertino.contracts.event import Event
from concertino.contracts.journal import Admission, Lease
from concertino.journal import SqliteJournal, open_journal, this_owner
from concertino.journal.open import sqlite_path
from concertino.journal.storage import MIGRATIONS, VERSION

ROOT = Path(__file__).parents[2]


def event(**payload: Any) -> Event:
    return Event(task_id="t", run_id="r", type="TASK_STARTED", message_type="TASK", payload=payload, timestamp=0.0)


def begin(journal: SqliteJournal, run_id: str = "r") -> Lease:
    journal.admit(Admission(run_id, "t" if run_id == "r" else run_id, "th", "hash", {}, 0.0)).result()
    return journal.acquire(run_id, owner=this_owner()).result()


def script(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_error(url: str, clock: Any) -> JournalError:
    journal = open_journal(url, clock=clock)
    found = journal.runs().exception(), journal.admit(Admission("r", "t", "th", "h", {}, 0.0)).exception()
    journal.close()
    assert isinstance(found[0], JournalError)
    assert isinstance(found[1], JournalError)
    return found[0]


def test_addresses_name_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three slashes are relative to the current folder, four absolute, none in memory."""
    monkeypatch.chdir(tmp_path)
    assert sqlite_path("sqlite:///a/b.db") == str(tmp_path / "a/b.db")
    assert sqlite_path("sqlite:////a/b.db") == "/a/b.db"
    assert {sqlite_path(None), sqlite_path("sqlite://"), sqlite_path("sqlite:///:memory:")} == {":memory:"}


@pytest.mark.parametrize("url", ["postgresql://x/y", "journal.db", "sqlite:journal.db", "sqlite://host/x.db", ""])
def test_other_addresses_are_refused(url: str, clock: Any) -> None:
    """The error names field, value and rule."""
    with pytest.raises(SetupError, match=r"^journal: .* refused: must be sqlite:///FILE"):
        open_journal(url, clock=clock)


def test_nothing_is_touched_before_the_first_call(tmp_path: Path, clock: Any) -> None:
    """Creating a planner leaves no file behind."""
    open_journal(f"sqlite:///{tmp_path / 'x.db'}", clock=clock).close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_there_after_reopening(tmp_path: Path, clock: Any) -> None:
    """Runs, events, leases and outbox outlive the journal object."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    first = open_journal(url, clock=clock)
    assert isinstance(first, SqliteJournal)
    lease = begin(first)
    first.append([event(n=1)], lease=lease, state="running").result()
    first.close()
    second = open_journal(url, clock=clock)
    row = second.run("r").result()
    assert row is not None
    assert (row.state, row.epoch, row.owner) == ("running", 1, lease.owner)
    assert second.append([event(n=2)], lease=lease).result() == [2]
    assert [found.payload["n"] for found in second.events("t").result()] == [1, 2]
    second.close()


def test_a_missing_folder_is_named(tmp_path: Path, clock: Any) -> None:
    """The error has place and reason, and nothing was made."""
    error = first_error(f"sqlite:///{tmp_path / 'no' / 'x.db'}", clock)
    assert (error.place, error.reason) == (str(tmp_path / "no/x.db"), f"folder {tmp_path / 'no'} does not exist")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_made_later_is_found(tmp_path: Path, clock: Any) -> None:
    """Opening is tried again with the next call."""
    journal = open_journal(f"sqlite:///{tmp_path / 'no' / 'x.db'}", clock=clock)
    assert isinstance(journal.runs().exception(), JournalError)
    (tmp_path / "no").mkdir()
    assert journal.runs().result() == []
    journal.close()


def test_a_directory_is_refused(tmp_path: Path, clock: Any) -> None:
    """A directory is no journal."""
    assert first_error(f"sqlite:///{tmp_path}", clock).reason == "is a directory"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder where even root cannot write")
def test_an_unwritable_place_is_refused(clock: Any) -> None:
    """The reason says that the file cannot be made."""
    assert first_error("sqlite:////proc/x.db", clock).reason in {
        "unable to open database file",
        "no permission to write",
    }


def test_a_corrupt_file_is_refused_and_left_alone(tmp_path: Path, clock: Any) -> None:
    """What is not a database is not overwritten."""
    place = tmp_path / "x.db"
    place.write_bytes(b"these are the minutes of a meeting" * 100)
    before = place.read_bytes()
    assert first_error(f"sqlite:///{place}", clock).reason == "file is not a database"
    assert place.read_bytes() == before


def test_an_older_version_is_brought_up_to_date(tmp_path: Path, clock: Any) -> None:
    """What it holds stays, and what came later can be asked of it."""
    place = tmp_path / "x.db"
    with sqlite3.connect(place) as connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    journal = SqliteJournal(str(place), clock=clock)
    assert journal.lessons().result() == (0, [])
    journal.close()
    with sqlite3.connect(place) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()


def test_a_newer_version_is_refused(tmp_path: Path, clock: Any) -> None:
    """The error gives both versions."""
    place = tmp_path / "x.db"
    with sqlite3.connect(place) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    reason = first_error(f"sqlite:///{place}", clock).reason
    assert reason == f"written by a newer version (schema {VERSION + 1}, this one knows up to {VERSION})"


def test_a_full_disk_fails_what_does_not_fit(on_file: SqliteJournal) -> None:
    """The large append fails whole, with SQLite's reason; its small neighbour is written."""
    lease = begin(on_file)
    pages = on_file._writer.submit(lambda c: c.execute("PRAGMA page_count").fetchone()[0]).result()
    on_file._writer.submit(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 5}").fetchall()).result()
    with on_file.write_lock:  # so that all three meet in one commit
        sent = [
            on_file.append([event(n=n), event(n=n, x="x" * size)], lease=lease) for n, size in enumerate((1, 10**6, 1))
        ]
    error = sent[1].exception()
    assert isinstance(error, JournalError)
    assert (error.place, error.reason) == (on_file.path, "database or disk is full")
    assert sent[0].result() + sent[2].result() == [1, 2, 3, 4]
    assert [found.payload["n"] for found in on_file.events("t").result()] == [0, 0, 2, 2]


def test_waiting_appends_share_a_commit(on_file: SqliteJournal) -> None:
    """A hundred appends that wait together need a handful of transactions."""
    lease = begin(on_file)
    commits = []
    on_file._writer.submit(
        lambda c: c.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    ).result()
    with on_file.write_lock:
        sent = [on_file.append([event()], lease=lease) for _ in range(100)]
    assert [one.result() for one in sent] == [[n] for n in range(1, 101)]
    on_file.close()
    assert len(commits) <= 3


def test_another_writer_of_this_process_takes_turns(on_file: SqliteJournal) -> None:
    """While somebody holds the write lock, the journal waits without failing."""
    lease = begin(on_file)
    other = sqlite3.connect(on_file.path, timeout=0, isolation_level=None)
    with on_file.write_lock:
        other.execute("BEGIN IMMEDIATE")
        sent = on_file.append([event()], lease=lease)
        other.execute("COMMIT")
    assert sent.result() == [1]
    other.close()


def test_every_write_holds_the_write_lock(on_file: SqliteJournal) -> None:
    """No statement of a transaction runs without it; afterwards it is free."""
    lease = begin(on_file)
    held = []
    on_file._writer.submit(lambda c: c.set_trace_callback(lambda _: held.append(on_file.write_lock.locked()))).result()
    on_file.append([event()], lease=lease).result()
    on_file.renew(lease).result()
    on_file.close()
    assert len(held) > 6
    assert all(held)
    assert not on_file.write_lock.locked()


def test_memory_forgets_the_oldest_finished_runs(clock: Any) -> None:
    """Of the finished and released runs only the newest `retain` stay; one that is still held stays as well."""
    journal = SqliteJournal(":memory:", clock=clock, retain=2)
    leases = {name: begin(journal, name) for name in ("a", "b", "c", "live", "d")}
    for name in ("a", "b", "c", "d"):
        clock.time += 1
        sent = event().model_copy(update={"run_id": name, "task_id": name})
        journal.append([sent], lease=leases[name], state="success")
        journal.release(leases[name])
    journal.append([], lease=leases["live"], state="success").result()
    assert [row.run_id for row in journal.runs().result()] == ["d", "live", "c"]
    assert journal.events("a").result() == []
    journal.close()


def test_an_abandoned_journal_ends_its_threads(clock: Any) -> None:
    """Planners come and go without leaving threads."""
    before = {thread.ident for thread in threading.enumerate()}
    journal = open_journal(None, clock=clock)
    journal.runs().result()
    (thread,) = (thread for thread in threading.enumerate() if thread.ident not in before)
    del journal
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


FORK = """
import os, sys
from concertino.contracts.clock import SystemClock
from concertino.contracts.journal import Admission
from concertino.journal import open_journal
journal = open_journal("sqlite:///" + sys.argv[1], clock=SystemClock())
journal.runs().result()
if os.fork() == 0:
    try:
        outcomes = [journal.runs().exception(timeout=5), journal.admit(Admission("r", "t", "th", "h", {}, 0.0)).exception()]
        journal.close()
        os.write(1, " ".join(f"{type(o).__name__}:{o.reason}" for o in outcomes).encode())
    finally:
        os._exit(0)
os.wait()
journal.admit(Admission("r", "t", "th", "h", {}, 0.0)).result()
journal.close()
"""


def test_a_forked_child_is_told(tmp_path: Path) -> None:
    """The child's calls fail with the reason; the parent goes on."""
    child = script(FORK, str(tmp_path / "x.db"))
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert out.count("JournalError:opened before fork(); open it anew here") == 2


RACE = """
import json, sys
from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import RunBusy
from concertino.contracts.event import Event
from concertino.contracts.journal import Admission
from concertino.journal import open_journal, this_owner
url, me = sys.argv[1:]
journal = open_journal("sqlite:///" + url, clock=SystemClock())
print("ready", flush=True)
sys.stdin.readline()
row = journal.admit(Admission("r-" + me, "t", "th", "h", {}, 0.0)).result().row
try:
    lease = journal.acquire(row.run_id, owner=this_owner()).result()
except RunBusy as busy:
    print(json.dumps({"run": row.run_id, "won": False, "holder": busy.owner}), flush=True)
else:
    event = Event(task_id="t", run_id=row.run_id, type="TASK_STARTED", message_type="TASK", timestamp=0.0)
    journal.append([event], lease=lease).result()
    print(json.dumps({"run": row.run_id, "won": True, "holder": lease.owner}), flush=True)
for line in sys.stdin:
    pass
"""


def test_one_of_eight_processes_wins(tmp_path: Path, clock: Any) -> None:
    """They create the file, admit one task and take its lease at once: one run, one holder; its death frees the run."""
    place = tmp_path / "x.db"
    racers = [script(RACE, str(place), str(number)) for number in range(8)]
    pipes = [(racer.stdin, racer.stdout) for racer in racers if racer.stdin and racer.stdout]
    assert [out.readline() for _, out in pipes] == ["ready\n"] * 8
    for given, _ in pipes:
        given.write("go\n")
        given.flush()
    found = [json.loads(out.readline()) for _, out in pipes]
    assert sum(one["won"] for one in found) == 1
    assert len({one["run"] for one in found}) == len({one["holder"] for one in found}) == 1

    winner = next(racer for racer, one in zip(racers, found, strict=True) if one["won"])
    winner.kill()
    os.waitid(os.P_PID, winner.pid, os.WEXITED | os.WNOWAIT)  # dead, yet a zombie: nobody has collected it
    journal = open_journal(f"sqlite:///{place}", clock=clock)
    assert journal.acquire(found[0]["run"], owner=this_owner()).result().epoch == 2
    assert len(journal.events("t").result()) == 1
    journal.close()
    for racer in racers:
        racer.communicate(timeout=60)


WRITE = """
import sys
from concertino.contracts.clock import SystemClock
from concertino.contracts.event import Event
from concertino.contracts.journal import Admission
from concertino.journal import open_journal, this_owner
journal = open_journal("sqlite:///" + sys.argv[1], clock=SystemClock())
journal.admit(Admission("r", "t", "th", "h", {}, 0.0)).result()
lease = journal.acquire("r", owner=this_owner()).result()
event = Event(task_id="t", run_id="r", type="TASK_STARTED", message_type="TASK", timestamp=0.0)
while True:
    print(journal.append([event, event], lease=lease).result()[-1], flush=True)
"""


def test_what_was_confirmed_survives_a_kill(tmp_path: Path, clock: Any) -> None:
    """After SIGKILL every confirmed event is there, and appends are whole."""
    place = tmp_path / "x.db"
    writer = script(WRITE, str(place))
    assert writer.stdout is not None
    for _ in range(200):
        confirmed = int(writer.stdout.readline())
    writer.kill()
    rest, _ = writer.communicate(timeout=60)
    whole = [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    journal = open_journal(f"sqlite:///{place}", clock=clock)
    seqs = [found.seq for found in journal.events("t", limit=10**6).result()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) % 2 == 0
    assert len(seqs) >= max([confirmed, *whole])
    journal.close()
