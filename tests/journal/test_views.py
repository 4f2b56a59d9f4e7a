"""Views folded from events."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.event import Event, EventType, message_type
from concertino.journal.usage import AMOUNTS, totals, usage_by_key
from concertino.journal.views import open_gates, status

PLAN = {
    "subtasks": [
        {"id": "s1", "specialist": "dev", "needs": []},
        {"id": "s2", "specialist": "review", "needs": ["s1"]},
        {"id": "s3", "specialist": "legal", "needs": ["s2"]},
    ]
}


class Story:
    """Events of one task, a second apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, kind: EventType, subtask: str | None = None, /, run: str = "r1", **payload: Any) -> Story:
        self.events.append(
            Event(
                task_id="t",
                run_id=run,
                type=kind,
                message_type=message_type(kind),
                subtask_id=subtask,
                payload=payload,
                timestamp=100.0 + len(self.events),
                seq=len(self.events) + 1,
            )
        )
        return self

    def begun(self) -> Story:
        self.add("RUN_ADMITTED").add("RUN_PLANNED", plan=PLAN)
        return self.add("RUN_DISPATCHED", dispatch="d1", subtasks=["s1", "s2", "s3"])

    def view(self, **more: Any) -> Any:
        return status(self.events, **more)

    def states(self) -> dict[str, str]:
        return {one["subtask_id"]: one["state"] for one in self.view()["subtasks"]}


def test_a_finished_run_reads_as_document_002_shows_it() -> None:
    """Task, status, subtasks with agent, state and outputs, and metrics."""
    usage = {"tokens": 5, "calls": 1, "usd": 0.0, "documents": 0, "seconds": 2.0}
    story = Story().begun().add("TASK_STARTED", "s1", dispatch="d1", specialist="dev", attempt=1)
    story.add(
        "TASK_COMPLETED",
        "s1",
        specialist="dev",
        attempts=1,
        started_at=103.0,
        finished_at=105.0,
        usage=usage,
        finding={"output": {"branch": "b"}},
    )
    story.add("ARTIFACT_WRITTEN", path="x.json").add("RUN_COMPLETED", result={"status": "partial_success"})
    found = story.view()
    assert (found["task_id"], found["run_id"], found["status"]) == ("t", "r1", "partial_success")
    assert found["subtasks"][0] == {
        "subtask_id": "s1",
        "agent": "dev",
        "specialist": "dev",
        "state": "completed",
        "outputs": {"branch": "b"},
        "attempts": 1,
        "started_at": 103.0,
        "finished_at": 105.0,
        "usage": usage,
        "error": None,
    }
    assert found["metrics"] == {"elapsed_seconds": 6.0, "on_time": True}
    assert found["dependencies"] == {"s1": [], "s2": ["s1"], "s3": ["s2"]}
    assert found["artifacts"] == [{"path": "x.json"}]
    assert [entry["status"] for entry in found["status_history"]] == [
        "admitted",
        "planned",
        "running",
        "partial_success",
    ]


def test_no_events_are_an_unknown_run() -> None:
    """The shape stays, empty."""
    found = Story().view()
    assert (found["task_id"], found["status"], found["subtasks"]) == (None, "unknown", [])


def test_the_newest_run_is_shown_unless_one_is_named() -> None:
    """A restart begins a new view; the old run's own stays readable."""
    story = Story().begun().add("RUN_FAILED", error={"type": "X", "message": "m"})
    story.add("RUN_ADMITTED", run="r2").add("GATE_ANSWERED", run="r1", gate="late")
    assert (story.view()["run_id"], story.view()["status"]) == ("r2", "admitted")
    assert story.view(run_id="r1")["status"] == "failed"


def test_attempts_and_the_last_error_show_while_a_subtask_is_retried() -> None:
    """A failed attempt leaves it running; the final one ends it; a success clears the error."""
    story = Story().begun().add("TASK_STARTED", "s1", specialist="dev", attempt=1)
    story.add("AGENT_FAILED", "s1", specialist="dev", final=False, error={"type": "E", "message": "m"})
    story.add("TASK_REROUTED", "s1", specialist="other").add("TASK_STARTED", "s1", specialist="other", attempt=1)
    first = story.view()["subtasks"][0]
    assert (first["state"], first["attempts"], first["agent"]) == ("running", 2, "other")
    assert first["error"] == {"type": "E", "message": "m"}
    story.add("AGENT_FAILED", "s1", specialist="other", final=True, error={"type": "E", "message": "n"})
    assert story.states()["s1"] == "failed"
    story.add("TASK_COMPLETED", "s1", specialist="other", finding={"output": 1})
    assert story.view()["subtasks"][0]["error"] is None


def test_every_end_has_its_state_and_reason() -> None:
    """Skipped, blocked and cancelled are told apart."""
    story = Story().begun().add("TASK_SKIPPED", "s1", reason="no").add("TASK_BLOCKED", "s2", reason="nobody can")
    story.add("TASK_CANCELLED", "s3", reason="stop")
    assert story.states() == {"s1": "skipped", "s2": "blocked", "s3": "cancelled"}
    assert story.view()["subtasks"][1]["error"] == {"type": "blocked", "message": "nobody can"}


