"""What may become a tape, and what may take the place of one: never a run that did not reach the world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.errors import BudgetExceeded, SetupError
from concertino.evals.cases import Case
from concertino.evals.outcomes import Outcome
from concertino.evals.recording import record_suite
from concertino.evals.reports.report import report
from concertino.evals.running import run_suite
from concertino.evals.soundness import RecordingBroken, refuse_broken, stops_recording, unanswered
from concertino.evals.staging import Staged
from tests.evals.suite_folders import CASES, make_suite
from tests.loopback.openai_server import Fail, OpenAIServer, Say
from tests.tools.tape.tapes import line

REFUSED: dict[str, Any] = {"kind": "refused", "type": "APIConnectionError", "message": "nobody there"}


def one(outcomes: list[Outcome]) -> Outcome:
    return next(outcome for outcome in outcomes if outcome.case.id == "one")


def test_a_recording_without_a_key_leaves_all_tapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case says that nothing was recorded, and none of them passes."""
    suite = make_suite(tmp_path)
    record_suite(suite)
    before = {path.name: path.read_bytes() for path in (suite.folder / "tapes").iterdir()}
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    made = record_suite(suite, cases=["one", "two"], live=True)
    assert [(outcome.error or {})["type"] for outcome in made] == ["SetupError"] * 2
    assert {note["what"] for outcome in made for note in outcome.notes} == {"nothing was recorded; the old tape stays"}
    told: Any = report(suite, made)
    assert told["summary"]["passed"] == 0
    assert {path.name: path.read_bytes() for path in (suite.folder / "tapes").iterdir()} == before


def test_a_provider_that_refuses_takes_no_tape_away_and_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a sound tape there or without; once the provider answers the case is recorded."""
    suite = make_suite(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-that-nobody-may-see")
    with OpenAIServer(Fail(status=401)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        failed = one(record_suite(suite, cases=["one"], live=True))
        assert (failed.error or {})["type"] == "RecordingBroken"
        assert "no tape was written" in str((failed.error or {})["message"])
        assert not suite.tape_file("one").exists()
    with OpenAIServer(Say("about cats")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert one(record_suite(suite, cases=["one"], live=True)).error is None
    before = suite.tape_file("one").read_bytes()
    # Also where the case would be content with the failure: the tape of an answered call is worth more.
    content = make_suite(tmp_path, cases=CASES.replace("{status: success}", "{status: failed}", 1))
    with OpenAIServer(Fail(status=401)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        failed = one(record_suite(content, cases=["one"], live=True))
    assert "model openai:gpt-5-mini (writer/a#1 call 1)" in str((failed.error or {})["message"])
    assert "its old tape stays" in str((failed.error or {})["message"])
    assert suite.tape_file("one").read_bytes() == before


def test_a_case_about_a_failure_is_recorded_where_no_tape_knows_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It expects how such a run ends."""
    suite = make_suite(tmp_path, cases=CASES.replace("{status: success}", "{status: failed}", 1))
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-that-nobody-may-see")
    with OpenAIServer(Fail(status=401)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        for _ in range(2):
            assert one(record_suite(suite, cases=["one"], live=True)).error is None
    monkeypatch.delenv("OPENAI_BASE_URL")
    ran = one(run_suite(suite, cases=["one"]))
    assert ((ran.result or {})["status"], ran.tape) == ("failed", "fresh")


def test_what_a_later_try_made_good_is_no_outage() -> None:
    """Nor is a tool's error of its own; a call that was given up counts where the run ended badly alone."""
    failed = line(scope="w/a#1", error=REFUSED)
    assert unanswered([failed]) == [failed]
    assert unanswered([failed, line(scope="w/a#1", n=2, answer="yes")]) == []
    assert unanswered([failed, line(scope="w/a#2", answer="yes")]) == []
    assert unanswered([failed, line(scope="w/b#1", answer="yes")]) == [failed]
    own = {"kind": "broken", "type": "ValueError", "message": "no such word"}
    assert unanswered([line(kind="tool", name="look", request={}, error=own)]) == []
    assert unanswered([line(kind="tool", name="look", request={}, error=REFUSED)]) != []
    hangs = line(error={"kind": "hang"})
    assert (unanswered([hangs]), unanswered([hangs], hangs=True)) == ([], [hangs])


def test_a_run_that_ends_well_keeps_what_it_did_without(tmp_path: Path) -> None:
    """Unless a tape is there in which nothing was missing."""
    case = Case.model_validate({"id": "c", "task": {"title": "t"}, "expect": {"status": "success"}})
    runs = [(Staged({"status": "success"}, None), [line(error=REFUSED)])]
    refuse_broken(case, runs, None)
    refuse_broken(case, runs, [line(error=REFUSED)])
    with pytest.raises(RecordingBroken, match="old tape stays"):
        refuse_broken(case, runs, [line(answer="yes")])


def test_an_error_that_the_case_is_about_stops_no_recording() -> None:
    """A budget that is too small is one; code that raises and a setup that fails are not."""
    case = Case.model_validate({"id": "c", "task": {"title": "t"}, "expect": {"status": "BudgetExceeded"}})
    over = BudgetExceeded(scope="run", dimension="tokens", asked=2, left=1)
    unset = SetupError(field="model", value=None, rule="needs a key")
    assert not stops_recording(case, over, [])
    assert stops_recording(case, unset, [line(answer="yes")])
    assert stops_recording(case, KeyError("no"), [])


def test_a_faulty_case_is_told_where_cases_are_recorded(tmp_path: Path) -> None:
    """With file and line, as where they are run; the others are recorded."""
    suite = make_suite(tmp_path, cases=CASES + "- id: hopeless\n  task: {title: t}\n")
    made = {outcome.case.id: outcome for outcome in record_suite(suite)}
    assert list(made) == ["hopeless", "idle", "one", "two"]
    assert ((made["hopeless"].error or {})["file"], (made["hopeless"].error or {})["line"]) == ("small/cases.yaml", 11)
    assert [made[name].error for name in ("idle", "one", "two")] == [None] * 3
    assert [outcome.case.id for outcome in record_suite(suite, cases=["one"])] == ["one"]


def test_a_tape_of_another_case_is_not_played(tmp_path: Path) -> None:
    """It is told by file and both cases; recording again puts the right one in its place."""
    suite = make_suite(tmp_path)
    record_suite(suite)
    suite.tape_file("one").write_bytes(suite.tape_file("two").read_bytes())
    ran = one(run_suite(suite))
    assert ran.error is not None
    assert (ran.error["file"], ran.error["line"]) == ("small/tapes/one.jsonl", 1)
    assert "'two' refused: this is the tape of another case; record one again" in str(ran.error["message"])
    record_suite(suite, cases=["one"])
    assert one(run_suite(suite)).tape == "fresh"
