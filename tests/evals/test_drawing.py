"""What specialists draw from their brief: ids, chance and time, recorded live or with a script, and played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concertino.evals.outcomes import Outcome
from concertino.evals.recording import record_suite
from concertino.evals.running import run_suite
from tests.evals.suite_folders import make_suite

PLANNER = '''
import time
from concertino import Budget, create_planner, specialist


def drawn(brief):
    found = [brief.new_id("mail"), brief.new_id("mail"), brief.new_id("file")]
    return [*found, brief.random.random(), brief.random.sample(range(1000), 3), brief.now(), brief.now()]


@specialist("awaits")
async def awaits(brief):
    found = drawn(brief)
    await brief.tools.look(word=str(found))
    return found


@specialist("plain")
def plain(brief):
    found = drawn(brief)
    brief.tools.look(word=str(found))
    return found


@specialist("apart", isolation="process")
def apart(brief):
    found = drawn(brief)
    brief.tools.look(word=str(found))
    return found


@specialist("polls", max_attempts=1)
def polls(brief):
    until, looks = brief.now() + brief.inputs["seconds"], 0
    while brief.now() < until:
        time.sleep(0.01)
        looks += 1
    return brief.now() - until < 1.0


@specialist("wrong", max_attempts=1)
def wrong(brief):
    return brief.new_id("two words")


async def look(word: str) -> dict:
    """Look a word up."""
    return {"letters": len(word)}


def create(model=None):
    return create_planner(specialists=[awaits, plain, apart, wrong, polls], model=model, tools=[look], budget=Budget(seconds=30.0), replans=0)
'''

CASES = """
- id: all
  repeats: 2
  task: {title: t, plan: {subtasks: [{id: a, specialist: awaits}, {id: b, specialist: plain}, {id: c, specialist: plain}, {id: d, specialist: apart}]}}
  expect: {status: success}
- id: polls
  task: {title: t, plan: {subtasks: [{id: a, specialist: polls, inputs: {seconds: 0.05}}]}}
  expect: {status: success}
- id: wrong
  task: {title: t, plan: {subtasks: [{id: a, specialist: wrong}]}}
  expect: {status: failed}
"""


def drawn(outcomes: list[Outcome]) -> list[Any]:
    assert [one.error for one in outcomes if one.error is not None] == []
    rows: Any = [(one.result or {})["subtasks"] for one in outcomes]
    return [row["outputs"] for found in rows for row in found]


@pytest.mark.parametrize("live", [False, True])
def test_ids_and_chance_are_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: bool) -> None:
    """Also in what a tool is asked by; other subtasks and repeats have others."""
    monkeypatch.setenv("OPENAI_API_KEY", "nobody-asks-it")
    suite = make_suite(tmp_path, planner=PLANNER, cases=CASES)
    recorded = drawn(record_suite(suite, cases=["all"], live=live))
    ran = run_suite(suite, cases=["all"])
    assert drawn(ran) == recorded
    assert {one.tape for one in ran} == {"fresh"}
    assert len({str(one) for one in recorded}) == len({one[0] for one in recorded}) == 8
    assert recorded[0][0].startswith("mail-")
    assert recorded[0][0] != recorded[0][1]


def test_an_id_has_a_prefix_that_is_one(tmp_path: Path) -> None:
    """Or is refused by its rule."""
    (ran,) = run_suite(make_suite(tmp_path, planner=PLANNER, cases=CASES), cases=["wrong"])
    rows: Any = (ran.result or {})["subtasks"]
    assert "new_id.prefix" in rows[0]["reason"]


def test_after_its_last_recorded_reading_a_clock_goes_on(tmp_path: Path) -> None:
    """A loop that waits longer than it did when it was recorded comes to its end all the same."""
    record_suite(make_suite(tmp_path, planner=PLANNER, cases=CASES), cases=["polls"])
    longer = make_suite(tmp_path, planner=PLANNER, cases=CASES.replace("seconds: 0.05", "seconds: 20"))
    (ran,) = run_suite(longer, cases=["polls"])
    assert drawn([ran]) == [True]
    assert 20.0 <= ran.makespan_s < 20.1
