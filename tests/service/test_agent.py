"""`concertino agent`: the offers pack from the command line, on a database of its own."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.service.commands import Told, run_command

SLUG = "offer-orchestrator-mag"
CANDIDATE = {
    "role": "Senior Software Engineer",
    "level": "Senior",
    "location": "San Francisco, CA",
    "experience_years": 8,
}
DIRECTOR = {
    "role": "Engineering Director",
    "level": "Director",
    "location": "San Francisco, CA",
    "experience_years": 20,
}


@pytest.fixture
def concertino(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a command in a directory of its own; an object among its arguments becomes a file."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: Any) -> Told:
        given: list[str] = []
        for argument in arguments:
            if isinstance(argument, dict):
                Path("payload.json").write_text(json.dumps(argument))
                argument = "payload.json"
            given.append(str(argument))
        return run_command(capsys, given)

    return command


def test_agents_are_listed_with_what_they_declare(concertino: Any) -> None:
    """The orchestrator and its sub-agents are there, with version and dependencies."""
    agents = {agent["slug"]: agent for agent in concertino("agent", "list").json()}
    assert agents[SLUG]["version"] == "0.1.0"
    assert "compensation-advisor-sag@>=0.1.0" in agents[SLUG]["depends_on"]["sub_agents"]


def test_an_offer_comes_out_where_a_profile_went_in(concertino: Any, tmp_path: Path) -> None:
    """The packet is on stdout, plain progress lines on stderr, the artifacts on disk."""
    told = concertino("agent", "run", SLUG, "--json", CANDIDATE)
    packet = told.json()
    run_id = packet["metadata"]["run_id"]
    assert told.code == 0
    assert packet["offer"]["base_salary"]["amount"] > 100_000
    assert "completed" in told.err
    assert f"success: task {run_id}" in told.err
    assert {file.name for file in (tmp_path / ".runs" / "agents" / run_id).iterdir()} >= {"logs.jsonl", "metrics.json"}


def test_status_and_events_speak_of_the_run(concertino: Any) -> None:
    """The id that the packet names leads to its record."""
    run_id = concertino("agent", "run", SLUG, "--json", CANDIDATE).json()["metadata"]["run_id"]
    assert concertino("status", run_id).json()["status"] == "success"
    types = [json.loads(line)["type"] for line in concertino("events", run_id).out.splitlines()]
    assert (types[0], types[-1]) == ("RUN_ADMITTED", "RUN_COMPLETED")


def test_the_same_task_again_is_the_same_run(concertino: Any) -> None:
    """A task id given twice with one content runs once."""
    first = concertino("agent", "run", SLUG, "--json", CANDIDATE, "--task-id", "mag-00000001").json()
    events = concertino("events", "mag-00000001").out
    again = concertino("agent", "run", SLUG, "--json", CANDIDATE, "--task-id", "mag-00000001")
    assert (again.code, again.json()["offer"]) == (0, first["offer"])
    assert concertino("events", "mag-00000001").out == events


def test_the_same_id_with_another_content_is_a_conflict(concertino: Any) -> None:
    """One clear error, and the first run stays as it was."""
    concertino("agent", "run", SLUG, "--json", CANDIDATE, "--task-id", "mag-00000001")
    told = concertino("agent", "run", SLUG, "--json", {**CANDIDATE, "experience_years": 9}, "--task-id", "mag-00000001")
    assert (told.code, told.out) == (2, "")
    assert "another content" in told.err


def test_a_high_offer_waits_and_goes_on_when_answered(concertino: Any) -> None:
    """The run parks with code 5 and says how to answer; the answer carries it to its end."""
    waiting = concertino("agent", "run", SLUG, "--json", DIRECTOR, "--task-id", "mag-00000002")
    assert waiting.code == 5
    (gate,) = concertino("status", "mag-00000002").json()["gates"]["open"]
    assert f"concertino answer mag-00000002 {gate['gate']}" in waiting.err
    told = concertino("answer", "mag-00000002", gate["gate"], "accept", "--reason", "worth it")
    assert told.code == 0
    assert told.json()["offer"]["base_salary"]["amount"] >= 250_000
    assert concertino("status", "mag-00000002").json()["status"] == "success"


def test_a_rejected_offer_is_not_made(concertino: Any) -> None:
    """A reject ends the run without success, and a second answer changes nothing."""
    concertino("agent", "run", SLUG, "--json", DIRECTOR, "--task-id", "mag-00000003")
    (gate,) = concertino("status", "mag-00000003").json()["gates"]["open"]
    told = concertino("answer", "mag-00000003", gate["gate"], "reject", "--reason", "too high")
    assert told.code in {3, 4}
    assert concertino("answer", "mag-00000003", gate["gate"], "accept").code in {2, 4}


def test_a_waiting_task_can_be_cancelled_and_restarted(concertino: Any) -> None:
    """Cancelling ends it with its reason; a restart begins again, and asks again."""
    concertino("agent", "run", SLUG, "--json", DIRECTOR, "--task-id", "mag-00000004")
    assert concertino("cancel", "mag-00000004", "--reason", "position closed").code == 0
    view = concertino("status", "mag-00000004").json()
    assert view["status"] == "cancelled"
    assert concertino("restart", "mag-00000004").code == 5
    assert concertino("status", "mag-00000004").json()["status"] == "waiting"


def test_resuming_what_is_over_gives_its_result(concertino: Any) -> None:
    """Nothing runs twice: a finished task's packet is simply there."""
    packet = concertino("agent", "run", SLUG, "--json", CANDIDATE, "--task-id", "mag-00000005").json()
    again = concertino("resume", "mag-00000005")
    assert (again.code, again.json()["offer"]) == (0, packet["offer"])


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({**CANDIDATE, "experience_years": -1}, "payload.experience_years"),
        ({**CANDIDATE, "experience_years": "8"}, "payload.experience_years"),
        ({**CANDIDATE, "shoe_size": 43}, "payload.shoe_size"),
        ({}, "payload.role"),
    ],
)
def test_a_faulty_profile_is_refused_by_field(payload: dict[str, Any], field: str, concertino: Any) -> None:
    """The contract's door names field, value and rule, and no run is made."""
    told = concertino("agent", "run", SLUG, "--json", payload)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"error: {field}: ")
    assert told.err.count("\n") == 1
    assert concertino("status").code == 2 or concertino("status").json() == []


