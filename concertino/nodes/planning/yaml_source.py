"""YAML from a file: plain data only, without anchors, aliases, duplicate keys or tags of Python's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue

from concertino.contracts.errors import SetupError
from concertino.contracts.json import JsonObject

FILE_BYTES = 256_000
"""Largest workflow file, as for a task."""
FILE_NESTING = 32

# The C loader where PyYAML was built with it: both refuse the same.
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READ = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))
_TAGS = _READ | {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "timestamp", "merge", "value")}
"""What plain YAML resolves to by itself; dates and the special keys `<<` and `=` are read as text."""


def read_yaml(path: Path) -> JsonValue:
    """Return what a YAML file holds. Dates stay text.

    Raises:
        SetupError: no such file, unreadable, over `FILE_BYTES`, not UTF-8, not YAML, or more than plain data.
    """
    place = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise SetupError(field=place, value=place, rule=f"cannot be read: {error.strerror}") from error
    if len(raw) > FILE_BYTES:
        raise SetupError(field=place, value=f"over {FILE_BYTES} bytes", rule=f"at most {FILE_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SetupError(field=place, value=f"byte {error.start}", rule="must be UTF-8") from error
    return plain_yaml(text, place)


def plain_yaml(text: str, place: str) -> JsonValue:
    """Return what a YAML text holds. Dates stay text.

    Raises:
        SetupError: not YAML, or more than plain data.
    """
    try:
        _refuse_anchors(text, place)
        node = yaml.compose(text, Loader=_LOADER)
        return None if node is None else _value(node, place)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1} column {mark.column + 1}" if mark is not None else "the file"
        problem = getattr(error, "problem", None) or "not readable as YAML"
        raise SetupError(field=place, value=where, rule=f"must be YAML: {problem}") from error


def _refuse_anchors(text: str, place: str) -> None:
    """Look at the events alone, before anything is built: aliases are how a small file becomes a huge one."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        where = f"line {_line(event.start_mark)}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise SetupError(field=place, value=where, rule="YAML anchors and aliases are not allowed")
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if depth > FILE_NESTING:
                raise SetupError(field=place, value=where, rule=f"nested at most {FILE_NESTING} deep")
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1


def _value(node: yaml.Node, place: str) -> JsonValue:
    if node.tag not in _TAGS:
        raise _fault(node, place, f"tag {node.tag} is not allowed")
    if isinstance(node, yaml.MappingNode):
        found: JsonObject = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fault(key_node, place, "keys must be text")
            key = str(key_node.value)
            if key in found:
                raise _fault(key_node, f"{place}: {key}", "duplicate key")
            found[key] = _value(value_node, place)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, place) for item in node.value]
    if not isinstance(node, yaml.ScalarNode):
        raise _fault(node, place, "must be plain data")
    if node.tag not in _READ:
        return str(node.value)
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except ValueError as error:
        raise _fault(node, place, "must be a number that can be read") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise _fault(node, place, "numbers must be finite")
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _fault(node: yaml.Node, place: str, rule: str) -> SetupError:
    return SetupError(field=place, value=f"line {_line(node.start_mark)}", rule=rule)


def _line(mark: Any) -> int:
    """Return the line of one of PyYAML's marks, from 1; the C loader's are of a type of their own."""
    return int(mark.line) + 1
