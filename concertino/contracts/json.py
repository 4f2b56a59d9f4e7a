"""JSON from outside: strict parsing, bounds, and text that every store accepts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

from pydantic import JsonValue

from concertino.contracts.errors import InputError
from concertino.contracts.limits import Limits

JsonObject = dict[str, JsonValue]

INT_MAX = 2**63 - 1
"""Integers outside the signed 64-bit range fail in SQLite and PostgreSQL."""


def parse(data: bytes | str, *, field: str, limits: Limits) -> JsonValue:
    """Parse JSON from outside.

    Raises:
        InputError: over `limits.bytes` (checked first), not UTF-8, not JSON, a duplicate key, NaN or
            Infinity, nested deeper than `limits.nesting`, an integer outside 64 bits.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > limits.bytes:
        raise InputError(field=field, value=f"{len(raw)} bytes", rule=f"at most {limits.bytes} bytes")

    def no_constant(name: str) -> JsonValue:
        raise InputError(field=field, value=name, rule="numbers must be finite")

    def no_duplicates(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
        found: JsonObject = {}
        for key, value in pairs:
            if key in found:
                raise InputError(field=f"{field}.{key}", value=key, rule="duplicate key")
            found[key] = value
        return found

    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=no_constant, object_pairs_hook=no_duplicates)
    except UnicodeDecodeError as error:
        raise InputError(field=field, value=f"byte {error.start}", rule="must be UTF-8") from error
    except json.JSONDecodeError as error:
        raise InputError(
            field=field, value=f"line {error.lineno} column {error.colno}", rule=f"must be JSON: {error.msg}"
        ) from error
    except RecursionError as error:
        raise InputError(field=field, value="…", rule=f"nested at most {limits.nesting} deep") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            field=field, value="a number", rule="must fit 64 bits"
        ) from error  # too long to be read at all
    return clean(value, field=field, nesting=limits.nesting)


def clean(value: object, *, field: str, nesting: int) -> JsonValue:
    """Return `value` as plain JSON, with NUL and lone surrogates taken out of every string.

    Tuples become lists. The result shares nothing mutable with `value`.

    Raises:
        InputError: something that JSON has no form for, a number that is not finite or outside
            64 bits, a key that is not text, deeper than `nesting`, or a cycle.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if not -INT_MAX - 1 <= value <= INT_MAX:
            raise InputError(field=field, value="an integer", rule="must fit 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(field=field, value=value, rule="numbers must be finite")
        return float(value)
    if nesting <= 0:
        raise InputError(field=field, value="…", rule="nested too deep or recursive")
    if isinstance(value, Mapping):
        cleaned: JsonObject = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(field=field, value=key, rule="keys must be text")
            name = _text(key)
            if name in cleaned:  # two that differ in what no store accepts
                raise InputError(field=f"{field}.{name}", value=key, rule="duplicate key")
            cleaned[name] = clean(item, field=f"{field}.{key}", nesting=nesting - 1)
        return cleaned
    if isinstance(value, list | tuple):
        return [clean(item, field=f"{field}[{i}]", nesting=nesting - 1) for i, item in enumerate(value)]
    raise InputError(field=field, value=type(value).__name__, rule="must be JSON")


def _text(text: str) -> str:
    if text.isascii():
        return text.replace("\x00", "") if "\x00" in text else text
    return text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True).encode


def dump(value: object) -> str:
    """Return compact JSON in insertion order; NaN and Infinity raise ValueError."""
    return _compact(value)


def canonical(value: object) -> str:
    """Return compact JSON with keys sorted; NaN and Infinity raise ValueError."""
    return _canonical(value)


def digest(value: object) -> str:
    """Return the SHA-256 hex digest of `value` as canonical JSON (keys sorted)."""
    return digest_of_text(_canonical(value))


def digest_of_text(text: str) -> str:
    """Return the digest of canonical JSON."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
