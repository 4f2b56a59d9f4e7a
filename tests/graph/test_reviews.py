"""People asked about what stays failed: at once, while its siblings run, and never again for the same failure."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino import Brief, Event, Planner, specialist
from tests.graph.plans import alpha, on, outputs, planner, states, subtask, task

EDIT = {"decision": "edit", "inputs": {"works": True}}
WAIT_S = 20
GIVEN: Any = task("t", subtask("s", "picky"), subtask("b", "alpha", "s"), subtask("beside", "person"))


class Ward:
    """A specialist that fails until a person changes its inputs, and a sibling that runs as long as a test wants."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.asked, self.ended = threading.Event(), threading.Event()
        self.while_asked: Any = lambda: None
        """What the sibling does once the question is there."""
        self.types: list[str] = []

        @specialist("picky", max_attempts=2)
        def picky(brief: Brief) -> Any:
            self.calls.append(brief.attempt)
            if not brief.inputs.get("works"):
                raise ValueError("bad inputs")
            return {"fixed": True}

        @specialist("person", max_attempts=1)
        def person(brief: Brief) -> str:
            assert self.asked.wait(WAIT_S)
            self.while_asked()
            return "done"

        self.specialists = [picky, person, alpha]

    def hear(self, event: Event) -> None:
        """Listen to the run."""
        self.types.append(f"{event.type} {event.subtask_id}")
        if event.type == "GATE_OPENED":
            self.asked.set()
        if event.subtask_id == "b" and event.type in {"TASK_COMPLETED", "TASK_SKIPPED"}:
            self.ended.set()

    def planner(self, **options: Any) -> Planner:
        """Return a planner of these that asks."""
        return Planner(specialists=self.specialists, escalate="ask", on_event=self.hear, **options)


@pytest.mark.parametrize(
    ("answer", "status", "ends"),
    [
        ({"decision": "accept"}, "partial_success", {"s": "failed", "b": "skipped"}),
        ({"decision": "reject", "reason": "no"}, "failed", {"s": "failed", "b": "skipped"}),
        (EDIT, "success", {"s": "completed", "b": "completed"}),
    ],
)
def test_an_answer_takes_effect_while_siblings_run(answer: Any, status: str, ends: dict[str, str]) -> None:
    """Asked at the failure, answered before the slow sibling ends, and what builds on it is over by then, too."""
    ward = Ward()
    with ward.planner() as made:

        def decide() -> None:
            made.answer("t", "s.review", answer)
            assert ward.ended.wait(WAIT_S)

        ward.while_asked = decide
        result: Any = made.run(GIVEN["task"])
    assert states(result) == {**ends, "beside": "completed"}
    assert result["status"] == status
    assert ward.calls == ([1, 2, 1] if answer is EDIT else [1, 2])
    assert result["subtasks"][0]["attempts"] == len(ward.calls)


def test_the_run_parks_once_nothing_else_can_proceed() -> None:
    """The question that was asked beside a sibling stands, and is not asked twice."""
    ward = Ward()
    graph, where = planner(*ward.specialists, escalate="ask", checkpointer=InMemorySaver()), on("t")
    ward.asked.set()
    out = graph.invoke(GIVEN, where)
    assert [gate["gate"] for gate in out["__interrupt__"][0].value["gates"]] == ["s.review"]
    out = graph.invoke(Command(resume=EDIT), where)
    assert outputs(out["result"])["s"] == {"fixed": True}
    assert states(out["result"]) == {"s": "completed", "b": "completed", "beside": "completed"}
    assert ward.calls == [1, 2, 1]


def test_an_edit_sends_out_again_what_is_delivered_at_most_once() -> None:
    """A person has seen what came of it, also where the run was parked for the answer."""
    calls: list[int] = []

    @specialist("payer", delivery="at_most_once")
    def payer(brief: Brief) -> str:
        calls.append(brief.attempt)
        if not brief.inputs.get("works"):
            raise ValueError("refused")
        return "paid"

    with Planner(specialists=[payer], escalate="ask") as made:
        made.run(task("t", subtask("s", "payer"))["task"])
        made.answer("t", "s.review", EDIT)
        result: Any = made.resume("t")
    assert (result["status"], calls) == ("success", [1, 1])


