"""Parsing what stands between brackets: JSON, Python literals and calls, and YAML. Nothing is ever run."""

from __future__ import annotations

import ast
import json
import re
from typing import Any, NamedTuple

from concertino.contracts.errors import SetupError
from concertino.nodes.planning.yaml_source import plain_yaml

CALLED = "__call__"
"""Key that holds the name of a call, as in `Step(tool="x")`, among its arguments."""
OBJECT_REPR = re.compile(
    r"<(?:class|function|object|bound method)\b[^<>\n]{0,200}>|<[A-Za-z_][\w.]{0,80}: ('[^'\n]*'|-?\d+)>"
)
"""What Python prints for what has no literal; of an enum's member the value is kept."""
LISTING = frozenset({"set", "list", "tuple", "frozenset"})
"""Calls that are the list of their argument."""
NUMBER_DIGITS = 18
"""Integers of more digits do not fit 64 bits and are read as text."""


class Parsed(NamedTuple):
    """A value that was there, `None` included."""

    value: Any
    twice: tuple[str, ...] = ()
    """Keys that one mapping had twice, of which the last counts."""


def read_json(text: str) -> Parsed | None:
    """Return what strict JSON says, with raw line breaks in strings allowed; `None` for anything else."""
    twice: list[str] = []

    def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            twice.extend(dict.fromkeys(key for key in keys if keys.count(key) > 1))
        return made

    try:
        value = json.loads(text, strict=False, parse_int=_whole, object_pairs_hook=paired)
    except (ValueError, RecursionError):
        return None
    return Parsed(value, tuple(twice))


def read_yaml_text(text: str) -> Any:
    """Return what YAML says; `None` for anything else."""
    try:
        return plain_yaml(text, "text")
    except (SetupError, ValueError, RecursionError):
        return None


def read_python(text: str, *, sets: bool = True) -> Parsed | None:
    """Return a Python literal, where calls become mappings of their arguments; `None` for anything else.

    Without `sets`, `{"a"}` is none: it may be half of a mapping.
    """
    plain = _ESCAPE.sub(_escaped, OBJECT_REPR.sub(_printed, text.strip()) if "<" in text else text.strip())
    try:
        tree = ast.parse(plain, mode="eval")
        if not sets and any(isinstance(node, ast.Set) for node in ast.walk(tree)):
            return None
        return Parsed(_literal(tree.body))
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return None


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def _escaped(found: re.Match[str]) -> str:
    """Double the backslash of what is no escape: Python would warn, and keep it as it is."""
    return found[0] if found[1] in "\\'\"abfnrtvxuUN01234567\n" else f"\\\\{found[1]}"


def _printed(found: re.Match[str]) -> str:
    return found[1] if found[1] is not None else "None"


def _whole(digits: str) -> Any:
    return int(digits) if len(digits) <= NUMBER_DIGITS else digits


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value):
            return _constant(value)
        case ast.List(elts) | ast.Tuple(elts) | ast.Set(elts):
            return [_literal(item) for item in elts if not _is_ellipsis(item)]
        case ast.Dict(keys, items):
            pairs = zip(keys, items, strict=True)
            return {str(_literal(key)): _literal(item) for key, item in pairs if key is not None}
        case ast.UnaryOp(ast.USub(), ast.Constant(value)) if isinstance(value, int | float):
            return -value
        case ast.Name(name):
            return {"null": None, "true": True, "false": False, "undefined": None}.get(name, name)
        case ast.BinOp(left, ast.Add(), right):
            first, second = _literal(left), _literal(right)
            return first + second if isinstance(first, str) and isinstance(second, str) else ast.unparse(node)
        case ast.JoinedStr() | ast.Attribute() | ast.Subscript() | ast.BinOp():
            return ast.unparse(node)
        case ast.Call(function, arguments, keywords):
            named = {word.arg: _literal(word.value) for word in keywords if word.arg is not None}
            given = [_literal(argument) for argument in arguments if not _is_ellipsis(argument)]
            if isinstance(function, ast.Name) and function.id in LISTING and not named and len(given) < 2:
                return given[0] if given and isinstance(given[0], list) else given
            name = function.id if isinstance(function, ast.Name) else ast.unparse(function)
            return {CALLED: name, **({"args": given} if given else {}), **named}
        case _:
            raise ValueError(f"no literal: {type(node).__name__}")


def _constant(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, complex) or value is ...:
        return None
    return str(value) if isinstance(value, int) and abs(value) >= 10**NUMBER_DIGITS else value


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
