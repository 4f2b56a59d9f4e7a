"""What functions, Runnables, agents and graphs ask from inside: each question a gate, each answer back where it belongs."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from concertino import Brief, Planner, specialist
from tests.graph.askers import (
    QUESTIONS,
    RUNNABLE_ASKER,
    async_asker,
    inquirer,
    inquiring_graph,
    plain_asker,
    says,
    two_at_once,
    two_in_a_row,
)
from tests.graph.plans import on, outputs, planner, subtask, task

BOTH = pytest.mark.parametrize("is_sync", [True, False])


async def _run(graph: Any, given: Any, config: Any, *, is_sync: bool, **kwargs: Any) -> Any:
    return graph.invoke(given, config, **kwargs) if is_sync else await graph.ainvoke(given, config, **kwargs)


def _asked(out: Any) -> list[str]:
    """Return the names of the gates that a parked invocation waits for."""
    return [question["gate"] for question in out["__interrupt__"][0].value["gates"]]


@BOTH
@pytest.mark.parametrize("asker", [plain_asker, async_asker, two_in_a_row()])
async def test_a_specialists_own_question_is_answered_while_siblings_run(asker: Any, is_sync: bool) -> None:
    """What a function or graph asks by `interrupt()` is a gate; its live answer goes back in and nobody parks."""
    first, answered = threading.Event(), threading.Event()

    @specialist("slow")
    def slow(brief: Brief) -> int:
        assert answered.wait(10)
        return 1

    opened: list[str] = []

    def look(event: Any) -> None:
        if event.type == "GATE_OPENED":
            opened.append(event.payload["gate"])
            first.set()

    made = Planner(specialists=[asker, slow], on_event=look)

    def answer() -> None:
        for value in ("one", "two"):
            assert first.wait(10)
            first.clear()
            made.answer("t", opened[-1], value)
        answered.set()

    helper = threading.Thread(target=answer)
    helper.start()
    given = task("t", subtask("s", "slow"), subtask("q", "asker", objective="o"))["task"]
    result = made.run(given) if is_sync else await made.arun(given)
    helper.join()
    assert opened == ["q.q1", "q.q2"]
    found = outputs(result)["q"]
    assert (found["left"], found["right"]) == ("one", "two")
    assert "RUN_PARKED" not in [event.type for event in made.events("t")]
    made.close()


@BOTH
@pytest.mark.parametrize("asker", [plain_asker, async_asker, RUNNABLE_ASKER, two_in_a_row()])
async def test_two_questions_of_one_body_are_answered_in_turn(asker: Any, is_sync: bool) -> None:
    """Two interrupts in one function or node become `q.q1` and `q.q2`, each with its own answer as it stands."""
    graph, where = planner(asker, checkpointer=InMemorySaver()), on("t")
    out = await _run(graph, task("t", subtask("q", "asker")), where, is_sync=is_sync)
    assert (_asked(out), out["__interrupt__"][0].value["question"]) == (["q.q1"], "first?")
    out = await _run(graph, Command(resume="A"), where, is_sync=is_sync)
    assert (_asked(out), out["__interrupt__"][0].value["question"]) == (["q.q2"], "second?")
    out = await _run(graph, Command(resume={"b": [1]}), where, is_sync=is_sync)
    found = outputs(out["result"])["q"]
    assert (found["left"], found["right"]) == ("A", {"b": [1]})


@BOTH
@pytest.mark.parametrize("asker", [inquirer, inquiring_graph()])
async def test_a_conversation_may_be_long(asker: Any, is_sync: bool) -> None:
    """Many questions asked one after another, each parking the run, are no standstill."""
    graph, where = planner(asker, checkpointer=InMemorySaver()), on("t")
    out = await _run(graph, task("t", subtask("q", "asker")), where, is_sync=is_sync)
    for number in range(QUESTIONS):
        assert _asked(out) == [f"q.q{number + 1}"]
        out = await _run(graph, Command(resume=f"answer {number}"), where, is_sync=is_sync)
    assert outputs(out["result"])["q"]["left"] == [f"answer {number}" for number in range(QUESTIONS)]


@BOTH
async def test_parallel_questions_of_one_graph_are_answered_by_name(is_sync: bool) -> None:
    """Interrupts of parallel nodes are open at once; answers find their own, one at a time or together."""
    graph, where = planner(two_at_once(), checkpointer=InMemorySaver()), on("t")
    out = await _run(graph, task("t", subtask("q", "asker")), where, is_sync=is_sync)
    assert _asked(out) == ["q.q1", "q.q2"]
    out = await _run(graph, Command(resume={"q.q2": "R"}), where, is_sync=is_sync)
    assert _asked(out) == ["q.q1"]
    out = await _run(graph, Command(resume={"q.q1": "L"}), where, is_sync=is_sync)
    found = outputs(out["result"])["q"]
    assert (found["left"], found["right"]) == ("L", "R")


@BOTH
@pytest.mark.parametrize("asker", [plain_asker, two_in_a_row()])
async def test_a_refused_question_ends_its_subtask(asker: Any, is_sync: bool) -> None:
    """A reject never reaches code that might take it for a yes: the subtask is skipped, and not tried again."""
    graph, where = planner(asker, checkpointer=InMemorySaver()), on("t")
    await _run(graph, task("t", subtask("q", "asker")), where, is_sync=is_sync)
    out = await _run(graph, Command(resume={"decision": "reject", "reason": "no"}), where, is_sync=is_sync)
    entry = out["result"]["subtasks"][0]
    assert (entry["state"], entry["reason"]) == ("skipped", "gate q.q1 rejected: no")


@pytest.mark.parametrize("asker", [plain_asker, async_asker, two_in_a_row(), two_at_once()])
def test_questions_are_answered_after_a_restart(asker: Any, tmp_path: Path) -> None:
    """A parked run is taken up by a new planner on the same database, and every answer goes where it belongs."""
    place = f"sqlite:///{tmp_path / 'x.db'}"
    with Planner(specialists=[asker], database=place) as made:
        waiting = made.run(task("t", subtask("q", "asker"))["task"])
        assert waiting["status"] == "waiting"
    with Planner(specialists=[asker], database=place) as made:
        made.answer("t", "q.q1", "one")
        result = made.resume("t")
    with Planner(specialists=[asker], database=place) as made:
        assert result["status"] == "waiting"
        made.answer("t", "q.q2", "two")
        found = outputs(made.resume("t"))["q"]
    assert (found["left"], found["right"]) == ("one", "two")


@BOTH
async def test_a_question_asked_again_on_a_retry_keeps_its_answer(is_sync: bool) -> None:
    """A function that fails after it was answered is not asked the same again."""

    @specialist("asker")
    def asker(brief: Brief) -> Any:
        said = interrupt("name?")
        if brief.attempt == 1:
            raise ConnectionError("once")
        return said

    graph, where = planner(asker, checkpointer=InMemorySaver()), on("t")
    await _run(graph, task("t", subtask("q", "asker")), where, is_sync=is_sync)
    out = await _run(graph, Command(resume="Ann"), where, is_sync=is_sync)
    assert (outputs(out["result"])["q"], out["result"]["subtasks"][0]["attempts"]) == ("Ann", 2)


@BOTH
async def test_a_question_asked_in_a_tool_or_a_graph_called_by_a_function_is_a_gate(is_sync: bool) -> None:
    """`interrupt()` deep inside a function's own calls finds its way to a person and back."""
    inner = two_in_a_row()

    def tool() -> str:
        """Ask."""
        return str(interrupt("in tool?"))

    @specialist("caller")
    async def caller(brief: Brief) -> Any:
        found = await inner.ainvoke({"objective": "o"})
        return [found["left"], found["right"], await brief.tools.tool()]

    graph, where = planner(caller, tools=[tool], checkpointer=InMemorySaver()), on("t")
    out = await _run(graph, task("t", subtask("q", "caller")), where, is_sync=is_sync)
    for value in ("x", "y", "z"):
        assert len(_asked(out)) == 1
        out = await _run(graph, Command(resume=value), where, is_sync=is_sync)
    assert outputs(out["result"])["q"] == ["x", "y", "z"]


