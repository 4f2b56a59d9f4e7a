"""References from one subtask's inputs to another's output: finding, renaming, escaping and resolving them.

A reference is the whole value: `{"$from": id, "path": "a.b"}` or the string `"${id.a.b}"`; without a path it is the whole
output. It may stand anywhere inside `inputs`. `{"$literal": value}` is `value` itself, whatever it looks like: what is put in
from a task's data goes in so, where it could be read as a reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from concertino.contracts.json import JsonObject

_SEGMENT = r"[A-Za-z0-9_-]+"
_TEXT = re.compile(rf"\$\{{(?P<id>[A-Za-z0-9][A-Za-z0-9_:-]*)(?:\.(?P<path>{_SEGMENT}(?:\.{_SEGMENT})*))?\}}")

_WHOLE = re.compile(r"\$\{[^\s{}]*\}")
"""What cannot be meant as anything else; `${x} and more` is text."""


class Reference(NamedTuple):
    """One reference in a subtask's inputs."""

    place: str
    """Path inside the subtask, e.g. `inputs.docs[0]`."""
    subtask: str
    """Id of the subtask referred to; not yet known to exist."""
    path: tuple[str, ...]
    """Keys and list positions into its output; empty for the whole."""


class Malformed(NamedTuple):
    """Something that starts as a reference and is none."""

    place: str
    value: JsonValue
    rule: str


class Unresolved(Exception):
    """A reference leads nowhere in the output it refers to. Raised by `resolve` alone, for the dispatcher to catch."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        where = ".".join(reference.path) or "the output"
        super().__init__(f"{reference.place}: subtask {reference.subtask} gave no {where}")


def read(value: JsonValue, place: str = "inputs") -> Reference | Malformed | None:
    """Return the reference that `value` itself is, if it is one."""
    if isinstance(value, str):
        if not value.startswith("${") or not _WHOLE.fullmatch(value):
            return None
        found = _TEXT.fullmatch(value)
        if found is None:
            return Malformed(place, value, 'a reference is "${id.a.b}"; text that starts so is {"$literal": text}')
        path = found["path"]
        return Reference(place, found["id"], tuple(path.split(".")) if path else ())
    if not isinstance(value, dict) or "$from" not in value:
        return None
    source, path = value["$from"], value.get("path", "")
    if not isinstance(source, str) or not isinstance(path, str) or set(value) - {"$from", "path"}:
        return Malformed(place, value, 'a reference is {"$from": id, "path": "a.b"}')
    return Reference(place, source, tuple(path.split(".")) if path else ())


def find(inputs: JsonObject) -> Iterator[Reference | Malformed]:
    """Yield every reference in `inputs`, in order."""
    for key, value in inputs.items():
        yield from _find(value, f"inputs.{key}")


def has_reference(value: JsonValue) -> bool:
    """Say whether a reference stands in `value` or inside it."""
    return next(_find(value, ""), None) is not None


def rename(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    """Return `value` with every reference's subtask id replaced by `names[id]`, in the object form."""

    def renamed(reference: Reference) -> JsonValue:
        return reference_to(names.get(reference.subtask, reference.subtask), reference.path)

    return _replace(value, "", renamed, keep_literals=True)


def resolve(inputs: JsonObject, outputs: Mapping[str, JsonValue]) -> JsonObject:
    """Return `inputs` with references replaced by what they refer to, and literals unwrapped.

    Args:
        inputs: a subtask's inputs.
        outputs: outputs by subtask id.

    Raises:
        Unresolved: an output is missing, or has nothing at the path.
    """

    def resolved(reference: Reference) -> JsonValue:
        if reference.subtask not in outputs:
            raise Unresolved(reference)
        value = outputs[reference.subtask]
        for part in reference.path:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                raise Unresolved(reference)
        return value

    return {key: _replace(value, f"inputs.{key}", resolved, keep_literals=False) for key, value in inputs.items()}


def reference_to(subtask: str, path: tuple[str, ...] = ()) -> JsonObject:
    """Return a reference in its object form."""
    return {"$from": subtask, "path": ".".join(path)} if path else {"$from": subtask}


def literal(value: JsonValue) -> JsonValue:
    """Return data such that no part of it is read as a reference."""
    return {"$literal": value} if _looks_like_one(value) else value


def unwrap(value: JsonValue) -> JsonValue:
    """Return a literal as the specialist will see it. `value` holds no reference."""
    return _replace(value, "", lambda reference: None, keep_literals=False)


def _looks_like_one(value: JsonValue) -> bool:
    if isinstance(value, str):
        return _WHOLE.fullmatch(value) is not None
    if isinstance(value, dict):
        return "$from" in value or "$literal" in value or any(map(_looks_like_one, value.values()))
    return isinstance(value, list) and any(map(_looks_like_one, value))


def _is_literal(value: JsonValue) -> bool:
    return isinstance(value, dict) and len(value) == 1 and "$literal" in value


def _find(value: JsonValue, place: str) -> Iterator[Reference | Malformed]:
    found = read(value, place)
    if found is not None:
        yield found
    elif isinstance(value, dict) and not _is_literal(value):
        for key, item in value.items():
            yield from _find(item, f"{place}.{key}")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _find(item, f"{place}[{at}]")


def _replace(value: JsonValue, place: str, by: Callable[[Reference], JsonValue], *, keep_literals: bool) -> JsonValue:
    found = read(value, place)
    if isinstance(found, Reference):
        return by(found)
    if isinstance(value, dict):
        if _is_literal(value):
            return value if keep_literals else value["$literal"]
        return {key: _replace(item, f"{place}.{key}", by, keep_literals=keep_literals) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace(item, f"{place}[{at}]", by, keep_literals=keep_literals) for at, item in enumerate(value)]
    return value
