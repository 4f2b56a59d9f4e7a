"""Building faults: what stands there, shortened; the nearest known name as the fix."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from pydantic import JsonValue

from concertino.contracts.errors import VALUE_CHARS, quote
from concertino.contracts.plan import Fault, FaultCode

NAMES_SHOWN = 8
"""Known names listed where none is near."""


class Faults:
    """Collects the faults of one plan, in the order they are found."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(
        self,
        code: FaultCode,
        place: str,
        value: JsonValue,
        message: str,
        fix: str,
        *,
        subtasks: Sequence[str] = (),
    ) -> None:
        """Record one fault."""
        self.found.append(
            Fault(code=code, place=place, value=shortened(value), message=message, fix=fix, subtasks=tuple(subtasks))
        )

    def __bool__(self) -> bool:
        return bool(self.found)


def shortened(value: JsonValue) -> JsonValue:
    """Return `value` such that a message may hold it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= VALUE_CHARS else f"{value[: VALUE_CHARS - 1]}…"
    if isinstance(value, list) and len(value) <= NAMES_SHOWN and all(isinstance(item, str) for item in value):
        return [shortened(item) for item in value]
    return quote(value)


def nearest(name: str, known: Collection[str]) -> str:
    """Return the fix for an unknown name: the nearest known one, or a list of them."""
    if not known:
        return "there are none"
    near = difflib.get_close_matches(name[:100], sorted(known)[:1_000], n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    listed = sorted(known)
    more = f" and {len(listed) - NAMES_SHOWN} more" if len(listed) > NAMES_SHOWN else ""
    return f"use one of {', '.join(listed[:NAMES_SHOWN])}{more}"
