"""The live view of a run on a terminal: its plan with states, its gates, and a bar for every budget."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from concertino.contracts.budget import DIMENSIONS
from concertino.contracts.clock import Clock
from concertino.contracts.event import TERMINAL, Event
from concertino.contracts.json import JsonObject
from concertino.journal.views import status
from concertino.service.cli.wording import plain, sentence

REFRESHES_A_SECOND = 8
ROWS = 30
"""Subtasks shown at a time; those that are at work come first when there are more. Chosen by hand."""

_LOOKS = {
    "pending": ("·", "dim"),
    "running": ("▶", "cyan"),
    "waiting": ("?", "yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "blocked": ("✗", "red"),
    "skipped": ("–", "dim"),
    "cancelled": ("–", "dim"),
}
_ORDER = ("running", "waiting", "failed", "blocked", "pending", "completed", "skipped", "cancelled")


class Live:
    """Redraws itself from the events it was given; the picture stays on the screen when the run is over."""

    def __init__(self, *, clock: Clock, console: Console | None = None) -> None:
        self._clock = clock
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._console = console or Console(stderr=True)
        self._live = RichLive(
            console=self._console,
            refresh_per_second=REFRESHES_A_SECOND,
            get_renderable=self.picture,
            redirect_stdout=False,
        )

    def __call__(self, event: Event) -> None:
        """Take an event; it is seen with the next redrawing."""
        with self._lock:
            self._events.append(event)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._live.stop()

    def picture(self) -> RenderableType:
        """Return the run as it stands."""
        with self._lock:
            events = list(self._events)
        if not events:
            return Text("starting", style="dim")
        view = cast("dict[str, Any]", status(events, now=self._clock.now()))
        parts: list[RenderableType] = [_headline(view), _subtasks(view, now=self._clock.now())]
        parts += [_budgets(view, limits_of(events))]
        parts += [
            Text(f"? {plain(gate['gate'])}: {plain(gate['question'])}", "yellow") for gate in view["gates"]["open"]
        ]
        latest = next((text for event in reversed(events) if (text := sentence(event))), None)
        if latest is not None and view["status"] not in TERMINAL:
            parts.append(Text(latest, style="dim"))
        return Group(*parts)


def limits_of(events: list[Event]) -> JsonObject:
    """Return the run's budget from its newest plan; a dimension that is missing or `None` is unbounded."""
    for event in reversed(events):
        policy = event.payload.get("policy") if event.type == "RUN_PLANNED" else None
        if isinstance(policy, dict) and isinstance(policy.get("budget"), dict):
            return cast("JsonObject", policy["budget"])
    return {}


def _headline(view: dict[str, Any]) -> Text:
    return Text(f"{plain(view['task_id'])}  {view['status']}  {view['metrics']['elapsed_seconds']:.1f} s", style="bold")


def _subtasks(view: dict[str, Any], *, now: float) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=False)
    subtasks = view["subtasks"]
    shown = subtasks if len(subtasks) <= ROWS else sorted(subtasks, key=lambda one: _ORDER.index(one["state"]))[:ROWS]
    for one in shown:
        mark, style = _LOOKS[one["state"]]
        started, finished = one["started_at"], one["finished_at"]
        elapsed = "" if started is None else f"{max(0.0, (finished or now) - started):.1f} s"
        attempts = f"attempt {one['attempts']}" if one["attempts"] > 1 else ""
        needs = ", ".join(view["dependencies"].get(one["subtask_id"], ()))
        waits = f"after {needs}" if needs and one["state"] == "pending" else ""
        table.add_row(
            Text(mark, style=style),
            Text(plain(one["subtask_id"])),
            Text(plain(one["specialist"] or ""), style="dim"),
            Text(one["state"], style=style),
            Text(elapsed),
            Text(plain(_reason(one["error"]) or attempts or waits), style="dim"),
        )
    if len(subtasks) > len(shown):
        table.add_row("", Text(f"and {len(subtasks) - len(shown)} more", style="dim"))
    return table


def _budgets(view: dict[str, Any], limits: JsonObject) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=False)
    used = {name: view["budget"][name] for name in DIMENSIONS} | {"seconds": view["metrics"]["elapsed_seconds"]}
    for name, amount in used.items():
        limit = limits.get(name)
        if isinstance(limit, int | float) and limit > 0:
            bar = ProgressBar(total=limit, completed=min(amount, limit), width=24)
            table.add_row(Text(name, style="dim"), bar, Text(_share(name, amount, limit)))
    return table


def _share(name: str, amount: float, limit: float) -> str:
    shown = f"{amount:,.1f}" if name == "seconds" else f"{amount:,.6g}"
    return f"{shown} of {limit:,.6g}"


def _reason(error: object) -> str | None:
    if isinstance(error, dict):
        error = error.get("message") or error.get("type")
    return None if error is None else str(error)
