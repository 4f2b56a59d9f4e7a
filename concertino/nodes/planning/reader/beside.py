"""What stands beside the list of subtasks: links between them, and what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENDS = (
    ("source", "target"),
    ("source", "targets"),
    ("sources", "target"),
    ("from", "to"),
    ("before", "after"),
    ("src", "dst"),
    ("start", "end"),
    ("parent", "child"),
)


def links_of(given: Any) -> list[Any]:
    """Return links as pairs of ends; what is no pair stays as it is, for whoever mends it to name."""
    if isinstance(given, Mapping):
        return [
            (before, after)
            for after, befores in given.items()
            for before in (befores if isinstance(befores, list) else [befores])
        ]
    found: list[Any] = []
    for item in given:
        if isinstance(item, list | tuple) and len(item) == 2:
            found.append((item[0], item[1]))
        elif isinstance(item, Mapping):
            ends = next(((item[a], item[b]) for a, b in ENDS if a in item and b in item), None)
            found += _pairs(*ends) if ends is not None else [dict(item)]
        elif isinstance(item, str) and "->" in item:
            before, _, after = item.partition("->")
            found.append((before.strip(" -"), after.strip(" >")))
        else:
            found.append(item)
    return found


def _pairs(before: Any, after: Any) -> list[Any]:
    """Return the links between two ends, each of which may list several."""
    befores = before if isinstance(before, list) else [before]
    return [(one, other) for one in befores for other in (after if isinstance(after, list) else [after])]


def asked_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands of objectives, constraints and acceptance criteria."""
    inner = given.get("requirements")
    held = inner if isinstance(inner, Mapping) else given
    names = {
        "objectives": ("objectives", "goals", "objective", "goal"),
        "constraints": ("constraints",),
        "acceptance_criteria": ("acceptance_criteria", "criteria", "success_criteria"),
    }
    found = {}
    for name, keys in names.items():
        value = next((held[key] for key in keys if isinstance(held.get(key), list | str) and held[key]), None)
        if value is not None:
            found[name] = value if isinstance(value, list) else [value]
    return found
