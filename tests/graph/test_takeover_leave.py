"""How long people's leave to take a subtask over lasts, and what becomes of a question about somebody who is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concertino import InputError, Planner
from tests.graph.plans import outputs, states, task
from tests.graph.takers import ONCE, A, Till

TASK = task("t", A)["task"]
DEARER = {"decision": "edit", "inputs": {"amount": 999}}


def opened(made: Planner) -> list[str]:
    """Return the names of the gates that a run has open."""
    status: Any = made.status("t")
    return [gate["gate"] for gate in status["gates"]["open"]]


def failed_twice(made: Planner, till: Till, *, first: Any = "accept") -> None:
    """Bring the run to where both have failed, with leave, and a person has changed the inputs."""
    made.run(TASK)
    made.answer("t", "a.by.payer", first)
    made.resume("t")
    assert opened(made) == ["a.review"]
    till.broken.remove("payer")
    till.calls.clear()
    made.answer("t", "a.review", DEARER)
    assert made.resume("t")["status"] == "waiting"


@pytest.mark.parametrize("first", ["accept", {"decision": "edit", "inputs": {"amount": 5}}])
@pytest.mark.parametrize("again", ["accept", "reject"])
def test_leave_is_for_the_inputs_of_its_time(first: Any, again: str, tmp_path: Path) -> None:
    """Inputs that a person changes afterwards are asked about again, in another process too."""
    till, database = Till("payer"), f"sqlite:///{tmp_path / 'x.db'}"
    options: Any = {"gates": [ONCE], "escalate": "ask", "replans": 0, "database": database}
    with Planner(specialists=till.specialists, **options) as made:
        failed_twice(made, till, first=first)
        assert till.calls == ["reader", "reader"]
        status: Any = made.status("t")
        (gate,) = status["gates"]["open"]
        assert (gate["gate"], gate["details"]["inputs"]) == ("a.by.payer.2", {"amount": 999})
    with Planner(specialists=till.specialists, **options) as made:
        made.answer("t", "a.by.payer.2", again)
        result: Any = made.resume("t")
        if again == "accept":
            assert outputs(result)["a"] == {"by": "payer", "amount": 999}
        else:
            assert "payer" not in till.calls
            assert result["subtasks"][0]["reason"] == "reader is broken; gate a.by.payer.2 rejected"


def test_a_restart_keeps_how_long_leave_lasts() -> None:
    """Who was let before a change is asked about after it; who was refused, at any time, does not act."""
    for again, calls in (("accept", ["payer"]), ("reject", [])):
        till = Till("payer")
        with Planner(specialists=till.specialists, gates=[ONCE], escalate="ask", replans=0) as made:
            failed_twice(made, till)
            made.cancel("t", "later")
            till.calls.clear()
            assert made.restart("t")["status"] == "waiting"
            assert (opened(made), till.calls) == (["a.by.payer.2"], ["reader", "reader"])
            made.answer("t", "a.by.payer.2", again)
            made.resume("t")
            assert till.calls[2:] == calls


def test_an_edit_of_the_subtasks_own_gate_is_no_leave_given_before() -> None:
    """The stand-in that its gate had named is asked about when a review changes what it would get."""
    till = Till("payer")
    given = task("t", {**A, "on_failure": "payer"})["task"]
    with Planner(specialists=till.specialists, gates=[ONCE], escalate="ask", replans=0) as made:
        made.run(given)
        made.answer("t", "a", "accept")
        made.resume("t")
        assert till.calls == ["reader", "reader", "payer"]
        made.answer("t", "a.review", DEARER)
        made.resume("t")
        assert opened(made) == ["a.by.payer"]
        assert till.calls == ["reader", "reader", "payer", "reader", "reader"]


def test_a_later_question_is_not_answered_in_advance() -> None:
    """Nobody knows yet what it will be about."""
    till = Till()
    with Planner(specialists=till.specialists, gates=[ONCE]) as made:
        made.run(TASK)
        for gate in ("a.by.payer.2", "a.by.payer.x", "a.by."):
            with pytest.raises(InputError, match="must be one of"):
                made.answer("t", gate, "accept")


@pytest.mark.parametrize("others", [(), ("teller",)])
def test_a_question_about_somebody_who_is_gone_is_withdrawn(others: tuple[str, ...], tmp_path: Path) -> None:
    """A resume without the one that was asked about waits for no answer: the next one is asked about, or the failure says why."""
    database = f"sqlite:///{tmp_path / 'x.db'}"
    till = Till(takers=("payer", *others))
    with Planner(specialists=till.specialists, gates=[ONCE], replans=0, database=database) as made:
        assert made.run(TASK)["status"] == "waiting"
        assert opened(made) == ["a.by.payer"]
    left = [one for one in till.specialists if one.card.name != "payer"]
    with Planner(specialists=left, gates=[ONCE], replans=0, database=database) as made:
        result: Any = made.resume("t")
        assert till.calls == ["reader", "reader"]
        gone = "payer, who was to take it over, is not here any more or cannot do it"
        if others:
            assert opened(made) == ["a.by.teller"]
            made.answer("t", "a.by.teller", "accept")
            assert outputs(made.resume("t"))["a"] == {"by": "teller", "amount": 1}
        else:
            assert states(result) == {"a": "failed"}
            assert result["subtasks"][0]["reason"] == f"reader is broken; {gone}"
        assert "GATE_WITHDRAWN" in [event.type for event in made.events("t")]


def test_the_record_of_a_subtask_may_name_one_who_is_gone(tmp_path: Path) -> None:
    """Whoever tried last and is not there any more keeps nobody from ending the subtask."""
    database, till = f"sqlite:///{tmp_path / 'x.db'}", Till("payer", takers=("payer", "teller"))
    options: Any = {"gates": [ONCE], "replans": 0, "database": database}
    with Planner(specialists=till.specialists, **options) as made:
        made.run(TASK)
        made.answer("t", "a.by.payer", "accept")
        made.resume("t")
        assert opened(made) == ["a.by.teller"]
    gone = [one for one in till.specialists if one.card.name != "payer"]
    with Planner(specialists=gone, **options) as made:
        made.answer("t", "a.by.teller", "reject")
        result: Any = made.resume("t")
    assert states(result) == {"a": "failed"}
    assert result["subtasks"][0]["specialist"] == "payer"
