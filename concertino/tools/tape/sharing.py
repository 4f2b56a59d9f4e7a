"""What many calls of a tape say alike, written once: prompts, tool schemas, long documents.

A changed prompt then changes one line of the file, and not every call that was made with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from concertino.contracts.json import JsonObject, canonical, digest_of_text

SHARED = "$shared"
LEAST_CHARS = 300
"""Shorter values are clearer where they stand; chosen by hand."""
HASH_CHARS = 12


def shared_out(rows: Sequence[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return lines of what several rows say alike, by hash, and the rows that speak of them."""
    seen: Counter[str] = Counter()
    values: dict[str, JsonValue] = {}
    for row in rows:
        for value in _sharable(row):
            if (name := _name(value)) is not None:
                seen[name] += 1
                values[name] = value
    known = {name for name, count in seen.items() if count > 1}
    lines: list[JsonObject] = [{"shared": name, "value": values[name]} for name in sorted(known)]
    return lines, [_changed(row, lambda value: _reference(value, known)) for row in rows]


def put_back(row: JsonObject, shared: Mapping[str, JsonValue]) -> JsonObject:
    """Return a row with what it shares.

    Raises:
        KeyError: it speaks of something that is not there.
    """
    return _changed(row, lambda value: shared[str(value[SHARED])] if _is_reference(value) else value)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {SHARED}


def _reference(value: JsonValue, known: set[str]) -> JsonValue:
    name = _name(value)
    return {SHARED: name} if name in known else value


def _name(value: JsonValue) -> str | None:
    if isinstance(value, str):
        return digest_of_text(value)[:HASH_CHARS] if len(value) >= LEAST_CHARS else None
    if not isinstance(value, dict | list) or _is_reference(value):
        return None
    text = canonical(value)
    return digest_of_text(text)[:HASH_CHARS] if len(text) >= LEAST_CHARS else None


def _sharable(row: JsonObject) -> Iterable[JsonValue]:
    """Yield what may be shared: the contents of messages, tools, and the form of an answer."""
    request: Any = row.get("request") or {}
    for message in request.get("messages", ()):
        yield message.get("content")
    yield from request.get("tools", ())
    if "format" in request:
        yield request["format"]


def _changed(row: JsonObject, change: Any) -> JsonObject:
    request: Any = row.get("request")
    if not isinstance(request, dict):
        return row
    made: dict[str, Any] = dict(request)
    if "messages" in made:
        made["messages"] = [{**one, "content": change(one.get("content"))} for one in made["messages"]]
    if "tools" in made:
        made["tools"] = [change(one) for one in made["tools"]]
    if "format" in made:
        made["format"] = change(made["format"])
    return {**row, "request": made}