def test_a_cancelled_run_leaves_no_subtask_open() -> None:
    """What was under way is cancelled, what was done stays done."""
    story = Story().begun().add("TASK_COMPLETED", "s1", finding={"output": 1}).add("TASK_STARTED", "s2")
    story.add("RUN_CANCELLED", reason="stop")
    assert story.states() == {"s1": "completed", "s2": "cancelled", "s3": "cancelled"}
    assert story.view()["status"] == "cancelled"


def test_a_resume_forgets_who_was_at_work() -> None:
    """After a crash nothing runs until it is started again."""
    story = Story().begun().add("TASK_STARTED", "s1").add("RUN_RESUMED")
    assert story.states()["s1"] == "pending"


def test_a_replan_keeps_what_was_done() -> None:
    """Known subtasks keep their state; a new dispatch makes failed ones pending again."""
    story = Story().begun().add("TASK_COMPLETED", "s1", finding={"output": 1}).add("AGENT_FAILED", "s2", final=True)
    story.add("RUN_PLANNED", plan=PLAN | {"subtasks": [*PLAN["subtasks"][:2], {"id": "s4", "specialist": "x"}]})
    story.add("RUN_DISPATCHED", dispatch="d2", subtasks=["s1", "s2", "s4"])
    assert story.states() == {"s1": "completed", "s2": "pending", "s4": "pending", "s3": "pending"}


def test_a_gate_waits_until_it_is_answered() -> None:
    """An open question holds its subtask; the first answer counts."""
    story = Story().begun().add("GATE_OPENED", "s1", gate="s1", question="May I?", subtask="s1")
    story.add("TASK_SUSPENDED", "s1", gate="s1").add("RUN_PARKED", remaining_s=5.0, gates=["s1"])
    assert (story.view()["status"], story.states()["s1"]) == ("waiting", "waiting")
    (gate,) = open_gates(story.events)
    assert (gate["gate"], gate["question"], gate["subtask"], gate["opened_at"]) == ("s1", "May I?", "s1", 103.0)
    story.add("GATE_ANSWERED", gate="s1", decision="reject", reason="no", subtask="s1")
    story.add("GATE_ANSWERED", gate="s1", decision="accept").add("GATE_OPENED", "s1", gate="s1", question="May I?")
    found = story.view()
    assert open_gates(story.events) == found["gates"]["open"] == []
    (gate,) = found["gates"]["answered"]
    assert (gate["decision"], gate["reason"], gate["question"]) == ("reject", "no", "May I?")


def test_an_answer_may_precede_its_question() -> None:
    """Then the question never shows as open."""
    story = Story().begun().add("GATE_ANSWERED", gate="plan", decision="accept")
    story.add("GATE_OPENED", gate="plan", question="Approve?")
    assert open_gates(story.events) == []


def test_a_missed_sla_is_not_on_time() -> None:
    """One miss is enough, and time runs on to `now`."""
    story = Story().begun().add("SLA_MISSED", "s1")
    assert story.view(now=200.0)["metrics"] == {"elapsed_seconds": 100.0, "on_time": False}


def test_open_reservations_count_in_full() -> None:
    """Settled ones count as used; a repeated settlement changes nothing."""
    story = Story().add("RESERVED", key="k1", path="run/work/s1", amounts={"tokens": 100, "calls": 1})
    story.add("RESERVED", key="k2", path="run/work/s2", amounts={"tokens": 50, "nano_usd": 2_000_000})
    story.add("SETTLED", key="k1", used={"tokens": 30, "calls": 1}).add("SETTLED", key="k1", used={"tokens": 90})
    charges = usage_by_key(story.events)
    assert (charges["k1"].settled, charges["k1"].path) == (True, ("run", "work", "s1"))
    assert story.view()["budget"] == {"tokens": 80, "calls": 1, "usd": 0.002, "documents": 0, "open": 1}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 9)), max_size=40))
def test_each_reservation_counts_once(moves: list[tuple[str, bool, int]]) -> None:
    """Whatever repeats, a key counts its first reservation until its first settlement, which may come without one."""
    story, held, used = Story(), dict[str, int](), dict[str, int]()
    for key, settles, tokens in moves:
        if settles:
            story.add("SETTLED", key=key, used={"tokens": tokens})
            used.setdefault(key, tokens)
        else:
            story.add("RESERVED", key=key, path="run", amounts={"tokens": tokens})
            held.setdefault(key, tokens)
    expected = sum((held | used).values())
    sums = totals(usage_by_key(story.events))
    assert (sums["tokens"], sums["open"]) == (expected, len(held.keys() - used.keys()))
    assert set(AMOUNTS) == {"tokens", "calls", "nano_usd", "documents"}
