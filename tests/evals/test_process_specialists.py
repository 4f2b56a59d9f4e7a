"""Specialists of child processes, recorded where they are ones and played where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concertino.evals.outcomes import Outcome
from concertino.evals.recording import record_suite
from concertino.evals.running import run_suite
from tests.evals.suite_folders import make_suite

PLANNER = '''
import asyncio, os, time
from concertino import Budget, Declined, Finding, create_planner, specialist

HOME = os.getpid()


@specialist("plain", isolation="process", max_attempts=1)
def plain(brief):
    time.sleep(0.01)
    brief.spend(tokens=3)
    brief.publish("seen", word=brief.objective)
    found = brief.tools.look(word=brief.objective)
    found["names"] = list(brief.tools.names())
    brief.inputs["mine"] = "alone"
    return Finding(output={**found, "here": len(brief.discoveries), "upstream": len(brief.upstream)}, confidence=0.8)


@specialist("awaits", isolation="process", max_attempts=1)
async def awaits(brief):
    await asyncio.sleep(0.01)
    await brief.publish("seen", word=brief.objective)
    one, two = await asyncio.gather(brief.tools.look(word="a"), brief.tools.look(word="bcd"))
    nested = await asyncio.to_thread(asyncio_run, brief)
    return {"sum": one["letters"] + two["letters"] + nested["letters"], "names": list(brief.tools.names())}


def asyncio_run(brief):
    async def main():
        return await brief.tools.look(word="four")
    return asyncio.run(main())


@specialist("raises", isolation="process", max_attempts=1)
def raises(brief):
    if brief.objective == "exit":
        raise SystemExit(3)
    if brief.objective == "decline":
        return Declined(reason="not mine")
    if brief.objective == "tool":
        return brief.tools.breaks()
    if brief.objective == "sleep":
        time.sleep(1000)
    if brief.objective == "odd":
        return object()
    raise LookupError(brief.objective)


async def look(word: str) -> dict:
    """Look a word up."""
    await asyncio.sleep(0.01)
    return {"letters": len(word)}


def breaks() -> dict:
    """Break."""
    raise ValueError("broken")


def create(model=None):
    return create_planner(
        specialists=[plain, awaits, raises], model=model, tools=[look, breaks], budget=Budget(tokens=20_000, seconds=30.0),
        replans=0,
    )
'''

CASES = """
- id: both
  task: {title: t, plan: {subtasks: [{id: a, specialist: plain, objective: cats, inputs: {x: 1}}, {id: b, specialist: awaits, needs: [a], objective: dogs}]}}
  expect: {status: success}
"""
FAULTY = "".join(
    f"- id: {name}\n  task: {{title: t, plan: {{subtasks: [{{id: a, specialist: raises, objective: {name}}}]}}}}\n"
    "  expect: {status: failed}\n"
    for name in ("exit", "decline", "tool", "odd", "else")
)
SLOW = FAULTY.splitlines(keepends=True)[:3]


def told(outcomes: list[Outcome]) -> dict[str, Any]:
    """Return what became of each subtask, without anything of a process or of time."""
    assert [one.error for one in outcomes if one.error is not None] == []
    rows: Any = {one.case.id: (one.result or {})["subtasks"] for one in outcomes}
    return {
        name: [(row["state"], row["outputs"], str(row["reason"]).rpartition(":raises: ")[2]) for row in found]
        for name, found in rows.items()
    }


SAID = {
    "exit": "called sys.exit(3)",
    "decline": "not mine",
    "tool": "tool breaks failed after 1 attempt(s): ValueError: broken",
    "odd": "answer: 'object' refused: must be JSON",
    "else": "raised LookupError: else",
}
BOTH = [
    ("completed", {"letters": 4, "names": ["look", "breaks"], "here": 0, "upstream": 0}, "None"),
    ("completed", {"sum": 8, "names": ["look", "breaks"]}, "None"),
]


def test_what_a_process_specialist_does_is_played(tmp_path: Path) -> None:
    """Answers, calls, refusals and errors are those of the recording, with a script as without a tape."""
    suite = make_suite(tmp_path, planner=PLANNER, cases=CASES + FAULTY)
    recorded, ran = record_suite(suite), run_suite(suite)
    wanted = {"both": BOTH, **{name: [("failed", None, said)] for name, said in SAID.items()}}
    assert told(recorded) == told(ran) == wanted
    assert {one.case.id for one in ran if one.tape == "fresh"} == {"both", "tool"}
    assert [one.makespan_s for one in ran if one.case.id == "both"] == [0.055]


def test_a_live_recording_of_child_processes_is_played_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its children are real ones, made of the suite's file; what they asked their parent for is on the tape."""
    monkeypatch.setenv("OPENAI_API_KEY", "nobody-asks-it")
    suite = make_suite(tmp_path, planner=PLANNER, cases=CASES)
    recorded, ran = record_suite(suite, live=True), run_suite(suite)
    assert told(recorded) == told(ran) == {"both": BOTH}
    assert [one.tape for one in ran] == ["fresh"]
    assert [(one["scope"], one["name"]) for one in ran[0].calls] == [
        *[("awaits/b#1", "look")] * 3,
        ("plain/a#1", "look"),
    ]


def test_a_process_specialist_that_sleeps_too_long_ends_at_its_deadline(tmp_path: Path) -> None:
    """In virtual time, as it would be killed in real time."""
    cases = "".join(SLOW).replace("exit", "sleep")
    (ran,) = run_suite(make_suite(tmp_path, planner=PLANNER, cases=cases))
    assert ran.error is None
    assert ran.makespan_s == 29.5
