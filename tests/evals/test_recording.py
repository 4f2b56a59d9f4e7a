"""Recording a suite's cases, with a script or over a server, and running them from what was recorded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.errors import FileInvalid, SetupError
from concertino.evals.judging import judge
from concertino.evals.outcomes import Outcome
from concertino.evals.recording import record_suite
from concertino.evals.running import run_suite
from concertino.evals.suites import load_suite
from tests.evals.suite_folders import CASES, PLANNER, SUITE, make_suite
from tests.loopback.openai_server import OpenAIServer, Received, Reply, Say


def by_id(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.case.id: outcome for outcome in outcomes}


def answers(outcome: Outcome) -> list[Any]:
    assert outcome.result is not None
    listed: Any = outcome.result["subtasks"]
    return [one["outputs"] for one in listed]


def test_a_recorded_case_runs_as_it_did(tmp_path: Path) -> None:
    """With the latencies of then, in virtual time; a case that calls nothing has no tape."""
    suite = make_suite(tmp_path)
    recorded = by_id(record_suite(suite))
    assert {path.stem for path in (suite.folder / "tapes").iterdir()} == {"one", "two"}
    ran = by_id(run_suite(suite))
    assert {name: one.tape for name, one in ran.items()} == {"one": "fresh", "two": "fresh", "idle": "none"}
    assert {name: one.makespan_s for name, one in ran.items()} == {"one": 1.75, "two": 3.25, "idle": 3.0}
    for name, one in ran.items():
        assert (one.result, one.events, one.error) == (recorded[name].result, recorded[name].events, None)
        assert one.stand_in is (name != "idle")
    assert answers(ran["two"]) == [
        {"text": "two: Write about cats.", "letters": 4}, {"text": "two: Write about dogs.", "letters": 4},
    ]  # fmt: skip
    assert [(one["scope"], one["n"], one["kind"], one["at"]) for one in ran["two"].calls] == [
        ("synthesize#1", 1, "model", 1.75), ("writer/a#1", 1, "model", 0.0), ("writer/a#1", 2, "tool", 1.5),
        ("writer/b#1", 1, "model", 0.0), ("writer/b#1", 2, "tool", 1.5),
    ]  # fmt: skip


def test_recording_again_leaves_the_tapes_alone(tmp_path: Path) -> None:
    """Byte for byte, their date included."""
    suite = make_suite(tmp_path)
    record_suite(suite)
    before = {path: path.read_bytes() for path in (suite.folder / "tapes").iterdir()}
    record_suite(suite)
    assert {path: path.read_bytes() for path in (suite.folder / "tapes").iterdir()} == before


def test_repeats_are_recorded_each(tmp_path: Path) -> None:
    """And each is played as it was."""
    suite = make_suite(tmp_path, cases=CASES.replace("- id: one\n", "- id: one\n  repeats: 3\n"))
    record_suite(suite, cases=["one"])
    lines = [json.loads(line) for line in suite.tape_file("one").read_text().splitlines()[1:]]
    assert [line.get("run", 1) for line in lines] == [1, 1, 2, 2, 3, 3]
    ran = run_suite(suite, cases=["one"])
    assert [(one.number, one.tape) for one in ran] == [(1, "fresh"), (2, "fresh"), (3, "fresh")]
    assert ran[0].result != ran[1].result
    assert answers(ran[0]) == answers(ran[1])


def test_a_live_recording_over_a_server_on_this_machine_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real client asks; the tape has no address or key, and is marked as a stand-in's."""
    suite = make_suite(tmp_path)

    def reply(received: Received) -> Reply:
        return Say(f"about {received.messages[-1]['content']}")

    with OpenAIServer(reply) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-that-nobody-may-see")
        recorded = by_id(record_suite(suite, cases=["two"], live=True))
        assert recorded["two"].error is None
        requests = len(server.requests)
        port = server.url.split(":")[2].split("/")[0]
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    ran = by_id(run_suite(suite, cases=["two"]))["two"]
    assert (requests, ran.tape, ran.stand_in, ran.error) == (3, "fresh", True, None)
    assert answers(ran) == answers(recorded["two"])
    assert answers(ran)[0] == {"text": "about Write about cats.", "letters": 4}
    text = suite.tape_file("two").read_text()
    assert "nobody-may-see" not in text
    assert port not in text


def test_a_secret_in_a_run_leaves_no_tape(tmp_path: Path) -> None:
    """The outcome says where it stood, and does not hold it; other cases are recorded."""
    key = "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9t"
    suite = make_suite(tmp_path, cases=CASES.replace("objective: cats}]}}", f"objective: cats by {key}}}]}}}}", 1))
    recorded = by_id(record_suite(suite))
    assert recorded["one"].error is not None
    assert recorded["one"].error["type"] == "SecretFound"
    assert [path.name for path in (suite.folder / "tapes").iterdir()] == ["two.jsonl"]
    assert key not in json.dumps(asdict(recorded["one"])["error"])