def test_a_failure_after_the_edit_is_not_asked_about_again() -> None:
    """One question a subtask: the second failure stands."""
    ward = Ward()
    with ward.planner() as made:
        ward.while_asked = lambda: made.answer("t", "s.review", {"decision": "edit", "inputs": {"other": 1}})
        result: Any = made.run(GIVEN["task"])
    assert (result["status"], ward.calls) == ("partial_success", [1, 2, 1, 2])
    assert ward.types.count("GATE_OPENED s") == 1


@pytest.mark.parametrize("answered", ["before", "after"])
async def test_an_interrupted_wait_goes_on_as_a_wait(answered: str, tmp_path: Path) -> None:
    """Who has failed is not tried again for the resume: neither with an answer that came in between, nor without."""
    database = f"sqlite:///{tmp_path / 'x.db'}"
    ward = Ward()
    with ward.planner(database=database) as made:
        running = asyncio.ensure_future(made.arun(GIVEN["task"]))
        ward.while_asked = lambda: running.get_loop().call_soon_threadsafe(running.cancel)
        with pytest.raises(asyncio.CancelledError):
            await running
    again = Ward()
    again.asked.set()
    with again.planner(database=database) as made:
        if answered == "before":
            await made.aanswer("t", "s.review", EDIT)
        result: Any = await made.aresume("t")
        if answered == "after":
            assert (result["status"], again.calls) == ("waiting", [])
            await made.aanswer("t", "s.review", EDIT)
            result = await made.aresume("t")
    assert (result["status"], ward.calls, again.calls) == ("success", [1, 2], [1])


async def test_an_edit_after_a_kill_brings_the_dependents_back(tmp_path: Path) -> None:
    """The process died with the failure on record and its superstep not over: what it had skipped is done all the same."""
    database = f"sqlite:///{tmp_path / 'x.db'}"
    ward = Ward()
    ward.asked.set()

    def die(event: Event) -> None:
        if event.type == "AGENT_FAILED" and event.payload["final"]:
            loop.call_soon_threadsafe(running.cancel)

    loop = asyncio.get_running_loop()
    given = task("t", subtask("s", "picky"), subtask("b", "alpha", "s"), subtask("c", "alpha", "b"))["task"]
    with ward.planner(database=database) as made:
        running = asyncio.ensure_future(made.arun(given, on_event=die))
        with pytest.raises(asyncio.CancelledError):
            await running
        await made.aanswer("t", "s.review", EDIT)
    with ward.planner(database=database) as made:
        result: Any = await made.aresume("t")
    assert states(result) == {"s": "completed", "b": "completed", "c": "completed"}


def test_what_another_plan_may_mend_is_asked_about_only_after_it() -> None:
    """A stand-in goes before a person, and no question is left over from what it has replaced."""
    ward = Ward()
    with ward.planner() as made:
        ward.asked.set()
        result: Any = made.run(task("t", subtask("s", "picky", on_failure="alpha"))["task"])
    assert (result["status"], result["gates"]) == ("success", [])


def test_a_cancelled_wait_ends_with_the_run() -> None:
    """Nobody has to answer what no longer matters."""
    ward = Ward()
    with ward.planner() as made:
        ward.while_asked = lambda: made.cancel("t", "enough")
        result: Any = made.run(GIVEN["task"])
    assert (result["status"], result["reason"]) == ("cancelled", "enough")
    assert states(result)["s"] == "cancelled"


def test_one_that_waits_for_its_review_holds_no_slot() -> None:
    """With a single slot, what is left runs beside the open question."""
    ward = Ward()
    with ward.planner(concurrency=1) as made:
        given: Any = task("t", subtask("s", "picky", estimate_s=9), subtask("beside", "person"), subtask("c", "alpha"))
        result: Any = made.run(given["task"])
    assert result["status"] == "waiting"
    assert states(result) == {"s": "failed", "beside": "completed", "c": "completed"}
