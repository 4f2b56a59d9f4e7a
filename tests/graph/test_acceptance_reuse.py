"""Results of older code: a resume, restart or take-over does again what no longer holds, and refuses what it cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest

from concertino import Brief, Planner, specialist
from concertino.contracts.errors import SetupError

PLAN: dict[str, Any] = {
    "subtasks": [
        {"id": "base", "specialist": "first"},
        {"id": "other", "specialist": "aside"},
        {"id": "top", "specialist": "second", "needs": ["base"], "inputs": {"v": {"$from": "base", "path": "v"}}},
        {"id": "last", "specialist": "second", "needs": ["top"], "inputs": {"v": {"$from": "top", "path": "v"}}},
    ],
    "answer": ["last"],
}


def _gated(*ids: str) -> dict[str, Any]:
    return {**PLAN, "subtasks": [{**sub, **({"gate": True} if sub["id"] in ids else {})} for sub in PLAN["subtasks"]]}


def _team(
    calls: list[str], *, version: str, value: int, delivery: Literal["at_least_once", "at_most_once"]
) -> list[Any]:
    @specialist("first", version=version, delivery=delivery)
    async def first(brief: Brief) -> dict[str, Any]:
        calls.append(brief.subtask_id)
        return {"v": value}

    @specialist("aside")
    async def aside(brief: Brief) -> dict[str, Any]:
        calls.append(brief.subtask_id)
        return {"v": 0}

    @specialist("second")
    def second(brief: Brief) -> dict[str, Any]:
        calls.append(brief.subtask_id)
        given: Any = brief.inputs["v"]
        return {"v": given + 1}

    return [first, aside, second]


class World:
    """One database, opened again and again by planners of different code."""

    def __init__(self, path: Path) -> None:
        self.database = f"sqlite:///{path / 'x.db'}"
        self.calls: list[str] = []

    def planner(
        self,
        version: str,
        value: int,
        *,
        without: str = "",
        delivery: Literal["at_least_once", "at_most_once"] = "at_least_once",
    ) -> Planner:
        self.calls.clear()
        team = _team(self.calls, version=version, value=value, delivery=delivery)
        return Planner(specialists=[s for s in team if s.name != without], database=self.database)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a world of its own."""
    return World(tmp_path)


def _task(plan: Any) -> dict[str, Any]:
    return {"task_id": "t-1", "plan": plan}


def test_a_resume_does_again_what_an_older_version_did(world: World) -> None:
    """Only the changed specialist's subtask and its dependents run again; the answer is the new code's."""
    with world.planner("1", 10) as planner:
        assert planner.run(_task(_gated("last")))["status"] == "waiting"
        assert sorted(world.calls) == ["base", "other", "top"]
        planner.answer("t-1", "last", "accept")
    with world.planner("2", 20) as planner:
        out: Any = planner.resume("t-1")
        assert (out["status"], out["answer"], world.calls) == ("success", {"v": 22}, ["base", "top", "last"])
        records = planner.graph.get_state({"configurable": {"thread_id": "t-1"}}).values["records"]
        assert (records["base"]["version"], records["base"]["finding"]["output"]) == ("2", {"v": 20})


def test_a_resume_with_the_same_version_reuses_everything(world: World) -> None:
    """Nothing completed runs again."""
    with world.planner("1", 10) as planner:
        planner.run(_task(_gated("last")))
        planner.answer("t-1", "last", "accept")
    with world.planner("1", 20) as planner:
        assert planner.resume("t-1")["answer"] == {"v": 12}
        assert world.calls == ["last"]


def test_what_was_done_again_is_not_done_a_third_time(world: World) -> None:
    """The next resume reuses the new version's results, after a second gate too."""
    with world.planner("1", 10) as planner:
        planner.run(_task(_gated("top", "last")))
        planner.answer("t-1", "top", "accept")
    with world.planner("2", 20) as planner:
        assert planner.resume("t-1")["status"] == "waiting"
        assert world.calls == ["base", "top"]
        planner.answer("t-1", "last", "accept")
    with world.planner("2", 30) as planner:
        assert planner.resume("t-1")["answer"] == {"v": 22}
        assert world.calls == ["last"]


def test_what_was_delivered_at_most_once_stands(world: World) -> None:
    """A new version is no reason to act twice."""
    with world.planner("1", 10, delivery="at_most_once") as planner:
        planner.run(_task(_gated("last")))
        planner.answer("t-1", "last", "accept")
    with world.planner("2", 20, delivery="at_most_once") as planner:
        assert planner.resume("t-1")["answer"] == {"v": 12}
        assert world.calls == ["last"]


