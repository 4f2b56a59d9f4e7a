"""Running cases from tapes: what state a tape is in, what a fault does, what is refused; the same however often."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.errors import Offline
from concertino.evals.judging import judge
from concertino.evals.offline import offline
from concertino.evals.outcomes import Outcome
from concertino.evals.recording import record_suite
from concertino.evals.running import run_suite
from concertino.evals.suites import Suite, load_suite
from concertino.tools.tape.files import read_tape, write_tape
from tests.evals.suite_folders import CASES, PLANNER, SUITE, make_suite

ROOT = Path(__file__).parents[2]


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Return the small suite, recorded."""
    made = make_suite(tmp_path)
    record_suite(made)
    return made


def again(known: Suite, **changed: str) -> dict[str, Outcome]:
    """Run the suite with some of its files changed."""
    made = make_suite(known.folder.parent, **changed)
    return {outcome.case.id: outcome for outcome in run_suite(made)}


def test_a_tape_is_stale_when_code_a_tool_or_a_model_has_changed(suite: Suite) -> None:
    """It says what; where the questions are the same it is played all the same."""
    ran = again(suite, planner=PLANNER.replace("confidence=0.8", "confidence=0.7"))["one"]
    assert (ran.tape, ran.error) == ("stale", None)
    assert [note["what"] for note in ran.notes] == ["code writer"]
    ran = again(suite, planner=PLANNER.replace("Look a word up.", "Look it up."))["one"]
    assert [note["what"] for note in ran.notes] == ["code writer", "tool look", "code of tool look"]
    ran = again(suite, suite=SUITE.replace("gpt-5-mini", "gpt-5"))["one"]
    assert ran.error is not None
    assert "name: recorded 'openai:gpt-5-mini', now 'openai:gpt-5'" in str(ran.error["message"])
    assert ran.notes[0]["what"] == "model openai:gpt-5-mini"


def test_another_prompt_is_a_miss_with_the_nearest_call_and_the_difference(suite: Suite) -> None:
    """The run has no result that could be mistaken for one, and its question was asked once."""
    ran = again(suite, planner=PLANNER.replace("Write about", "Write nicely about"))["one"]
    assert ran.error is not None
    assert (ran.error["type"], ran.result, ran.tape) == ("TapeMiss", None, "stale")
    assert "the nearest recorded call is writer/a#1 call 1" in str(ran.error["message"])
    assert "recorded '…Write about cats.', now '…Write nicely about cats.'" in str(ran.error["message"]).replace(
        "'Write", "'…Write"
    )
    tried = [event["payload"] for event in ran.events if event["type"] == "TOOL_CALLED"]
    assert len(tried) == 1
    assert [verdict.name for verdict in judge(ran)] == ["run"]


def test_a_miss_cannot_be_hidden(suite: Suite) -> None:
    """A specialist that goes on after any error does not make a result of it."""
    planner = PLANNER.replace(
        '    said = await brief.model.ainvoke(f"Write about {brief.objective}.")',
        "    try:\n        said = await brief.model.ainvoke('something else')\n"
        "    except Exception:\n        return Finding(output='fine', confidence=1.0)",
    )
    ran = again(suite, planner=planner)["one"]
    assert ran.error is not None
    assert (ran.error["type"], ran.result) == ("TapeMiss", None)


def test_calls_that_nobody_makes_any_more_are_told(suite: Suite) -> None:
    """The tape is unplayed in part; changed code is told first."""
    cases = CASES.replace(", {id: b, specialist: writer, objective: dogs}]}}", "]}}")
    ran = again(suite, cases=cases)["two"]
    assert ran.tape == "unplayed"
    told: Any = ran.notes[0]["recorded"]
    assert told == [
        "model openai:gpt-5-mini (synthesize#1 call 1)", "model openai:gpt-5-mini (writer/b#1 call 1)",
        "tool look (writer/b#1 call 2)",
    ]  # fmt: skip


def test_a_tape_without_a_case_is_an_orphan(suite: Suite) -> None:
    """And an outcome of its own."""
    ran = again(suite, cases=CASES.replace("- id: one\n", "- id: other\n"))
    assert (ran["one"].tape, ran["one"].result) == ("orphan", None)
    assert ran["other"].error is not None
    assert (ran["other"].tape, ran["other"].error["type"]) == ("none", "TapeMiss")


