"""What specialists' declared schemas say of a subtask's inputs and of what others may take from its output."""

from __future__ import annotations

import re

from pydantic import JsonValue

from concertino.contracts.json import JsonObject
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.specialists.schema import Complaint, complaint

_HOPS = 16
"""Longest chain of local `$ref`s followed."""
_KEPT = 1_024
_ABOUT_THE_WHOLE = frozenset({
    "required", "properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames",
    "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
    "minProperties", "maxProperties", "enum", "const", "$ref",
})  # fmt: skip
"""Keywords that cannot be judged while some inputs are still to come."""

_reduced: dict[tuple[int, frozenset[str]], tuple[JsonObject, JsonObject]] = {}
"""By identity of the schema and the properties judged; the schema is held, so that its id cannot pass to another object."""


def required(schema: JsonObject) -> tuple[str, ...]:
    """Return the properties that the schema requires."""
    names = _follow(schema, schema).get("required")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def property_of(schema: JsonObject, name: str) -> JsonObject | None:
    """Return the schema of one property, if it is declared."""
    properties = _follow(schema, schema).get("properties")
    found = properties.get(name) if isinstance(properties, dict) else None
    return _follow(schema, found) if isinstance(found, dict) else {} if found is True else None


def property_names(schema: JsonObject) -> tuple[str, ...]:
    """Return the declared properties."""
    properties = _follow(schema, schema).get("properties")
    return tuple(properties) if isinstance(properties, dict) else ()


def accepts_property(schema: JsonObject, name: str) -> bool:
    """Say whether an input of this name has a use.

    JSON Schema lets undeclared properties pass in silence; a plan must not, for a misspelt input is one. So a schema that
    declares properties accepts others only where it says so.
    """
    top = _follow(schema, schema)
    properties, patterns, more = top.get("properties"), top.get("patternProperties"), top.get("additionalProperties")
    if isinstance(properties, dict) and name in properties:
        return True
    if isinstance(patterns, dict) and any(_matches(pattern, name) for pattern in patterns):
        return True
    if more is True or isinstance(more, dict):
        return True
    combined = any(word in top for word in ("anyOf", "oneOf", "allOf", "if"))
    return more is None and (combined or not isinstance(properties, dict))


def complaint_about(card: SpecialistCard, given: JsonObject, *, complete: bool) -> Complaint | None:
    """Return what is wrong with literal inputs, or `None`.

    Args:
        card: whose input schema judges.
        given: inputs by name, without references.
        complete: whether these are all the inputs; else each is judged by itself.
    """
    schema = card.input_schema
    if schema is None:
        return None
    return complaint(given, schema=schema if complete else _only(schema, frozenset(given)))


def lacks(schema: JsonObject, path: tuple[str, ...]) -> str | None:
    """Return the first part of `path` that an output of this schema cannot have, or `None`."""
    node: JsonObject | None = _follow(schema, schema)
    for part in path:
        if node is None or any(word in node for word in ("anyOf", "oneOf", "allOf", "if", "$ref", "$dynamicRef")):
            return None
        kinds = _kinds(node)
        if kinds and not kinds & {"object", "array"}:
            return part
        node = _child(schema, node, part, kinds)
        if node is _NOTHING:
            return part
    return None


def at(schema: JsonObject, path: tuple[str, ...]) -> JsonObject | None:
    """Return the schema of what stands at `path`, or `None` where that is not declared."""
    node: JsonObject | None = _follow(schema, schema)
    for part in path:
        if node is None:
            return None
        node = _child(schema, node, part, _kinds(node))
        if node is _NOTHING:
            return None
    return node


def may_flow(source: JsonObject | None, target: JsonObject | None) -> bool:
    """Say whether a value of the one schema can be one of the other, by their types alone; unknown may."""
    if source is None or target is None:
        return True
    out, into = _kinds(source), _kinds(target)
    if not out or not into:
        return True
    if "number" in into:
        into = into | {"integer"}
    if "number" in out:
        out = out | {"integer"}
    return bool(out & into)


_NOTHING: JsonObject = {"not": {}}
"""Marks a place that cannot exist."""


def _child(root: JsonObject, node: JsonObject, part: str, kinds: frozenset[str]) -> JsonObject | None:
    if part.isascii() and part.isdigit() and ("array" in kinds or "items" in node):
        items = node.get("items")
        return _follow(root, items) if isinstance(items, dict) else None
    properties, more = node.get("properties"), node.get("additionalProperties")
    if isinstance(properties, dict) and part in properties:
        found = properties[part]
        return _follow(root, found) if isinstance(found, dict) else None
    if isinstance(more, dict):
        return _follow(root, more)
    if more is True or "patternProperties" in node:
        return None
    if more is False or isinstance(properties, dict) or (kinds and "object" not in kinds):
        return _NOTHING
    return None


def _only(schema: JsonObject, names: frozenset[str]) -> JsonObject:
    """Return `schema` cut down to some properties, each judged by itself."""
    key = (id(schema), names)
    if key in _reduced:
        return _reduced[key][1]
    top = _follow(schema, schema)
    properties = top.get("properties")
    kept = {name: value for name, value in properties.items() if name in names} if isinstance(properties, dict) else {}
    cut: JsonObject = {word: value for word, value in schema.items() if word not in _ABOUT_THE_WHOLE}
    cut["properties"] = kept
    while len(_reduced) >= _KEPT:
        _reduced.pop(next(iter(_reduced)), None)
    _reduced[key] = (schema, cut)
    return cut


def _follow(root: JsonObject, node: JsonObject) -> JsonObject:
    """Return what a local `$ref` (`#/$defs/X`) leads to; what leads nowhere stays as it is."""
    for _ in range(_HOPS):
        target = node.get("$ref")
        if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
            return node
        found: JsonValue = root
        for part in target.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            return node
        node = found
    return node


def _kinds(node: JsonObject) -> frozenset[str]:
    kind = node.get("type")
    if isinstance(kind, str):
        return frozenset({kind})
    return frozenset(name for name in kind if isinstance(name, str)) if isinstance(kind, list) else frozenset()


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False  # the schema's own fault, named when the specialist was declared
