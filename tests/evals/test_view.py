"""A run as people look at it, where it did not go straight."""

from __future__ import annotations

from concertino.evals.view import view_of
from tests.evals.told import event, events, result


def test_a_process_that_died_leaves_an_interrupted_attempt() -> None:
    """Who was at work when the run was resumed is not any more; the next attempt is its own."""
    told = [
        *events()[:5],
        event("RUN_RESUMED", 7.0),
        event("TASK_STARTED", 7.5, "law", specialist="legal", attempt=1),
        event("TASK_COMPLETED", 8.0, "law"),
    ]
    law = view_of(None, told).subtasks[1]
    assert [(one["start"], one["end"], one["ended"]) for one in law["attempts"]] == [
        (0.0, 7.0, "interrupted"),
        (7.5, 8.0, "completed"),
    ]


def test_a_question_is_a_gate_and_a_span_of_waiting() -> None:
    """Asked, parked, answered: the gate has both times, the run the span between."""
    told = [
        *events()[:4],
        event("GATE_OPENED", 1.0, "advice", gate="advice", question="Go on?", subtask_id="advice"),
        event("TASK_SUSPENDED", 1.0, "money"),
        event("RUN_PARKED", 1.5, gates=["advice"]),
        event("GATE_ANSWERED", 61.0, gate="advice", decision="accept"),
        event("RUN_RESUMED", 61.5),
    ]
    view = view_of(None, told)
    assert view.parked == [(1.5, 61.5)]
    gate = view.gates[0]
    assert (gate["opened"], gate["answered"], gate["decision"]) == (1.0, 61.0, "accept")
    assert view.subtasks[0]["attempts"][0]["ended"] == "waiting"


def test_another_specialist_takes_over_in_an_attempt_of_its_own() -> None:
    """Each attempt says whose it was."""
    told = [
        *events()[:7],
        event("TASK_REROUTED", 1.0, "law", to="press", reason="no answer"),
        event("TASK_STARTED", 1.5, "law", specialist="press", attempt=1),
        event("AGENT_FAILED", 2.0, "law", specialist="press", final=True, error={"type": "X", "message": "no"}),
    ]
    view = view_of(None, told)
    assert [one["specialist"] for one in view.subtasks[1]["attempts"]] == ["legal", "press"]
    assert (view.subtasks[1]["state"], view.subtasks[1]["end"]) == ("failed", 2.0)
    assert {"at": 1.0, "type": "TASK_REROUTED", "subtask": "law", "detail": "no answer"} in view.steps


def test_events_of_another_run_of_the_task_are_left_out() -> None:
    """A forked or restarted task has the events of all its runs in one journal."""
    other = [one | {"run_id": "run-0"} for one in events()]
    assert view_of(result(), [*other, *events()]).subtasks == view_of(result(), events()).subtasks


def test_nothing_at_all_is_an_empty_view() -> None:
    """Neither a result nor an event."""
    view = view_of(None, [])
    assert (view.subtasks, view.end) == ([], 0.0)
