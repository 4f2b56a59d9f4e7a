"""What the command line says of a run's time and money."""

from __future__ import annotations

from concertino.contracts.json import JsonObject
from concertino.service.cli.account import MOST, WIDTH, account


def ran(name: str, start: float, end: float) -> JsonObject:
    return {"subtask_id": name, "state": "completed", "started_at": start, "finished_at": end}


def test_a_timeline_shows_each_subtask_where_it_ran() -> None:
    """Bars begin and end in proportion to the whole, and the seconds count from the first start."""
    lines = account({"subtasks": [ran("b", 12.0, 14.0), ran("a", 10.0, 12.0)]})
    half = WIDTH // 2
    assert lines == [
        "timeline",
        f"  {'█' * half}{'·' * half}   0.000-2.000 s  a: completed",
        f"  {'·' * half}{'█' * half}   2.000-4.000 s  b: completed",
    ]


def test_a_long_run_shows_its_beginning() -> None:
    """A run of very many subtasks does not fill the terminal."""
    lines = account({"subtasks": [*(ran(f"s{n}", n, n + 1.0) for n in range(1, MOST + 6))]})
    assert len(lines) == MOST + 2
    assert lines[-1] == "  ... and 5 more"


def test_the_budget_line_gives_both_sides() -> None:
    """What was used stands beside what was allowed; what has no limit and was not used is left out."""
    used: JsonObject = {"tokens": 1200, "calls": 3, "usd": 0.0, "documents": 0, "seconds": 1.5}
    assert account({"usage": used, "limits": {"tokens": 200_000, "seconds": 60.0}}) == [
        "budget  1200 of 200,000 tokens, 3 calls, 1.5 of 60 seconds"
    ]


def test_a_run_that_never_began_says_nothing() -> None:
    """Without subtasks and usage there is nothing to account for."""
    assert account({}) == []