def test_a_restart_does_again_what_an_older_version_did(world: World) -> None:
    """The finished run's other results are kept."""
    with world.planner("1", 10) as planner:
        first = planner.run(_task(PLAN))
    with world.planner("2", 20) as planner:
        out = planner.restart("t-1")
        assert (out["answer"], out["parent_run_id"]) == ({"v": 22}, first["run_id"])
        assert world.calls == ["base", "top", "last"]


def _killed(world: World, at: str) -> None:
    """Leave a run as a process that dies does: its lease free, its superstep under way."""

    async def run() -> None:
        planner = world.planner("1", 10)
        begun = asyncio.Event()

        @specialist("second")
        async def hangs(brief: Brief) -> dict[str, Any]:
            if brief.subtask_id != at:
                given: Any = brief.inputs["v"]
                return {"v": given + 1}
            begun.set()
            await asyncio.Event().wait()
            return {}

        planner.close()
        team = [*_team(world.calls, version="1", value=10, delivery="at_least_once")[:2], hangs]
        planner = Planner(specialists=team, database=world.database)
        running = asyncio.ensure_future(planner.arun(_task(PLAN)))
        await begun.wait()
        running.cancel()
        await asyncio.wait({running})
        planner.close()

    asyncio.run(run())


@pytest.mark.parametrize("at", ["top", "last"])
def test_a_resume_amid_a_superstep_does_it_again(world: World, at: str) -> None:
    """LangGraph has kept what the finished nodes returned and does not run them again: the next dispatch does."""
    _killed(world, at)
    with world.planner("2", 20) as planner:
        assert planner.resume("t-1")["answer"] == {"v": 22}
        assert sorted(world.calls) == ["base", "last", "top"]


def test_a_take_over_from_the_journal_does_it_again(world: World) -> None:
    """Where the thread's checkpoints are gone, the journal's records are compared too."""
    _killed(world, "last")
    with world.planner("2", 20) as planner:
        saver: Any = planner.graph.checkpointer
        saver.delete_thread("t-1")
        assert planner.resume("t-1")["answer"] == {"v": 22}
        assert sorted(world.calls) == ["base", "last", "top"]


@pytest.mark.parametrize("gone", ["second", "first"])
def test_a_missing_specialist_is_named_and_changes_nothing(world: World, gone: str) -> None:
    """Neither the record nor the thread takes note, and the right planner goes on; for those yet to run and those done."""
    with world.planner("1", 10) as planner:
        planner.run(_task(_gated("last")))
        planner.answer("t-1", "last", "accept")
        before = planner.events("t-1")
    with world.planner("1", 10, without=gone) as planner:
        with pytest.raises(SetupError, match=gone):
            planner.resume("t-1")
        with pytest.raises(SetupError, match=gone):
            asyncio.run(planner.aresume("t-1"))
        assert planner.events("t-1") == before
    with world.planner("1", 10) as planner:
        assert planner.resume("t-1")["answer"] == {"v": 12}
    with world.planner("1", 10, without=gone) as planner:
        with pytest.raises(SetupError, match=gone):
            planner.restart("t-1")
        assert planner.status("t-1")["state"] == "success"


def test_a_missing_alternative_is_named(world: World) -> None:
    """A result of a specialist that stood in is no longer comparable once that specialist is gone."""
    a: dict[str, Any] = {"id": "a", "specialist": "broken", "capability": "c"}
    plan = {"subtasks": [a, {"id": "b", "specialist": "aside", "needs": ["a"], "gate": True}]}

    @specialist("aside")
    def aside(brief: Brief) -> str:
        return "done"

    def named(name: str, *, fails: bool) -> Any:
        @specialist(name, capabilities={"c"}, max_attempts=1)
        def body(brief: Brief) -> str:
            if fails:
                raise ValueError("broken")
            return name

        return body

    broken, good = named("broken", fails=True), named("good", fails=False)
    options: Any = {"database": world.database}
    with Planner(specialists=[broken, good, aside], **options) as planner:
        planner.run(_task(plan))
        planner.answer("t-1", "b", "accept")
    with Planner(specialists=[broken, aside], **options) as planner, pytest.raises(SetupError, match="good"):
        planner.resume("t-1")
    with Planner(specialists=[broken, good, aside], **options) as planner:
        assert planner.resume("t-1")["status"] == "success"
