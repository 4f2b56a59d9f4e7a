"""What a run came to, in a few lines of text: where its time went, and what it used of its budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from concertino.service.cli.wording import plain

if TYPE_CHECKING:
    from concertino.contracts.json import JsonObject

WIDTH = 24
"""Characters of a bar."""
MOST = 20
"""Subtasks shown at most."""
DIMENSIONS = ("tokens", "calls", "usd", "documents", "seconds")


def account(result: JsonObject) -> list[str]:
    """Return the lines for a planner's result; none where nothing ran."""
    known: Any = result
    ran = [
        subtask for subtask in known.get("subtasks") or () if subtask.get("started_at") and subtask.get("finished_at")
    ]
    return [*_timeline(ran), *_budget(known.get("usage") or {}, known.get("limits") or {})]


def _timeline(ran: list[dict[str, Any]]) -> list[str]:
    if not ran:
        return []
    begin = min(subtask["started_at"] for subtask in ran)
    whole = max(max(subtask["finished_at"] for subtask in ran) - begin, 1e-9)
    lines = []
    for subtask in sorted(ran, key=lambda subtask: (subtask["started_at"], subtask["subtask_id"]))[:MOST]:
        start, end = subtask["started_at"] - begin, subtask["finished_at"] - begin
        left = min(WIDTH - 1, int(WIDTH * start / whole))
        wide = min(WIDTH - left, max(1, round(WIDTH * (end - start) / whole)))
        bar = "·" * left + "█" * wide + "·" * (WIDTH - left - wide)
        lines.append(f"  {bar} {start:7.3f}-{end:.3f} s  {plain(subtask['subtask_id'])}: {plain(subtask['state'])}")
    if len(ran) > MOST:
        lines.append(f"  ... and {len(ran) - MOST} more")
    return ["timeline", *lines]


def _budget(used: Mapping[str, Any], limits: Mapping[str, Any]) -> list[str]:
    parts = []
    for name in DIMENSIONS:
        amount, limit = used.get(name) or 0, limits.get(name)
        if limit is not None:
            parts.append(f"{amount:.6g} of {limit:,.6g} {name}")
        elif amount:
            parts.append(f"{amount:.6g} {name}")
    return [f"budget  {', '.join(parts)}"] if parts else []
