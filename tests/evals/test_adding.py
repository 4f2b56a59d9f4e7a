"""Cases of journalled runs: what people answered and what every specialist came back with is played as wholes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from concertino import Brief, Finding, Planner, Transient, specialist
from concertino.contracts.errors import FileInvalid, RunNotFound, RunStateError, SecretFound
from concertino.evals.adding import add_case
from concertino.evals.judging import judge, passed
from concertino.evals.running import run_suite
from concertino.evals.suites import Suite, load_suite
from tests.evals.suite_folders import make_suite

PLANNER = """
from concertino import Finding, create_planner, specialist


@specialist("writer")
async def writer(brief):
    raise AssertionError("was called")


@specialist("critic")
async def critic(brief):
    raise AssertionError("was called")


def create():
    return create_planner(specialists=[writer, critic], replans=0)
"""
SUITE = "name: small\ntarget: planner:create\n"
PLAN = {
    "subtasks": [
        {"id": "a", "specialist": "writer", "objective": "first"},
        {"id": "b", "specialist": "writer", "needs": ["a"], "objective": "second"},
        {"id": "c", "specialist": "critic", "required": False, "gate": True},
    ]
}


class World:
    """A planner that has run, and a suite to add its runs to."""

    def __init__(self, root: Path) -> None:
        self.database = f"sqlite:///{root / 'journal.db'}"
        self.suite: Suite = make_suite(root / "evals", suite=SUITE, planner=PLANNER, cases="[]")
        self.said: Any = "fine"
        tries: list[str] = []

        @specialist("writer")
        async def writer(brief: Brief) -> Finding:
            await brief.spend(tokens=40)
            tries.append(brief.subtask_id)
            if tries.count("b") == 1 and brief.subtask_id == "b":
                raise Transient("once")
            return Finding(output={"of": brief.subtask_id, "said": self.said}, confidence=0.7)

        @specialist("critic")
        async def critic(brief: Brief) -> Finding:
            raise ValueError("nothing is good enough")

        self.planner = Planner(specialists=[writer, critic], database=self.database, replans=0)

    def run(self, task_id: str = "t1") -> None:
        self.planner.run({"task_id": task_id, "title": "two texts", "plan": PLAN})

    def add(self, task_id: str = "t1", **options: Any) -> Any:
        return add_case(self.suite, task_id, database=self.database, **options)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return the world, closed at the end."""
    made = World(tmp_path)
    yield made
    made.planner.close()


def test_a_journalled_run_becomes_a_case_that_passes(world: World) -> None:
    """With its gates, retries, failures and amounts, and without its specialists."""
    world.run()
    world.planner.answer("t1", "c", "accept")
    result = world.planner.resume("t1")
    made = world.add()
    assert made.expect["states"] == {"a": "completed", "b": "completed", "c": "failed"}
    (outcome,) = run_suite(load_suite("small", root=world.suite.folder.parent))
    assert (outcome.error, outcome.tape, outcome.stand_in) == (None, "fresh", False)
    assert passed(judge(outcome))
    assert outcome.result is not None
    subtasks: Any = outcome.result["subtasks"]
    assert [(one["state"], one["attempts"]) for one in subtasks] == [("completed", 1), ("completed", 2), ("failed", 3)]
    assert outcome.result["usage"]["tokens"] == result["usage"]["tokens"] == 120  # type: ignore[index,call-overload]
    assert outcome.result["answer"] == result["answer"]


def test_a_run_that_is_not_over_is_no_case(world: World) -> None:
    """Nor is one that nobody made."""
    world.run()
    with pytest.raises(RunStateError, match="before it is over"):
        world.add()
    with pytest.raises(RunNotFound):
        world.add("t2")


def test_a_case_is_added_once(world: World) -> None:
    """Under another name it may be added again."""
    world.run()
    world.planner.answer("t1", "c", "reject")
    world.planner.resume("t1")
    world.add()
    with pytest.raises(FileInvalid, match="no case of the suite has"):
        world.add()
    world.add(case_id="again")
    assert [case.id for case in load_suite("small", root=world.suite.folder.parent).cases] == ["again", "t1"]


def test_a_run_with_a_secret_leaves_nothing(world: World) -> None:
    """Neither case nor tape."""
    world.said = "the key is sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9t"
    world.run()
    world.planner.answer("t1", "c", "reject")
    world.planner.resume("t1")
    before = sorted(world.suite.folder.rglob("*"))
    with pytest.raises(SecretFound):
        world.add()
    assert sorted(world.suite.folder.rglob("*")) == before