def test_a_spoilt_tape_or_case_stops_no_other(suite: Suite) -> None:
    """Each says file, line and rule."""
    path = suite.tape_file("one")
    path.write_text(path.read_text().replace("cats", "rats", 1))
    ran = again(suite, cases=CASES + "- id: hopeless\n  task: {title: t}\n")
    assert ran["one"].error is not None
    assert (ran["one"].error["file"], ran["one"].error["line"]) == ("small/tapes/one.jsonl", 2)
    assert "was edited" in str(ran["one"].error["rule"])
    assert ran["hopeless"].error is not None
    assert (ran["hopeless"].error["file"], ran["hopeless"].error["line"]) == ("small/cases.yaml", 11)
    assert ran["two"].error is None
    assert ran["two"].result is not None


def fault(text: str) -> str:
    return CASES.replace("- id: one\n", f"- id: one\n  faults: [{text}]\n")


@pytest.mark.parametrize(
    ("text", "makespan_s", "attempts"),
    [
        ("{where: {kind: model, n: 1}, what: 429, retry_after: 5}", 8.25, 1),
        ("{where: {kind: tool, name: look, n: 1}, what: timeout}", 2.0, 1),
        ("{where: {kind: model, scope: writer#1}, what: 500}", None, 1),
        ("{where: {kind: tool, name: look, scope: writer/a#1}, what: refuse}", 1.75, 1),
    ],
)
def test_a_fault_costs_what_it_would(suite: Suite, text: str, makespan_s: float | None, attempts: int) -> None:
    """Waits and retries pass in virtual time as they would."""
    ran = again(suite, cases=fault(text))["one"]
    assert (ran.error, ran.tape) == (None, "fresh")
    assert [one.get("fault") for one in ran.calls].count(None) < len(ran.calls)
    assert makespan_s is None or makespan_s <= ran.makespan_s < makespan_s + 0.6
    assert ran.result is not None
    listed: Any = ran.result["subtasks"]
    assert listed[0]["attempts"] == attempts


def test_a_hanging_call_meets_the_deadline(suite: Suite) -> None:
    """The run ends when its time is over, and no second of ours."""
    cases = fault("{where: {kind: model}, what: hang}").replace("  expect", "  options: {seconds: 30.0}\n  expect", 1)
    ran = again(suite, cases=cases)["one"]
    assert ran.result is not None
    assert (ran.result["status"], ran.tape) == ("failed", "fresh")
    assert 25 < ran.makespan_s <= 30


def test_what_waits_for_nothing_is_said(suite: Suite) -> None:
    """A run that can never go on is an error of its case."""
    planner = PLANNER.replace('await asyncio.sleep(brief.inputs.get("seconds", 1))', "await asyncio.Event().wait()")
    ran = again(suite, planner=planner.replace("seconds=seconds), replans", "calls=9), replans"))["idle"]
    assert ran.error is not None
    assert ran.error["type"] == "Stalled"


def test_gates_are_answered_as_the_case_says(tmp_path: Path) -> None:
    """By gate or subtask, each answer once; without one the run waits."""
    plan = "{title: t, plan: {subtasks: [{id: a, specialist: idler, gate: true}, {id: b, specialist: idler, needs: [a], gate: true}]}}"
    cases = f"""
- {{id: both, task: {plan}, answers: [{{gate: a, decision: accept}}, {{subtask: b, decision: reject}}], expect: {{status: success}}}}
- {{id: one, task: {plan}, answers: [{{subtask: a, decision: accept}}], expect: {{status: waiting}}}}
- {{id: any, task: {plan}, answers: [{{decision: accept}}, {{decision: accept}}], expect: {{status: success}}}}
"""
    ran = {one.case.id: one.result for one in run_suite(make_suite(tmp_path, cases=cases))}
    states = {name: [one["state"] for one in (result or {})["subtasks"]] for name, result in ran.items()}  # type: ignore[union-attr,index,call-overload]
    assert states["both"] == ["completed", "skipped"]
    assert states["any"] == ["completed", "completed"]
    assert (ran["one"] or {})["status"] == "waiting"


def told(suite: Suite, **options: Any) -> str:
    return json.dumps([{**vars_of(one), "id": one.case.id} for one in run_suite(suite, **options)])


