"""What tools are given and give back, as JSON.

Tuples, dataclasses, named tuples and Pydantic models come back as what they were, where their module is loaded already:
nothing on a tape can make anything be imported. Whatever else is not JSON can be given to a tool, and is then known by its
class alone; it cannot come back from one.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, JsonValue

from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject

TYPE, FIELDS, OPAQUE, TUPLE = "$type", "fields", "$object", "$tuple"
DEEPEST = 64
"""Nesting of a recorded value; chosen by hand, above what a task may have."""


def encode(value: Any, *, field: str, is_strict: bool, deep: int = DEEPEST) -> JsonValue:
    """Return a value as JSON.

    Args:
        value: What was given to a tool, or came back.
        field: Where it stands, for errors.
        is_strict: Whether it has to be possible to `decode` it.
        deep: How much deeper it may be nested.

    Raises:
        InputError: it cannot be read back and has to be, or is nested too deep.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if deep <= 0:
        raise InputError(field=field, value="…", rule=f"nested at most {DEEPEST} deep, to be recorded")
    below = deep - 1
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: encode(one, field=f"{field}.{key}", is_strict=is_strict, deep=below) for key, one in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        made = [encode(one, field=f"{field}[{at}]", is_strict=is_strict, deep=below) for at, one in enumerate(value)]
        return {TUPLE: made} if is_strict and type(value) is tuple else made
    held = _fields(value)
    if held is not None and (is_strict or _is_plain(held)):
        kind = type(value)
        inner = {
            name: encode(one, field=f"{field}.{name}", is_strict=is_strict, deep=below) for name, one in held.items()
        }
        return {TYPE: f"{kind.__module__}:{kind.__qualname__}", FIELDS: inner}
    if is_strict:
        rule = "must be JSON, a dataclass, a named tuple or a Pydantic model, to be recorded"
        raise InputError(field=field, value=type(value).__name__, rule=rule)
    return {OPAQUE: type(value).__qualname__}


def decode(value: JsonValue, *, field: str) -> Any:
    """Return what `encode` was given.

    Raises:
        InputError: a class that is not loaded, or that is none of those that `encode` writes.
    """
    if isinstance(value, list):
        return [decode(one, field=field) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {TUPLE} and isinstance(several := value[TUPLE], list):
        return tuple(decode(one, field=field) for one in several)
    named, held = value.get(TYPE), value.get(FIELDS)
    if isinstance(named, str) and isinstance(held, dict) and len(value) == 2:
        return _made(named, {name: decode(one, field=field) for name, one in held.items()}, field)
    return {name: decode(one, field=field) for name, one in value.items()}


def _fields(value: Any) -> dict[str, Any] | None:
    named: Any = value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.init}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(named._asdict())
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    return None


def _is_plain(held: JsonObject | dict[str, Any]) -> bool:
    """Say whether it is small data rather than a whole world, e.g. a library of documents."""
    return all(one is None or isinstance(one, str | int | float | bool) for one in held.values())


def _made(named: str, held: dict[str, Any], field: str) -> Any:
    module, _, path = named.partition(":")
    kind: Any = sys.modules.get(module)
    for part in path.split("."):
        kind = getattr(kind, part, None)
    is_known = isinstance(kind, type) and (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, BaseModel)
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    )
    if not is_known:
        raise InputError(field=field, value=named, rule="must be a dataclass, named tuple or model that is loaded")
    try:
        return kind(**held)
    except (TypeError, ValueError) as error:
        raise InputError(field=field, value=named, rule=f"cannot be made of what is recorded: {error}") from error