@pytest.mark.parametrize("options", [["--task-id", "../../x"], ["--json", "none.json"], ["--json", "."]])
def test_faulty_options_are_refused_by_name(options: list[str], concertino: Any) -> None:
    """An unsafe id, a missing file, a directory: one line each."""
    told = concertino("agent", "run", SLUG, "--json", CANDIDATE, *options)
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)


def test_an_unknown_agent_is_told_which_there_are(concertino: Any) -> None:
    """The message lists the agents that can be run."""
    told = concertino("agent", "run", "nobody", "--json", CANDIDATE)
    assert told.code == 2
    assert SLUG in told.err


@pytest.mark.parametrize("database", ["sqlite:///no/such/folder/j.db", "sqlite:///taken"])
def test_a_journal_that_cannot_be_written_is_one_clear_error(database: str, concertino: Any, tmp_path: Path) -> None:
    """A missing folder, or a directory in the file's place: code 2 or 4, one line, no run half made."""
    (tmp_path / "taken").mkdir()
    told = concertino("agent", "run", SLUG, "--json", CANDIDATE, "--database", database)
    assert told.code in {2, 4}
    assert (told.out, told.err.count("\n")) == ("", 1)


def test_a_run_whose_artifacts_find_no_room_can_be_carried_on(concertino: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file, not the journal, and says how to go on; no empty directory stays."""
    calls = iter([None])

    def fsync(descriptor: int) -> None:
        if next(calls, "full") == "full":
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        told = concertino("agent", "run", SLUG, "--json", CANDIDATE, "--task-id", "t-1")
    assert told.code == 4
    assert "error: .runs/agents/t-1/logs.jsonl: cannot be written: No space left on device" in told.err
    assert "task t-1 is success on the record; carry on with: concertino resume t-1" in told.err
    assert not Path(".runs/agents/t-1").exists()
    assert concertino("resume", "t-1").code == 0
    assert Path(".runs/agents/t-1/logs.jsonl").exists()


def test_an_approval_is_edited_by_its_short_name(concertino: Any) -> None:
    """What is no amount is refused, and the gate stays open."""
    assert concertino("agent", "run", SLUG, "--json", DIRECTOR, "--task-id", "t-1").code == 5
    told = concertino("answer", "t-1", "approval", "edit", "--inputs", '{"base_salary": "lots"}')
    assert told.code == 2
    assert "answer.inputs.base_salary: 'lots' refused" in told.err
    told = concertino("answer", "t-1", "approval", "edit", "--inputs", '{"base_salary": 260000}')
    assert told.json()["offer"]["base_salary"]["amount"] == 260_000


KILLED = """
import json, os, sys

from concertino.packs.agents import DATABASE, start_agent


def listen(event):
    if event.type == "TASK_STARTED":
        os._exit(9)


start_agent(sys.argv[1], json.loads(sys.argv[2]), run_id="mag-00000001", database=DATABASE, on_event=listen)
"""


def test_a_killed_run_is_told_with_the_command_that_carries_on(concertino: Any) -> None:
    """A second submission says that it is not over and that nobody works on it; it is not called failed."""
    process = subprocess.run([sys.executable, "-c", KILLED, SLUG, json.dumps(CANDIDATE)], check=False)
    assert process.returncode == 9
    again = concertino("agent", "run", SLUG, "--json", CANDIDATE, "--task-id", "mag-00000001")
    assert (again.code, again.json()["status"], again.json()["offer"]) == (4, "running", None)
    assert "no process works on it; carry on with: concertino resume mag-00000001" in again.err
    assert not Path(".runs/agents/mag-00000001").exists()
    assert concertino("resume", "mag-00000001").json()["offer"]["base_salary"]["amount"] > 100_000


@pytest.mark.parametrize("task_id", ["../../x", "", "a" * 65, "a\n"])
def test_a_task_id_that_is_none_is_refused_under_its_own_name(concertino: Any, task_id: str) -> None:
    """Before anything is made, and as the option that was given."""
    told = concertino("agent", "run", SLUG, "--json", CANDIDATE, "--task-id", task_id)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("error: --task-id: ")
    assert not Path(".runs").exists()


def test_commands_that_are_suggested_can_be_pasted(concertino: Any) -> None:
    """They name the same journal and artifacts again, quoted where there are spaces."""
    places = ("--database", "sqlite:///my journal.db", "--runs-dir", "my runs")
    told = concertino("agent", "run", SLUG, "--json", DIRECTOR, *places)
    assert told.code == 5
    assert "--database 'sqlite:///my journal.db' --runs-dir 'my runs'" in told.err
