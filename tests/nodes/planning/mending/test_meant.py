"""Whom needs and references mean that name no id."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.mending import Mended, mend

CARDS = {name: SpecialistCard(name) for name in ("search", "summary", "report")}


def _mend(*rows: dict[str, Any]) -> Mended:
    return mend(Draft({"subtasks": list(rows)}, "caller"), task=Task(task_id="t"), cards=CARDS)


def _row(own: str, specialist: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"id": own, "specialist": specialist, "needs": list(needs), **more}


@pytest.mark.parametrize(
    "need", ["find-prices", "Find Prices", "find_price", "search", "Search", "Look for prices, and terms"]
)
def test_a_need_by_other_words_than_the_id_keeps_its_edge(need: str) -> None:
    """By spelling, by who does it, by its title."""
    made = _mend(
        _row("Find_Prices", "search", objective="Look for prices, and terms"),
        _row("b", "summary"),
        _row("c", "report", need),
    )
    assert made.plan is not None
    assert made.plan.subtasks[2].needs == ("Find_Prices",)
    assert made.status == "repaired"
    assert any("Find_Prices" in note for note in made.notes)


def test_a_need_that_several_could_be_meant_by_is_refused() -> None:
    """It is neither lost nor guessed."""
    made = _mend(_row("a", "search"), _row("b", "search"), _row("c", "report", "search"))
    assert made.plan is None
    assert any("could be a, b" in note for note in made.notes)


def test_of_several_only_those_before_it_can_be_needed() -> None:
    """A plan is written in order."""
    made = _mend(_row("a", "search"), _row("c", "report", "search"), _row("b", "search"))
    assert made.plan is not None
    assert made.plan.subtasks[1].needs == ("a",)


def test_ids_with_other_numbers_are_other_ids() -> None:
    """However alike they are."""
    made = _mend(_row("gather1", "search"), _row("c", "report", "gather2"))
    assert made.plan is not None
    assert made.plan.subtasks[1].needs == ()
    assert any("which the plan has not" in note for note in made.notes)


@pytest.mark.parametrize("given", ["${search.pages}", {"$from": "search", "path": "pages"}])
def test_a_reference_by_specialist_is_one_with_an_edge(given: Any) -> None:
    """As when its id stood there."""
    made = _mend(_row("1", "search"), _row("2", "summary", inputs={"pages": given}))
    assert made.plan is not None
    assert made.plan.subtasks[1].needs == ("1",)
    assert made.plan.subtasks[1].inputs == {"pages": {"$from": "1", "path": "pages"}}


def test_a_reference_that_several_could_be_meant_by_is_refused() -> None:
    """Unless its subtask needs just one of them."""
    rows = [_row("a", "search"), _row("b", "search")]
    assert _mend(*rows, _row("c", "report", inputs={"x": "${search.y}"})).plan is None
    made = _mend(*rows, _row("c", "report", "a", inputs={"x": "${search.y}"}))
    assert made.plan is not None
    assert made.plan.subtasks[2].inputs == {"x": {"$from": "a", "path": "y"}}


def test_a_reference_that_names_nothing_is_told() -> None:
    """It stays text; no subtask and no edge is another by it, so the plan is valid as it was."""
    made = _mend(_row("a", "search", inputs={"x": "${zzz.y}"}))
    assert made.plan is not None
    assert made.status == "valid"
    assert any("stays as text" in note for note in made.notes)
