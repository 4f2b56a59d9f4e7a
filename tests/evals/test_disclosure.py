"""Nothing that is told of a run holds a secret: outcomes, reports, pages; recorded, replayed or journalled."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import FileInvalid
from concertino.contracts.event import Event
from concertino.evals.disclosure import calls_of_run, without_secrets
from concertino.evals.recording import record_suite
from concertino.evals.reports.report import report
from concertino.evals.running import run_suite
from concertino.service.cli.main import run as command
from concertino.tools.tape.files import write_tape
from concertino.tools.tape.secrecy import redacted
from tests.evals.suite_folders import PLANNER, make_suite
from tests.tools.tape.tapes import line, tape

KEY = "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9t"
CHANNELS = {
    "an output": PLANNER.replace('output="done"', f'output={{"text": "it is {KEY}"}}'),
    "an error": PLANNER.replace('return Finding(output="done"', f'raise ValueError("oops {KEY}")\n    return Finding(output="done"'),
    "a tool's error": PLANNER.replace("    await asyncio.sleep(0.25)", f'    raise ValueError("no {KEY}")').replace(
        'await asyncio.sleep(brief.inputs.get("seconds", 1))', 'await brief.tools.look(word="a")'
    ),
}  # fmt: skip


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_replay_tells_no_secret(tmp_path: Path, channel: str) -> None:
    """Wherever the run says it; a recording says the same."""
    suite = make_suite(tmp_path, planner=CHANNELS[channel])
    for outcomes in (run_suite(suite, cases=["idle"]), record_suite(suite, cases=["idle"])):
        told = json.dumps(
            [asdict(replace(one.opened(), case=one.case.unreadable("idle"))) for one in outcomes], default=str
        )
        assert "aB3dE5" not in repr(outcomes)
        assert "aB3dE5" not in told + json.dumps(report(suite, outcomes))
        assert "[removed: a secret]" in told or (outcomes[0].error or {})["type"] == "SecretFound"


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_a_secret_of_the_runs_own_environment_is_in_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side_by_side: int
) -> None:
    """Though whoever reads the outcome has no such variable any more, or never had it."""
    secret = "tr0ub4dor&3 horse"
    lines = f'import os\n\nos.environ["SESSION_TOKEN"] = "{secret}"\n'
    suite = make_suite(tmp_path, planner=lines + PLANNER.replace('output="done"', f'output="it is {secret}"'))
    monkeypatch.setenv("SESSION_TOKEN", "none yet")
    outcomes = run_suite(suite, side_by_side=side_by_side)
    monkeypatch.delenv("SESSION_TOKEN", raising=False)
    assert secret not in json.dumps([one.result for one in outcomes]) + json.dumps(report(suite, outcomes))
    assert any("removed: a secret" in json.dumps(one.result) for one in outcomes)


@pytest.mark.parametrize("action", ["run", "record"])
def test_what_a_case_expects_is_in_no_report(tmp_path: Path, action: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Though verdicts quote it; pages hold the same report."""
    suite = make_suite(tmp_path, planner=CHANNELS["an output"])
    path = suite.folder / "cases.yaml"
    path.write_text(path.read_text().replace("expect: {status: success}", f"expect: {{answer: {{exact: {KEY}}}}}"))
    page, junit = tmp_path / "r.html", tmp_path / "r.xml"
    files = ["--html", str(page), "--junit", str(junit)]
    stand_in = ["--stand-in"] if action == "record" else []
    command(["eval", action, "small", "--suites", str(tmp_path), "--case", "idle", "--json", *files, *stand_in])
    out = capsys.readouterr()
    assert "removed: a secret" in out.out
    assert "aB3dE5" not in out.out + out.err + page.read_text() + junit.read_text()


def test_the_records_own_digests_stay() -> None:
    """The hash of a task and those of prompts open nothing; the same text elsewhere goes."""
    digest = "ec540a2123e7cefa30c14d732f64cb79abcc4b9db165c23115661ffb0df9daee"
    other = digest[::-1]
    told: Any = {
        "events": [{"type": "TASK_STARTED", "payload": {"hash": digest}}],
        "models": {"prompts": {"plan": digest}}, "answer": {"type": "x", "payload": {"hash": other}},
    }  # fmt: skip
    clean: Any = without_secrets(told)
    assert clean["events"] == told["events"]
    assert clean["models"] == told["models"]
    assert other not in json.dumps(clean)


TEXTS = st.sampled_from(
    [KEY, f"say {KEY}", "hunter2", "plain", "a" * 500 + KEY, "password", "api_key", "task-3f9c0a1b2c3d4e5f6a7b"]
)
JSON = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.sampled_from(["token", "output"]), inner, max_size=4)
    ),
)


@given(JSON)
def test_the_quick_look_misses_nothing(told: Any) -> None:
    """What is told is what taking every secret out leaves; the same object where there was none."""
    clean = without_secrets(told)
    assert clean == redacted(told)
    assert (clean is told) or clean != told


def event(at: float) -> Event:
    return Event.model_validate({
        "message_type": "STATUS", "type": "RUN_ADMITTED", "task_id": "t-1", "run_id": "run-1", "agent_id": "orchestrator", "timestamp": at,
        "payload": {}, "seq": 1,
    })  # fmt: skip


def test_a_tape_of_another_run_is_refused(tmp_path: Path) -> None:
    """It belongs to a run by its task, or by its moment."""
    path = tmp_path / "c.jsonl"
    write_tape(path, tape([line(answer="yes")], start=1_000.0))
    assert len(calls_of_run(path, [event(1_000.5)])) == 1
    with pytest.raises(FileInvalid, match="tape of another run; the report is of task t-1"):
        calls_of_run(path, [event(2_000.0)])
    known = tape([line(answer="yes")], start=1_000.0)
    write_tape(path, replace(known, head=replace(known.head, case="t-1")))
    assert len(calls_of_run(path, [event(2_000.0)])) == 1
