"""A specialist's answer reduced to plain, bounded JSON. Loads neither Pydantic nor LangChain: the child imports it too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

from concertino.contracts.errors import InputError, quote

if TYPE_CHECKING:
    from pydantic import JsonValue

INT_MAX = 2**63 - 1
"""Integers outside the signed 64-bit range fail in SQLite and PostgreSQL."""

WORST_BYTES = 25
"""A value whose size was counted as n takes at most this many times n bytes as JSON: a float may print 24 characters."""


class AnswerRefused(InputError):
    """A specialist's answer is no finding: field, value, rule."""


def plain(value: object, *, field: str, nesting: int, max_bytes: int) -> JsonValue:
    """Return `value` as JSON that shares nothing mutable with it, without NUL and lone surrogates.

    Tuples and sets become lists, LangChain messages and other objects with a textual `content` their text, Pydantic
    models and dataclasses objects, enum members their values, dates ISO text, UUIDs and decimals text.

    Raises:
        AnswerRefused: something JSON has no form for, a number that is not finite or outside 64 bits, a key that is
            not text or there twice without NUL and lone surrogates, deeper than `nesting`, a cycle, or more than
            `max_bytes` as UTF-8 JSON.
    """
    walk = _Walk(max_bytes)
    try:
        found = walk.read(value, nesting)
        counted = max_bytes - walk.left
        if counted * WORST_BYTES > max_bytes:
            size = _size(found)
            if size > max_bytes:
                raise _Refused(f"{size} bytes", f"at most {max_bytes} bytes as JSON")
    except _Refused as refused:
        place = "".join((field, *reversed(refused.path)))
        raise AnswerRefused(field=place, value=refused.value, rule=refused.rule) from refused.__cause__
    return found


def text_of(content: object) -> str | None:
    """Return the text of a message's content, a string or a list of blocks; `None` if it is neither."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    parts = [part if isinstance(part, str) else part.get("text") for part in content if isinstance(part, str | dict)]
    return "".join(part for part in parts if isinstance(part, str))


class _Refused(Exception):
    def __init__(self, value: object, rule: str) -> None:
        self.value, self.rule = value, rule
        self.path: list[str] = []
        super().__init__(rule)


class _Walk:
    """One pass that counts a lower bound of the JSON's size on its way, so that shared parts cannot blow it up."""

    __slots__ = ("left", "limit")

    def __init__(self, max_bytes: int) -> None:
        self.limit = self.left = max_bytes

    def read(self, value: object, nesting: int) -> JsonValue:
        kind = type(value)
        if kind is str:
            return self._text(value)  # type: ignore[arg-type]  # `kind` says so
        self._take(1)
        if value is None or kind is bool:
            return value  # type: ignore[return-value]  # a bool
        if isinstance(value, int):
            number = int(value)
            if not -INT_MAX - 1 <= number <= INT_MAX:
                raise _Refused("an integer", "must fit 64 bits")
            return number
        if isinstance(value, float):
            if not math.isfinite(value):
                raise _Refused(float(value), "numbers must be finite")
            return float(value)
        if isinstance(value, dict):
            return self._object(value, nesting)
        if isinstance(value, list | tuple | Set):
            return self._array(value, nesting)
        return self.read(_reduced(value), nesting)

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _Refused(f"more than {self.limit} bytes", f"at most {self.limit} bytes as JSON")

    def _text(self, value: str) -> str:
        if not value.isascii() or "\x00" in value:
            if len(value) > 2 * self.limit:  # not worth cleaning, whatever is in it
                self._take(len(value))
            value = value.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
        self._take(len(value) + 2)
        return value

    def _object(self, value: dict[object, object], nesting: int) -> JsonValue:
        if nesting <= 0:
            raise _Refused("…", "nested too deep or recursive")
        self._take(2 * len(value) or 1)
        found: dict[str, JsonValue] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise _Refused(key, "keys must be text")
            try:
                name = self._text(str.__str__(key))
                if name in found:  # two that differ in what no store accepts
                    raise _Refused(key, "duplicate key")
                found[name] = self.read(item, nesting - 1)
            except _Refused as refused:
                refused.path.append(f".{key[:40]}")
                raise
        return found

    def _array(self, value: list[object] | tuple[object, ...] | Set[object], nesting: int) -> JsonValue:
        if nesting <= 0:
            raise _Refused("…", "nested too deep or recursive")
        self._take(len(value) or 1)
        found: list[JsonValue] = []
        for item in value:
            try:
                found.append(self.read(item, nesting - 1))
            except _Refused as refused:
                refused.path.append(f"[{len(found)}]")
                raise
        return found


def _reduced(value: object) -> object:
    """Return the parts of an object that is no JSON itself; they are read in their turn."""
    try:
        return _parts(value)
    except _Refused:
        raise
    except Exception as error:  # the object's own code, which may do anything
        raise _Refused(type(value).__name__, f"cannot be read: {quote(error)}") from error


def _parts(value: object) -> object:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return dict(value)
    origins = {f"{cls.__module__}.{cls.__name__}" for cls in type(value).__mro__}
    content = getattr(value, "content", None)
    if "langchain_core.messages.base.BaseMessage" in origins:
        return text_of(content)
    if "pydantic.main.BaseModel" in origins:
        return value.model_dump(mode="json", warnings=False)  # type: ignore[attr-defined]  # the line above says so
    if hasattr(type(value), "__dataclass_fields__"):
        import dataclasses  # loaded already where there is such a class, and dear where there is none

        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}  # type: ignore[arg-type]  # as said
    if "enum.Enum" in origins:
        return value.value  # type: ignore[attr-defined]  # an enum member
    if origins & {"datetime.date", "datetime.time"}:
        return value.isoformat()  # type: ignore[attr-defined]  # a date, datetime or time
    if origins & {"uuid.UUID", "decimal.Decimal"}:
        return str(value)
    text = text_of(content)
    if text is not None and not isinstance(value, type):
        return text
    raise _Refused(type(value).__name__, "must be JSON")


def _size(value: JsonValue) -> int:
    # Already loaded wherever answers are read; a child that has no large answer need not load it.
    from json import dumps

    return len(dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
