"""Foreign values as plain JSON: whatever is handed in becomes something that can be gone through in bounded time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from concertino.contracts.json import INT_MAX, clean

LEVELS = 40
"""Levels of a value that are read: a plan's own and those of its wrappers. Chosen by hand."""
VALUES = 200_000
"""Values in one answer that are read; a text of the size that is read cannot hold more."""
TOO_DEEP = f"what is nested over {LEVELS} levels deep is left out"
FOREIGN = "what is no data is left out"
NO_NUMBER = "NaN and Infinity are no numbers in JSON: read as null"
TOO_MANY = f"the answer has over {VALUES:,} values; the rest is left out"


class Plain:
    """Turns values into plain JSON, and notes what it left out."""

    def __init__(self) -> None:
        self.notes: dict[str, None] = {}
        self._left = VALUES

    def of(self, value: Any, level: int = 0) -> JsonValue:
        """Return a value as JSON: text without NUL and surrogates, whole numbers of over 64 bits as text, NaN and Infinity as null."""
        self._left -= 1
        if self._left < 0:
            self.notes[TOO_MANY] = None
            return None
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return clean(str(value), field="text", nesting=0)
        if isinstance(value, int):
            return int(value) if -INT_MAX - 1 <= value <= INT_MAX else hex(value)
        if isinstance(value, float):
            if math.isfinite(value):
                return float(value)
            self.notes[NO_NUMBER] = None
            return None
        if level >= LEVELS:
            self.notes[TOO_DEEP] = None
            return None
        value = _opened(value)
        if isinstance(value, Mapping):
            return {
                str(self.of(_key(key), LEVELS)): self.of(item, level + 1) for key, item in self._bounded(value.items())
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.of(item, level + 1) for item in self._bounded(value)]
        self.notes[FOREIGN] = None
        return None

    def _bounded(self, items: Any) -> list[Any]:
        kept: list[Any] = []
        for item in items:
            if len(kept) >= max(self._left, 0):
                self.notes[TOO_MANY] = None
                break
            kept.append(item)
        return kept


def _key(key: Any) -> Any:
    return key if isinstance(key, str | int | float) or key is None else type(key).__name__


def _opened(value: Any) -> Any:
    """Return the fields of a structured answer: a Pydantic model's or a dataclass's."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    fields = getattr(type(value), "model_fields", None)
    if isinstance(fields, Mapping):
        return {name: getattr(value, name, None) for name in fields}
    return value
