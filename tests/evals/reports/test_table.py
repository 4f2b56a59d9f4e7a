"""The table in a terminal."""

from __future__ import annotations

import io
from typing import NamedTuple

import pytest
from rich.console import Console

from concertino.contracts.errors import FileInvalid, TapeMiss
from concertino.contracts.json import JsonObject
from concertino.evals.case_files import as_error
from concertino.evals.reports import junit, report
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
    """On a narrow terminal columns are left out, and long ids wrapped."""
    long = "an-archive-that-is-down-opens-its-breaker-and-closes-it-again"
    broken: JsonObject = {"type": "TapeMiss", "message": "x"}
    missed = outcome({"status": "success"}, case_id=long, result=None, events=[], error=broken)
    table, _, _ = shown(report(Suite(), [missed]), width=width).partition("0 of 1 cases")
    assert "…" not in table
    made = report(Suite(), [outcome({"status": "failed"}, case_id=f"case-{n}", result=result()) for n in range(5)])
    text = shown(made, width=width)
    assert all(f"case-{n}" in text for n in range(5))
    table, _, _ = text.partition("0 of 5 cases passed")
    assert max(map(len, table.splitlines())) <= width


def test_errors_are_told_in_full_below_the_table() -> None:
    """File and line once, every field that differs on a line of its own, wrapped and never cut, whatever the width."""
    changes = [
        f"messages[{n}].content from character 12: recorded '{'was ' * 9}', now '{'is ' * 12}'" for n in range(9)
    ]
    miss = TapeMiss(kind="model", name="openai:m", scope="writer/a#1", nearest="writer/a#1 n=1", changes=changes)
    broken = FileInvalid(file="offers/cases.yaml", line=7, value="x" * 90, rule="case.expect: " + "must be so " * 30)
    again = FileInvalid(file="offers/cases.yaml", line=None, value="dup", rule="another case has this id")
    made = [
        outcome({"status": "success"}, case_id=name, result=None, events=[], error=as_error(error))
        for name, error in (("miss", miss), ("broken", broken), ("again", again))
    ]
    for width in (40, 80, 140):
        text = shown(report(Suite(), made), width=width)
        whole = "".join(text.split())
        assert all("".join(str(error).split()) in whole for error in (miss, broken, again))
        assert (whole.count("offers/cases.yaml:7"), whole.count("offers/cases.yaml:"), "None" in text) == (1, 2, False)
        assert max(map(len, text.partition("0 of 3 cases")[0].splitlines())) <= width


def test_an_error_of_many_runs_is_told_once() -> None:
    """With the number of the first run that has it; another error of another run stands beside it."""
    errors: list[JsonObject] = [{"type": "X", "message": one} for one in ("first", "first", "second")]
    made = [
        outcome({"status": "success"}, case_id="a", number=n, result=None, events=[], error=error)
        for n, error in enumerate(errors, 1)
    ]
    text = shown(report(Suite(), made))
    assert (text.count("  first"), text.count("  second")) == (1, 1)
    assert "a run 1: X" in text
    assert "a run 3: X" in text


def test_an_expected_error_is_not_told() -> None:
    """A case that passes has nothing below the table."""
    made = report(
        Suite(), [outcome({"status": "X"}, result=None, events=[], error={"type": "X", "message": "as said"})]
    )
    assert "as said" not in shown(made)


def test_what_could_not_be_measured_is_why_a_case_fails() -> None:
    """Where no verdict failed and none was passed, the one that says neither is told."""
    made = report(Suite(), [outcome({"calibration": {"grade": "B"}}, result=result(confidence=None))])
    assert "calibration: the run states no confidence" in shown(made)
    assert "calibration: the run states no confidence" in junit(made)
