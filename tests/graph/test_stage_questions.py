"""People asked about a failure in a stage: the stage is not over before they have answered."""

from __future__ import annotations

from typing import Any

import pytest

from concertino import Brief, Planner, specialist
from tests.graph.plans import states, subtask

ACCEPT, EDIT = "accept", {"decision": "edit", "inputs": {"works": True}}


class Stages:
    """A plan whose first stage fails until a person changes its inputs."""

    def __init__(self, **plan: Any) -> None:
        self.calls: list[str] = []

        @specialist("picky", max_attempts=1)
        def picky(brief: Brief) -> Any:
            self.calls.append(brief.subtask_id)
            if brief.subtask_id == "a" and not brief.inputs.get("works"):
                raise ValueError("bad inputs")
            return {"done": brief.subtask_id}

        one, two = {"stage": "one"}, {"stage": "two"}
        subtasks = [
            subtask("a", "picky", **one), subtask("b", "picky", gate=True, **one), subtask("c", "picky", **two),
        ]  # fmt: skip
        self.task = {"task_id": "t", "title": "try", "plan": {"subtasks": subtasks, **plan}}
        self.specialists = [picky]

    def after(self, *answers: tuple[str, Any]) -> Any:
        """Return the result of a run that was given the answers, one after another."""
        with Planner(specialists=self.specialists, escalate="ask") as made:
            result = made.run(self.task)
            for gate, answer in answers:
                assert result["status"] == "waiting"
                made.answer("t", gate, answer)
                result = made.resume("t")
        return result


def test_no_later_stage_begins_while_a_failure_is_asked_about() -> None:
    """What people have let begin is done, but nothing past the stage."""
    stages = Stages()
    result = stages.after(("b", ACCEPT))
    assert [gate["gate"] for gate in result["gates"]["open"]] == ["a.review"]
    assert stages.calls == ["a", "b"]


def test_an_edit_is_tried_before_the_next_stage() -> None:
    """The order of the stages stands, however long people take."""
    stages = Stages()
    result = stages.after(("b", ACCEPT), ("a.review", EDIT))
    assert (result["status"], stages.calls) == ("success", ["a", "b", "a", "c"])


@pytest.mark.parametrize("gates", [("a.review", "b"), ("b", "a.review")])
def test_a_stage_that_people_close_may_end_the_run(gates: tuple[str, ...]) -> None:
    """`stop_when` is asked once the last of its questions is answered, whichever that is."""
    stages = Stages(stop_when={"one": "true"})
    result = stages.after(*((gate, ACCEPT) for gate in gates))
    assert states(result) == {"a": "failed", "b": "completed", "c": "skipped"}
    assert stages.calls == ["a", "b"]
