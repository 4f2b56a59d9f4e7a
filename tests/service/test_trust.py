"""`concertino settle`, `concertino record` and `concertino eval run --record`: what they keep, print and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from concertino import Finding, Planner, TrackRecord, specialist
from tests.service.commands import Told, run_command

Command = Callable[..., Told]

PLANNER = """
from concertino import create_planner, specialist

@specialist("right")
async def right(brief):
    return brief.task["payload"]["truth"]

@specialist("wrong")
async def wrong(brief):
    return "neither"

def create(**options):
    return create_planner(specialists=[right, wrong], **options)
"""
TASK = '{title: x, payload: {truth: "yes"}, plan: {subtasks: [{id: a, specialist: right}, {id: b, specialist: wrong}]}}'
CASES = f"""
- id: one
  task: {TASK}
  expect: {{answer: {{exact: "yes"}}}}
- id: two
  task: {TASK}
  expect: {{status: success}}
"""


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Return a journal in which two specialists answered six tasks."""

    @specialist("yes")
    async def yes(brief: Any) -> Finding:
        return Finding(output="yes", confidence=0.9)

    @specialist("no")
    async def no(brief: Any) -> Finding:
        return Finding(output="no", confidence=0.6)

    url = f"sqlite:///{tmp_path / 'journal.db'}"
    plan = {"subtasks": [{"id": "yes", "specialist": "yes"}, {"id": "no", "specialist": "no"}]}
    with Planner(specialists=[yes, no], database=url) as planner:
        for n in range(6):
            planner.run({"task_id": f"t{n}", "title": "t", "plan": plan})
    return url


@pytest.fixture
def concertino(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database: str) -> Command:
    """Return a function that runs a command on the test's journal."""
    monkeypatch.setenv("CONCERTINO_DATABASE", database)

    def command(*arguments: str) -> Told:
        return run_command(capsys, arguments)

    return command


def test_what_is_settled_is_on_the_record(concertino: Command) -> None:
    """Six truths; the report has who was right how often, calibration and the curve."""
    for n in range(6):
        code, out, _ = concertino("settle", f"t{n}", '"no"')
        assert (code, json.loads(out)["settled"]) == (0, n + 1)
    code, out, err = concertino("record", "--json")
    made = json.loads(out)
    assert code == 0
    assert {one["specialist"]: one["right"] for one in made["specialists"]} == {"no": 6, "yes": 0}
    assert made["calibration"]["n"] == 6
    assert made["curve"][-1]["coverage"] == 1.0
    assert "6 settled questions, 0 unsettled" in err
    assert "answer only from this confidence on" in err


def test_nothing_is_on_stdout_unless_asked(concertino: Command) -> None:
    """An unsettled record is told in words."""
    code, out, err = concertino("record")
    assert (code, out) == (0, "")
    assert "0 settled questions, 6 unsettled" in err


@pytest.mark.parametrize(
    "arguments", [("none", '"no"'), ("t1", "null"), ("t1", "no"), ("t1", "1", "--tolerance", "-1")]
)
def test_what_cannot_be_settled_is_bad_input(concertino: Command, arguments: tuple[str, ...]) -> None:
    """An unknown question, no truth, no JSON, a tolerance below 0."""
    code, out, _ = concertino("settle", *arguments)
    assert (code, out) == (2, "")


def test_a_record_is_saved_and_others_are_added(concertino: Command, tmp_path: Path) -> None:
    """The saved file is a record; a merged one has what either knows, and a contradiction is refused."""
    concertino("settle", "t0", '"no"')
    other = TrackRecord()
    other.record(Finding(output="x", specialist="else", question_id="elsewhere"))
    other.settle("elsewhere", "x")
    theirs, ours = tmp_path / "theirs.json", tmp_path / "ours.json"
    other.save(theirs)
    assert concertino("record", "--merge", str(theirs), "--save", str(ours))[0] == 0
    assert TrackRecord.load(ours).settled == 2
    concertino("settle", "t0", '"yes"')
    assert concertino("record", "--merge", str(ours))[0] == 2


def test_an_eval_run_learns_from_a_given_record(concertino: Command, tmp_path: Path, monkeypatch: Any) -> None:
    """In virtual time too, the same bytes however often and however many run side by side; nothing is added to it."""
    folder = tmp_path / "evals" / "votes"
    folder.mkdir(parents=True)
    book = TrackRecord()
    for n in range(12):
        book.record(Finding(output="yes", specialist="right", question_id=f"q{n}"))
        book.record(Finding(output="neither", specialist="wrong", question_id=f"q{n}"))
        book.settle(f"q{n}", "yes")
    kept = tmp_path / "book.json"
    book.save(kept)
    (folder / "suite.yaml").write_text("name: votes\ntarget: planner:create\n")
    (folder / "planner.py").write_text(PLANNER.replace("wrong],", f"wrong], track_record={str(kept)!r},"))
    (folder / "cases.yaml").write_text(CASES)
    monkeypatch.setenv("CONCERTINO_EVALS", str(folder.parent))
    first = concertino("eval", "run", "votes", "--json")
    assert concertino("eval", "run", "votes", "--json") == first
    assert concertino("eval", "run", "votes", "--json", "--side-by-side", "2")[1] == first[1]
    run_ = json.loads(first[1])["cases"][0]["runs"][0]["run"]
    assert run_["calibration"]["n"] == 12
    assert run_["synthesis"]["track_record"]["settled"] == 12
    assert TrackRecord.load(kept).content() == book.content()


def test_an_eval_run_settles_what_its_cases_state(
    concertino: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case without a truth teaches nothing; running the suite again changes nothing."""
    folder = tmp_path / "evals" / "votes"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text("name: votes\ntarget: planner:create\n")
    (folder / "planner.py").write_text(PLANNER)
    (folder / "cases.yaml").write_text(CASES)
    monkeypatch.setenv("CONCERTINO_EVALS", str(folder.parent))
    kept = tmp_path / "record.json"
    assert concertino("eval", "run", "votes", "--record", str(kept))[0] in (0, 3)
    first = TrackRecord.load(kept)
    assert (len(first), first.settled) == (2, 1)
    assert "1 of 2 runs settled" in concertino("eval", "run", "votes", "--record", str(kept))[2]
    assert TrackRecord.load(kept).content() == first.content()