def test_what_a_live_run_says_is_told_without_secrets(tmp_path: Path) -> None:
    """Also where nothing crossed the boundary, and so nothing was refused."""
    planner = PLANNER.replace('output="done"', 'output="sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9t"')
    recorded = by_id(record_suite(make_suite(tmp_path, planner=planner), cases=["idle"]))
    assert answers(recorded["idle"]) == ["[removed: a secret]"]
    assert "aB3dE5" not in json.dumps([recorded["idle"].events, recorded["idle"].result])


def test_what_a_faulty_world_is_asked_beyond_a_sound_one_is_recorded(tmp_path: Path) -> None:
    """A refusal brings up a question that a sound run never asks; played, both are answered."""
    planner = PLANNER.replace(
        '    found = await',
        '    if said.additional_kwargs.get("refusal"):\n'
        '        said = await brief.model.ainvoke(f"Please, about {brief.objective}.")\n'
        "    found = await",
    )  # fmt: skip
    cases = CASES.replace("- id: one\n", "- id: one\n  faults: [{where: {kind: model, n: 1}, what: refuse}]\n")
    suite = make_suite(tmp_path, cases=cases, planner=planner)
    record_suite(suite)
    ran = by_id(run_suite(suite))["one"]
    assert (ran.error, ran.tape) == (None, "fresh")
    assert answers(ran) == [{"text": "one: Please, about cats.", "letters": 4}]
    assert [one.get("fault") for one in ran.calls] == ["refuse", None, None]


JUDGE = """

def judge(case):
    said = '{"criteria": [{"criterion": "about cats", "met": true, "reason": "it says so"}]}'
    return ScriptedModel(script=lambda messages, tools: Said(said, seconds=2))
"""


def test_a_judge_is_asked_while_a_case_is_recorded(tmp_path: Path) -> None:
    """Its words are on the tape with the others; an answer that it has not seen is judged by nobody."""
    cases = CASES.replace("expect: {status: success}", "expect: {answer: {rubric: It is about cats.}}", 1)
    suite = SUITE + "judges: {model: openai:gpt-5-mini, stand_in: 'stand_in:judge'}\n"
    made = make_suite(tmp_path, suite=suite, cases=cases)
    (made.folder / "stand_in.py").write_text((made.folder / "stand_in.py").read_text() + JUDGE)
    record_suite(made, cases=["one"])
    ran = by_id(run_suite(made, cases=["one"]))["one"]
    assert (ran.tape, ran.error, [one["scope"] for one in ran.calls]) == (
        "fresh",
        None,
        ["judge#1", "writer/a#1", "writer/a#1"],
    )
    assert [(one.name, one.passed) for one in judge(ran)] == [("answer.rubric", True)]
    assert ran.makespan_s == 1.75
    changed = make_suite(
        tmp_path, suite=suite, cases=cases, planner=PLANNER.replace('"text": said.text', '"text": "dogs"')
    )
    ran = by_id(run_suite(changed, cases=["one"]))["one"]
    assert (ran.error, [(one.name, one.passed) for one in judge(ran)]) == (None, [("answer.rubric", False)])


def test_a_crash_of_the_target_leaves_the_old_tape(tmp_path: Path) -> None:
    """The outcome says what was raised."""
    suite = make_suite(tmp_path)
    record_suite(suite, cases=["one"])
    before = suite.tape_file("one").read_bytes()
    make_suite(
        tmp_path,
        planner=PLANNER.replace("    return create_planner(", "    raise KeyError('no')\n    return create_planner("),
    )
    fresh = load_suite("small", root=tmp_path)
    failed = by_id(record_suite(fresh, cases=["one"]))["one"]
    assert failed.error == {"type": "KeyError", "message": "'no'"}
    assert suite.tape_file("one").read_bytes() == before


def test_only_cases_that_are_there_can_be_asked_for(tmp_path: Path) -> None:
    """To be recorded as to be run."""
    suite = make_suite(tmp_path)
    for work in (record_suite, run_suite):
        with pytest.raises(FileInvalid, match="no case of this id"):
            work(suite, cases=["none"])
    with pytest.raises(SetupError, match="side_by_side"):
        run_suite(suite, side_by_side=0)


def test_a_target_that_is_none_is_refused(tmp_path: Path) -> None:
    """By the suite's own field."""
    for target, rule in (("planner:nothing", "must name a function"), ("nowhere:create", "cannot be imported")):
        with pytest.raises(SetupError, match=rule):
            run_suite(make_suite(tmp_path, suite=SUITE.replace("planner:create", target)))
