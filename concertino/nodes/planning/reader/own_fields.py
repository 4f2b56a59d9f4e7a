"""Fields that a plan of ours has under these very names: taken over where they have the type that they must have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from concertino.contracts.ids import is_id


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_gate(value: Any) -> bool:
    return isinstance(value, bool | Mapping)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


SUBTASK: dict[str, Callable[[Any], bool]] = {
    "estimate_s": _is_number,
    "required": lambda value: isinstance(value, bool),
    "capability": is_id,
    "tier": lambda value: value in ("simple", "standard", "complex"),
    "stage": is_id,
    "gate": _is_gate,
    "budget": _is_object,
    "sla_s": _is_number,
    "max_attempts": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "continue_when": _is_text,
    "on_failure": _is_object,
}
HEADER: dict[str, Callable[[Any], bool]] = {
    "gate": _is_gate,
    "answer": _is_names,
    "stop_when": _is_object,
    "budget": _is_object,
    "refine": _is_object,
}


def taken(given: Mapping[str, Any], known: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any]:
    """Return the fields of `given` that are `known` and well typed; what they say is for the validator to judge."""
    return {name: given[name] for name, fits in known.items() if given.get(name) is not None and fits(given[name])}
