"""Building faults: what stands there, shortened; the nearest known name as the fix."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from itertools import islice

from pydantic import JsonValue

from concertino.contracts.errors import VALUE_CHARS, quote
from concertino.contracts.plan import Fault, FaultCode

NAMES_SHOWN = 8
"""Known names listed where none is near."""
GUESSES = 32
"""Names of one plan that are compared with the known ones: difflib takes about 0.5 ms for 200, chosen by hand."""
NAMES_COMPARED = 500


class Faults:
    """Collects the faults of one plan, in the order they are found."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self._guesses = 0

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

    def nearest(self, name: str, known: Collection[str]) -> str:
        """Return the fix for an unknown name: the nearest known one, or a list of them.

        Only the first `GUESSES` names of a plan are compared, so that a large faulty plan is refused as fast as a small one.
        """
        self._guesses += 1
        return _nearest(name, known if self._guesses <= GUESSES else ())

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


def _nearest(name: str, known: Collection[str]) -> str:
    """Return the fix for an unknown name: the nearest of `known`, or some of them."""
    listed = list(islice(known, NAMES_COMPARED))
    if not listed:
        return "use a known name"
    near = difflib.get_close_matches(name[:64], listed, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(known) - NAMES_SHOWN} more" if len(known) > NAMES_SHOWN else ""
    return f"use one of {', '.join(sorted(listed)[:NAMES_SHOWN])}{more}"
