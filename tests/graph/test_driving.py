"""A run that is driven without LangGraph's machinery is the run that LangGraph makes of the same task."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from concertino import Brief, Finding, specialist
from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import InputError, TaskConflict
from concertino.contracts.event import Event
from concertino.evals.virtual import VirtualClock, VirtualLoop, run_virtually
from concertino.graph.boundary import Boundary
from concertino.journal import MemoryJournal
from concertino.nodes.specialists.brief import AsyncBrief
from tests.graph.plans import on, planner, states, subtask, task
from tests.graph.played import Echo, invoked, played


@specialist("works", capabilities=["any"])
async def works(brief: AsyncBrief) -> Finding:
    """Take as long as asked, ask a model, and build on what others found."""
    await asyncio.sleep(float(str(brief.inputs.get("seconds", 0))))
    said = await brief.model.ainvoke(f"{brief.objective} {sorted(brief.upstream)}")
    return Finding(output={"said": said.text, "n": len(brief.upstream)}, confidence=0.8)


@specialist("stumbles", capabilities=["own"], max_attempts=2)
async def stumbles(brief: AsyncBrief) -> Finding:
    """Fail as often as asked."""
    if brief.attempt <= int(str(brief.inputs.get("fails", 1))):
        raise RuntimeError("not yet")
    return Finding(output=brief.attempt, confidence=0.6)


@specialist("asks")
async def asks(brief: AsyncBrief) -> Finding:
    """Ask a person."""
    return Finding(output=str(interrupt("how many?")))


@specialist("blocks", capabilities=["any"])
def blocks(brief: Brief) -> Finding:
    """Work in a thread."""
    brief.publish("seen", {"by": brief.objective})
    return Finding(output=len(brief.discoveries), confidence=0.5)


@specialist("rescues")
async def rescues(brief: AsyncBrief) -> Finding:
    """Take over what stayed failed."""
    return Finding(output=brief.objective)


STAFF = (works, stumbles, asks, blocks, rescues)


@st.composite
def _plans(draw: st.DrawFn) -> dict[str, Any]:
    size = draw(st.integers(1, 7))
    rows: list[dict[str, Any]] = []
    for at in range(size):
        needs = draw(st.lists(st.sampled_from([row["id"] for row in rows]), unique=True, max_size=3)) if rows else []
        name = draw(st.sampled_from(["works", "works", "stumbles", "asks", "blocks"]))
        row = subtask(f"s{at}", name, *needs, objective=f"do {at}", required=draw(st.booleans()))
        if name == "works":
            row["inputs"] = {"seconds": draw(st.sampled_from([0, 0.5, 3]))}
        if name == "stumbles":
            row["inputs"] = {"fails": draw(st.integers(0, 3))}
            if draw(st.booleans()):
                row["on_failure"] = {"specialist": "rescues"}
        if draw(st.integers(0, 5)) == 0:
            row["gate"] = {"question": "go on?"}
        rows.append(row)
    return {"subtasks": rows, **({"gate": {"question": "all right?"}} if draw(st.integers(0, 4)) == 0 else {})}


@settings(max_examples=60)
@given(_plans(), st.sampled_from([None, 1, 2]), st.sampled_from(["accept", "reject"]), st.sampled_from(["flag", "ask"]))
def test_a_driven_run_is_the_graphs_own(plan: dict[str, Any], slots: int | None, answer: str, escalate: str) -> None:
    """Whatever is planned, fails, is asked and replanned: the same result, and the same events in the same order."""
    made = planner(*STAFF, model=Echo(), concurrency=slots, escalate=escalate, budget={"tokens": 100_000})
    given_ = {"task": {"task_id": "t", "plan": plan}}
    result, events = played(made, given_, answers=answer)
    graphs, others = played(made, given_, way=invoked, answers=answer, saver=InMemorySaver)
    assert result == graphs
    assert events == others


def test_a_known_task_gives_its_result() -> None:
    """Sent in again it is not run again; with another content it is refused."""

    async def main() -> None:
        made = planner().at(_memory())
        first = await made.conduct(task("t"))
        again = await made.conduct(task("t"))
        assert again["result"] == first["result"]
        assert states(first["result"]) == {"a": "completed", "b": "completed"}
        with pytest.raises(TaskConflict):
            await made.conduct(task("t", subtask("a", "alpha")))

    asyncio.run(main())


def _memory() -> Any:
    clock = SystemClock()
    return Boundary(clock=clock, journal=MemoryJournal(clock=clock))


def test_a_question_is_answered_on_its_thread() -> None:
    """A run that waits says what it asks; an answer that is none is refused there, and a thread without a run too."""

    async def main() -> None:
        made = planner(works, model=Echo(), require_approval=True, budget={"tokens": 10_000}).at(_memory())
        asked = await made.conduct(task("t", subtask("a", "works", objective="go")), on("one"))
        assert asked["__interrupt__"][0].value["gate"] == "plan"
        nonsense = await made.conduct(Command(resume={"decision": "perhaps"}), on("one"))
        assert "decision" in nonsense["__interrupt__"][0].value["error"]
        done = await made.conduct(Command(resume="accept"), on("one"))
        assert done["result"]["status"] == "success"
        assert "__interrupt__" not in done
        with pytest.raises(InputError, match="no run to go on with"):
            await made.conduct(None, on("one"))

    asyncio.run(main())


def test_an_answer_on_the_record_is_gone_on_with() -> None:
    """`None` goes on with what was answered meanwhile, as in a graph."""

    async def main() -> None:
        here = _memory()
        made = planner(require_approval=True).at(here)
        await made.conduct(task("t"), on("one"))
        (row,) = here.journal.runs().result()
        said: dict[str, Any] = {"gate": "plan", "decision": "accept"}
        answer = Event(task_id="t", run_id=row.run_id, type="GATE_ANSWERED", message_type="STATUS", payload=said, timestamp=1.0)  # fmt: skip
        here.journal.append([answer], lease=None).result()
        done = await made.conduct(None, on("one"))
        assert done["result"]["status"] == "success"

    asyncio.run(main())


def test_a_driven_run_can_be_cancelled() -> None:
    """Its bodies are stopped, its lease goes back, and the task can be taken up again."""

    async def main() -> None:
        here = _memory()
        made = planner(works, model=Echo(), budget={"tokens": 10_000}).at(here)
        running = asyncio.ensure_future(
            made.conduct(task("t", subtask("a", "works", objective="x", inputs={"seconds": 60})))
        )
        while not any(event.type == "TASK_STARTED" for event in here.journal.events("t").result()):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        (row,) = here.journal.runs().result()
        assert (row.state, row.owner) == ("waiting", None)

    asyncio.run(main())


def test_messages_are_tasks_and_answered() -> None:
    """As in a graph, a chat's last message is the task and the answer comes as a message."""

    async def main() -> None:
        made = planner(works, model=Echo(), budget={"tokens": 50_000}, workflows=[]).at(_memory())
        out = await made.conduct({"messages": [{"role": "user", "content": "count the owls"}]})
        assert [message.type for message in out["messages"]] == ["human", "ai"]
        assert out["result"]["status"] in ("success", "partial_success", "failed")

    asyncio.run(main())


