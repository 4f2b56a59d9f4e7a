"""Progress: plain lines in a pipe, and what the live view draws."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from concertino.contracts.event import Event, EventType, message_type
from concertino.service.cli.live import Live
from concertino.service.cli.progress import Lines, progress_on_stderr
from tests.clocks import StillClock


def event(kind: EventType, subtask: str | None = None, at: float = 100.0, **payload: Any) -> Event:
    return Event(
        task_id="t-1",
        run_id="run-1",
        type=kind,
        message_type=message_type(kind),
        subtask_id=subtask,
        payload=payload,
        timestamp=at,
    )


PLAN: dict[str, Any] = {
    "plan": {"subtasks": [{"id": "a", "specialist": "x"}, {"id": "b", "specialist": "y", "needs": ["a"]}]},
    "policy": {"budget": {"tokens": 1_000, "calls": None, "seconds": 60}},
}


def drawn(*events: Event) -> str:
    """Return the live view's picture after `events`, as text."""
    screen = io.StringIO()
    live = Live(clock=StillClock(3.0, epoch=100.0), console=Console(file=screen, width=120, force_terminal=False))
    for one in events:
        live(one)
    Console(file=screen, width=120).print(live.picture())
    return screen.getvalue()


def test_a_pipe_gets_one_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line says how long after the first event, and what."""
    with Lines() as lines:
        lines(event("RUN_ADMITTED"))
        lines(event("RESERVED", key="k"))
        lines(event("TASK_STARTED", "a", at=101.5))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["    0.00 s  run admitted", "    1.50 s  a started"]


def test_a_pipe_needs_no_rich() -> None:
    """Where stderr is no terminal, progress is lines."""
    assert isinstance(progress_on_stderr(clock=StillClock(3.0, epoch=100.0)), Lines)


def test_the_view_shows_states_elapsed_time_and_needs() -> None:
    """A running subtask counts up to now; a pending one says what it waits for."""
    picture = drawn(event("RUN_PLANNED", **PLAN), event("TASK_STARTED", "a", at=101.0))
    running, pending = (next(line for line in picture.splitlines() if f" {name} " in line) for name in ("a", "b"))
    assert "running" in running
    assert "2.0 s" in running
    assert "after a" in pending


def test_the_view_has_a_bar_for_every_bounded_budget() -> None:
    """Tokens and seconds are bounded in this plan, calls are not."""
    spent = {"tokens": 250, "calls": 3, "usd_nano": 0, "documents": 0}
    picture = drawn(
        event("RUN_PLANNED", **PLAN),
        event("RESERVED", key="k", path=["run"], amounts=spent),
        event("SETTLED", key="k", path=["run"], used=spent),
    )
    assert "250 of 1,000" in picture
    assert "3.0 of 60" in picture
    assert "calls" not in picture


def test_the_view_shows_open_questions() -> None:
    """A person sees which gate waits."""
    assert "? b: Go on?" in drawn(event("RUN_PLANNED", **PLAN), event("GATE_OPENED", "b", gate="b", question="Go on?"))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["TASK_STARTED", "TASK_COMPLETED", "AGENT_FAILED", "TASK_SKIPPED", "TASK_SUSPENDED"]),
            st.text(max_size=20),
        ),
        max_size=60,
    )
)
def test_any_events_can_be_drawn(happened: list[tuple[EventType, str]]) -> None:
    """Names from outside cannot break the view, by markup or by control characters."""
    picture = drawn(
        event("RUN_PLANNED", **PLAN), *(event(kind, name, error=name, reason=name) for kind, name in happened)
    )
    assert "\x1b" not in picture
