"""Carrying on, from the command line, with a task of somebody's own planner."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from concertino import Planner, specialist
from concertino.service.cli.main import run

PLAN = {"subtasks": [{"id": "x", "specialist": "own"}, {"id": "y", "specialist": "own", "needs": ["x"], "gate": True}]}


@specialist("own")
async def own(brief: object) -> int:
    return 1


def make(database: str) -> Planner:
    return Planner(specialists=[own], database=database)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Return the journal of a task that waits at gate `y`."""
    url = f"sqlite:///{tmp_path / 'own.db'}"
    with make(url) as planner:
        assert planner.run({"task_id": "m-1", "plan": PLAN})["status"] == "waiting"
    return url


def test_an_answer_carries_an_own_planners_task_on(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the planner named, answering the gate brings the task to its end."""
    code = run(["answer", "m-1", "y", "accept", "--database", database, "--planner", f"{__name__}:make"])
    result = json.loads(capsys.readouterr().out)
    assert (code, result["status"]) == (0, "success")
    assert [subtask["state"] for subtask in result["subtasks"]] == ["completed", "completed"]


def test_the_answer_that_is_suggested_names_the_planner(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever pastes it carries the task on."""
    assert run(["resume", "m-1", "--database", database, "--planner", f"{__name__}:make"]) == 5
    (command,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("  concertino answer"))
    assert run(shlex.split(command.replace("accept|reject|edit", "accept"))[1:]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "success"


def test_an_answer_without_the_planner_is_kept_for_its_resume(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer goes on the record; a later resume with the planner acts on it."""
    run(["answer", "m-1", "y", "accept", "--database", database])
    assert f"concertino resume m-1 --database {database} --planner MODULE:NAME" in capsys.readouterr().err
    code = run(["resume", "m-1", "--database", database, "--planner", f"{__name__}:make"])
    assert (code, json.loads(capsys.readouterr().out)["status"]) == (0, "success")


@pytest.mark.parametrize("reference", ["nowhere_at_all:make", f"{__name__}:nothing", f"{__name__}:PLAN", "no-colon"])
def test_a_wrong_planner_is_bad_input(database: str, reference: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that makes no planner is refused with field, value and rule, and nothing is run."""
    assert run(["resume", "m-1", "--database", database, "--planner", reference]) == 2
    assert "--planner" in capsys.readouterr().err


def test_a_task_that_is_no_agents_needs_its_planner(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --planner the error says what is missing."""
    assert run(["resume", "m-1", "--database", database]) == 2
    assert "--planner" in capsys.readouterr().err