def test_a_replan_is_driven_too() -> None:
    """What stays failed is handed to who stands in, on the record as in a graph."""
    made = planner(*STAFF, model=Echo(), budget={"tokens": 10_000})
    stand_in = {"specialist": "rescues"}
    given_ = task("t", subtask("a", "stumbles", objective="x", inputs={"fails": 9}, on_failure=stand_in))
    result, events = played(made, given_)
    assert "RUN_REPLANNED" in [event["type"] for event in events]
    assert (result, events) == played(made, given_, way=invoked, saver=InMemorySaver)
    assert result["status"] == "success"


def test_a_parked_run_that_another_planner_has_ended_gives_its_result() -> None:
    """Whoever comes back to a run that was finished elsewhere is told what came of it."""

    async def main() -> tuple[Any, Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = VirtualClock(loop)
        made, journal = planner(rescues), MemoryJournal(clock=clock)
        first, second = (made.at(Boundary(clock=clock, journal=journal)) for _ in range(2))
        asked = task("t", subtask("a", "rescues", gate=True))
        parked = await first.conduct(asked, on("x"))
        gate = parked["__interrupt__"][0].value["gate"]
        row = journal.latest("t").result()
        assert row is not None
        answered = Event(
            task_id="t", run_id=row.run_id, type="GATE_ANSWERED", message_type="STATUS", subtask_id="a",
            payload={"gate": gate, "decision": "accept"}, timestamp=clock.now(),
        )  # fmt: skip
        journal.append([answered], lease=None).result()
        ended = await second.conduct(asked, on("x"))
        return ended, [await first.conduct(None, on("x")), await first.conduct(asked, on("x"))]

    ended, again = run_virtually(main)
    assert ended["result"]["status"] == "success"
    assert [one["result"] for one in again] == [ended["result"]] * 2