@BOTH
async def test_a_subtask_that_must_run_at_most_once_may_ask(is_sync: bool) -> None:
    """Parking for an answer is no crash: its outcome is not unknown."""

    @specialist("asker", delivery="at_most_once")
    def asker(brief: Brief) -> Any:
        return interrupt("sure?")

    graph, where = planner(asker, checkpointer=InMemorySaver()), on("t")
    await _run(graph, task("t", subtask("q", "asker")), where, is_sync=is_sync)
    out = await _run(graph, Command(resume="yes"), where, is_sync=is_sync)
    assert outputs(out["result"]) == {"q": "yes"}


@BOTH
@pytest.mark.parametrize(
    ("answer", "paid"),
    [
        ({"decision": "accept"}, [5, 6]),
        ({"decision": "reject", "reason": "no"}, []),
        ({"decisions": [{"type": "approve"}, {"type": "reject"}]}, [5]),
        (
            {
                "decision": "edit",
                "inputs": {
                    "decisions": [
                        {"type": "edit", "edited_action": {"name": "pay", "args": {"amount": 1}}},
                        {"type": "approve"},
                    ]
                },
            },
            [1, 6],
        ),
    ],
)
async def test_langchains_human_in_the_loop_works_through_gates(answer: Any, paid: list[int], is_sync: bool) -> None:
    """The middleware's review of tool calls is a gate; our answers and LangChain's own both decide it."""
    done: list[int] = []

    def pay(amount: int) -> str:
        """Pay."""
        done.append(amount)
        return "paid"

    calls: Any = [
        {"name": "pay", "args": {"amount": amount}, "id": f"c{amount}", "type": "tool_call"} for amount in (5, 6)
    ]
    agent = create_agent(
        says(AIMessage("", tool_calls=calls), AIMessage("over")),
        tools=[pay],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})],
        name="payer",
    )
    graph, where = planner(agent, checkpointer=InMemorySaver()), on("t")
    out = await _run(graph, task("t", subtask("p", "payer", objective="pay")), where, is_sync=is_sync)
    assert _asked(out) == ["p.q1"]
    out = await _run(graph, Command(resume=answer), where, is_sync=is_sync)
    assert (outputs(out["result"])["p"], sorted(done)) == ("over", paid)


async def test_a_waiting_subtask_holds_no_slot() -> None:
    """With one slot, a subtask that waits for an answer lets the next one run."""
    ran = asyncio.Event()

    @specialist("asker")
    async def asker(brief: Brief) -> Any:
        return interrupt("sure?")

    @specialist("other")
    async def other(brief: Brief) -> Any:
        ran.set()
        return 1

    graph = planner(asker, other, checkpointer=InMemorySaver(), concurrency=1)
    given = task("t", subtask("q", "asker", estimate_s=100.0), subtask("o", "other"))
    out = await graph.ainvoke(given, on("t"))
    assert _asked(out) == ["q.q1"]
    assert ran.is_set()
