"""Restarts: from the last good state, however often, and nothing that may have acted twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from concertino import Brief, Finding, InputError, Planner, specialist
from tests.graph.plans import alpha, on, planner, states, subtask, task

BIG = "x" * 20_000


class Shift:
    """Specialists that count their calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken = True
        self.begun = asyncio.Event()

        @specialist("worker", max_attempts=1)
        async def worker(brief: Brief) -> Any:
            self.calls.append(brief.subtask_id)
            if brief.inputs.get("fails") and self.broken:
                raise ValueError("broken")
            return Finding(output={"of": brief.subtask_id, "size": BIG if brief.inputs.get("big") else ""})

        @specialist("payer", delivery="at_most_once")
        async def payer(brief: Brief) -> str:
            self.calls.append(brief.subtask_id)
            if brief.inputs.get("fails"):
                raise ValueError("refused")
            self.begun.set()
            await asyncio.Event().wait()
            return "paid"

        self.specialists = [worker, payer]


PARTIAL: Any = task(
    "t",
    subtask("a", "worker", inputs={"big": True}),
    subtask("f", "worker", "a", inputs={"fails": True}),
    subtask("g", "worker", "f", inputs={"got": "${a.of}"}),
)["task"]


@pytest.mark.parametrize("stored", [True, False])
def test_every_restart_keeps_what_was_completed(stored: bool, tmp_path: Path) -> None:
    """Also what it only has from the restart before; large findings too, and in another process."""
    shift = Shift()
    database = f"sqlite:///{tmp_path / 'x.db'}" if stored else None
    with Planner(specialists=shift.specialists, database=database) as made:
        made.run(PARTIAL)
        for _ in range(2):
            made.restart("t")
            assert {one["subtask_id"]: one["state"] for one in made.status("t")["subtasks"]} == {  # type: ignore[union-attr, index, call-overload]
                "a": "completed", "f": "failed", "g": "skipped",
            }  # fmt: skip
        shift.broken = False
        result: Any = made.restart("t")
    assert result["status"] == "success"
    assert shift.calls == ["a", "f", "f", "f", "f", "g"]
    assert result["subtasks"][0]["outputs"]["size"] == BIG


def test_a_fork_has_what_it_reuses_on_its_own_record() -> None:
    """Its status shows it, and a restart of the task's own run is as before."""
    shift = Shift()
    graph, where = planner(*shift.specialists, checkpointer=InMemorySaver()), on("t")
    graph.invoke({"task": PARTIAL}, where)
    late = next(one for one in graph.get_state_history(where) if one.next == ("synthesize",))
    forked = graph.invoke(None, late.config)["result"]
    journal = graph.conductor.options.journal
    kept = [event for event in journal.events("t", run_id=forked["run_id"]).result() if event.type == "TASK_KEPT"]
    assert {event.subtask_id: event.payload["state"] for event in kept}["a"] == "completed"
    assert shift.calls == ["a", "f"]


async def _stopped(made: Planner, shift: Shift, *subtasks: dict[str, Any]) -> None:
    running = asyncio.ensure_future(made.arun(task("p", *subtasks)["task"]))
    await shift.begun.wait()
    await made.acancel("p", "stop")
    assert (await running)["status"] == "cancelled"


async def test_what_may_have_acted_is_not_begun_again() -> None:
    """Its outcome is unknown, and that is said, after a second restart too; what builds on it is skipped."""
    shift = Shift()
    with Planner(specialists=[*shift.specialists, alpha]) as made:
        await _stopped(made, shift, subtask("pay", "payer"), subtask("b", "worker", "pay"), subtask("c", "alpha"))
        for _ in range(2):
            result: Any = await made.arestart("p")
            assert states(result) == {"pay": "failed", "b": "skipped", "c": "completed"}
            assert "outcome is unknown" in result["subtasks"][0]["reason"]
            assert result["status"] == "partial_success"
    assert shift.calls == ["pay"]


async def test_who_took_over_in_vain_says_nothing_about_what_was_stopped() -> None:
    """The last failure is the other one's own word; whether the first has acted nobody knows."""
    shift = Shift()

    @specialist("variant", variant_of="payer", max_attempts=1)
    async def variant(brief: Brief) -> str:
        shift.calls.append("variant")
        raise ValueError("refused")

    with Planner(specialists=[*shift.specialists, variant], replans=0) as made:
        result: Any = await made.arun(task("p", subtask("pay", "payer", sla_s=0.05))["task"])
        assert (states(result), shift.calls) == ({"pay": "failed"}, ["pay", "variant"])
        result = await made.arestart("p")
    assert "outcome is unknown" in result["subtasks"][0]["reason"]
    assert shift.calls == ["pay", "variant"]


async def test_what_failed_by_its_own_word_is_tried_anew() -> None:
    """Nothing is unknown about it."""
    shift = Shift()
    with Planner(specialists=shift.specialists, replans=0) as made:
        await made.arun(task("p", subtask("pay", "payer", inputs={"fails": True}))["task"])
        await made.arestart("p")
    assert shift.calls == ["pay", "pay"]


@pytest.mark.parametrize("reason", [5, None, ["x"], "x" * 5_000])
async def test_a_run_is_cancelled_for_a_reason_in_words_only(reason: Any) -> None:
    """Anything else is refused, and the run goes on."""
    shift = Shift()
    with Planner(specialists=shift.specialists) as made:
        running = asyncio.ensure_future(made.arun(task("p", subtask("pay", "payer"))["task"]))
        await shift.begun.wait()
        with pytest.raises(InputError) as caught:
            await made.acancel("p", reason)
        assert caught.value.field == "reason"
        await made.acancel("p", "")
        assert (await running)["reason"] == "cancelled"
    with Planner(specialists=[alpha]) as made:
        made.run(task("q", subtask("a", "alpha", gate=True))["task"])
        with pytest.raises(InputError, match="gate"):
            made.answer("q", reason if not isinstance(reason, str) else 7, "accept")  # type: ignore[arg-type]
        assert "a" in json.dumps(made.status("q")["gates"])
