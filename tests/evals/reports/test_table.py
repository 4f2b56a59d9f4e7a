"""The table in a terminal."""

from __future__ import annotations

import io
from typing import NamedTuple

import pytest
from rich.console import Console

from concertino.contracts.json import JsonObject
from concertino.evals.reports import report
from concertino.evals.reports.table import show
from tests.evals.told import outcome, result


class Suite(NamedTuple):
    name: str = "offers"
    target: str = "demo:planner"


def shown(made: JsonObject, *, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    show(made, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_line_a_case_with_what_it_failed_of() -> None:
    """Passed, failed with its reason, a stand-in said as such, and the sums beneath."""
    made = report(
        Suite(),
        [
            outcome({"status": "success"}, case_id="a"),
            outcome({"cost": {"max_usd": 0.5}}, case_id="b", stand_in=True),
        ],
    )
    text = shown(made)
    lines = text.splitlines()
    assert lines[1].startswith("pass  a")
    assert [word for word in ("FAIL  b", "stand-in", "cost: score 0.6667") if word not in lines[2]] == []
    assert "1 of 2 cases passed" in text
    assert "not a live model" in text


def test_nothing_from_outside_is_markup_or_moves_the_cursor() -> None:
    """A case's words are shown as they are, its control characters are not."""
    error: JsonObject = {"type": "X", "message": "[red]no[/red] \x1b[2J\x07 done"}
    text = shown(report(Suite(), [outcome({"status": "success"}, result=None, events=[], error=error)]))
    assert "[red]no[/red]" in text
    assert {"\x1b", "\x07"}.isdisjoint(text)


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_every_width_shows_every_case(width: int) -> None:
    """On a narrow terminal columns are left out."""
    made = report(Suite(), [outcome({"status": "failed"}, case_id=f"case-{n}", result=result()) for n in range(5)])
    text = shown(made, width=width)
    assert all(f"case-{n}" in text for n in range(5))
    table, _, _ = text.partition("0 of 5 cases passed")
    assert max(map(len, table.splitlines())) <= width
