"""Keeping a plan that nobody wrote by hand within its bytes: long objectives are shortened, and specialists have the task itself."""

from __future__ import annotations

from collections.abc import Sequence

from concertino.contracts.json import JsonObject, dump
from concertino.contracts.limits import Limits

MORE = "…"
NOTE = "objectives are shortened, as the plan would be too large; specialists find the whole text in the task"


def fit_objectives(subtasks: Sequence[JsonObject], *, limits: Limits, notes: list[str]) -> list[JsonObject]:
    """Return subtasks whose objectives leave the plan within `limits.bytes`, as far as objectives can; the longest give way first."""
    texts = [text if isinstance(text := one.get("objective"), str) else "" for one in subtasks]
    cost = {text: _bytes(text) for text in set(texts)}
    room = limits.bytes - sum(size_of(one) for one in subtasks)
    if sum(cost[text] for text in texts) <= room:
        return list(subtasks)
    most = _level(sorted(cost[text] for text in texts), room)
    short = {text: text if cost[text] <= most else _cut(text, most) for text in cost}
    notes.append(NOTE)
    return [{**one, "objective": short[text]} if text else dict(one) for one, text in zip(subtasks, texts, strict=True)]


def size_of(subtask: JsonObject) -> int:
    """Return how many bytes a subtask takes beside the text of its objective."""
    return _bytes({**subtask, "objective": ""})


def _level(costs: Sequence[int], room: int) -> int:
    """Return the most that each may take, so that all fit into `room`; `costs` are in ascending order."""
    for at, cost in enumerate(costs):
        each = room // (len(costs) - at)
        if cost > each:
            return max(0, each)
        room -= cost
    return costs[-1]


def _cut(text: str, most: int) -> str:
    room = most - _bytes(MORE)
    end = min(len(text), max(0, room))
    while end and (cost := _bytes(text[:end])) > room:
        end = min(end - 1, end * room // cost)
    return f"{text[:end]}{MORE}" if end else ""


def _bytes(value: object) -> int:
    return len(dump(value).encode()) - (2 if isinstance(value, str) else 0)