def vars_of(outcome: Outcome) -> dict[str, Any]:
    made = {name: getattr(outcome, name) for name in outcome.__slots__ if name not in ("case", "transcript")}
    return made | asdict(outcome.transcript.opened())


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from concertino.evals.suites import load_suite
from tests.evals.test_playing import told
if __name__ == "__main__":
    print(told(load_suite(sys.argv[1]), side_by_side=int(sys.argv[3])))
"""


def test_runs_are_the_same_whatever_the_hash_seed_and_however_many_at_once(suite: Suite, tmp_path: Path) -> None:
    """Byte for byte, over three seeds with one, two and eight cases side by side."""
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    cases = fault("{where: {kind: model}, what: 429, share: 0.5, seed: 3}")
    made = make_suite(suite.folder.parent, cases=cases + "- {id: hopeless, task: {title: t}}\n")
    here = told(made)
    for seed, side_by_side in ((1, 1), (2, 2), (3, 8)):
        found = subprocess.run(
            [sys.executable, str(script), str(made.folder), str(ROOT), str(side_by_side)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)}, capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        assert found.stdout.rstrip("\n") == here


ESCAPES = """
import sys
sys.path.insert(0, sys.argv[1])
from concertino.contracts.errors import Offline
from concertino.evals.offline import offline
import asyncio, socket, urllib.request

def refused(work):
    try:
        work()
    except Offline:
        return True
    return False

with offline():
    tries = [
        lambda: __import__("openai"), lambda: __import__("langchain_openai"), lambda: __import__("tiktoken"),
        lambda: socket.create_connection(("127.0.0.1", 9)), lambda: socket.socket(),
        lambda: socket.getaddrinfo("localhost", 80), lambda: urllib.request.urlopen("http://127.0.0.1:9/"),
        lambda: asyncio.run(asyncio.open_connection("127.0.0.1", 9)),
    ]
    print([refused(one) for one in tries])
socket.socket().close()
print("openai" in sys.modules)
"""


def test_a_replay_has_no_way_out() -> None:
    """No connection is opened and no provider imported; afterwards both can be done again."""
    found = subprocess.run(
        [sys.executable, "-c", ESCAPES, str(ROOT)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert found.stdout.splitlines() == [str([True] * 8), "False"]


def test_a_specialist_that_calls_out_by_itself_is_told_so(tmp_path: Path) -> None:
    """Its failure names the rule."""
    planner = PLANNER.replace(
        'await asyncio.sleep(brief.inputs.get("seconds", 1))',
        "import socket; socket.create_connection(('127.0.0.1', 9))",
    )
    ran = {one.case.id: one for one in run_suite(make_suite(tmp_path, planner=planner))}
    assert "a replay opens no connection" in json.dumps(ran["idle"].result)


def test_a_suite_runs_without_a_provider(suite: Suite) -> None:
    """In a fresh interpreter nothing that talks to one is loaded, from the first import to the last outcome."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from concertino.evals.running import run_suite\nfrom concertino.evals.suites import load_suite\n"
        "from concertino.evals.offline import PROVIDERS\n"
        "out = run_suite(load_suite(sys.argv[1]))\n"
        "print(all(one.error is None for one in out), sorted(PROVIDERS & set(sys.modules)))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    found = subprocess.run(
        [sys.executable, "-c", code, str(suite.folder), str(ROOT)], capture_output=True, text=True, check=True, cwd=ROOT,
        env=environment,
    )  # fmt: skip
    assert found.stdout.strip() == "True []"


def test_nested_replays_keep_the_door_shut() -> None:
    """The inner one's end opens nothing."""
    import socket

    with offline():
        with offline():
            pass
        with pytest.raises(Offline):
            socket.socket()


def test_a_foreign_tape_is_not_played(suite: Suite) -> None:
    """Recorded under another name and model, it answers nothing."""
    path = suite.tape_file("one")
    known = read_tape(path)
    write_tape(path, replace(known, lines=tuple(replace(line, name="openai:other") for line in known.lines)))
    ran = {one.case.id: one for one in run_suite(load_suite("small", root=suite.folder.parent))}["one"]
    assert ran.error is not None
    assert ran.error["type"] == "TapeMiss"
