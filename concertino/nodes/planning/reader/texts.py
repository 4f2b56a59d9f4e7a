"""Finding JSON, Python literals and YAML in a text: whole, in fences, between sentences, cut off."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from json_repair import repair_json

from concertino.contracts.errors import SetupError
from concertino.nodes.planning.yaml_source import plain_yaml

FENCE = re.compile(
    r"^[ \t]*(?:```|~~~)[ \t]*([A-Za-z0-9_+-]*)[^\n]*\n(.*?)(?:^[ \t]*(?:```|~~~)[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
THOUGHT = re.compile(r"<(think|thinking|reasoning|scratchpad)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
CALL = re.compile(r"\b([A-Z][A-Za-z0-9_]{0,63})\(")
STARTS = 200
"""Places in one text where a value may begin that are tried; chosen by hand."""
NESTING = 64
"""Levels of brackets beyond which nothing is parsed; above any plan's."""

CUT = "the answer was cut off: what was not whole at its end is left out"
MENDED = "the JSON was faulty and was mended"
CALLED = "__call__"
"""Key that holds the name of a call, as in `Step(tool="x")`, among its arguments."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value that stands in a text."""

    value: Any
    form: str
    notes: tuple[str, ...] = ()


def without_thoughts(text: str) -> str:
    """Return a text without what a model thought aloud, unless there is nothing else."""
    rest = THOUGHT.sub("", text)
    return rest if rest.strip() else text


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """Yield language and content of every fenced block, the last of which may be open."""
    for block in FENCE.finditer(text):
        yield block[1].lower(), block[2]


def values(text: str, language: str = "") -> list[Found]:
    """Return the values in a text, in order; broken ones only where nothing else stands in their place."""
    whole = _whole(text.strip(), language)
    return [whole] if whole is not None else list(_scattered(text))


def _whole(text: str, language: str) -> Found | None:
    if not text or _depth(text) > NESTING:
        return None
    if text[0] in '{["' and (parsed := _json(text)) is not None:
        return Found(parsed.value, "json")
    if text[0] in "{[(\"'" or CALL.match(text):
        parsed = _python(text)
        if parsed is not None:
            return Found(parsed.value, "python")
    if language in ("yaml", "yml") or re.match(r"(?:[A-Za-z_][\w ]*:|- )", text):
        value = _yaml(text)
        if isinstance(value, dict | list):
            return Found(value, "yaml")
    return None


def _scattered(text: str) -> Iterator[Found]:
    at = tried = 0
    broken: list[Found] = []
    any_whole = False
    starts = sorted({m.start() for m in re.finditer(r"[{\[]", text)} | {m.start() for m in CALL.finditer(text)})
    for start in starts:
        if start < at:
            continue
        tried += 1
        if tried > STARTS:
            break
        end, stack = _balanced(text, start)
        piece = text[start:end]
        if len(stack) > NESTING:
            continue
        parsed = None
        if not stack:
            parsed = _json(piece) if piece[0] in "{[" else None
            form = "json" if parsed is not None else "python"
            parsed = parsed or _python(piece)
            if parsed is not None:
                at = end
                if not _is_words(parsed.value) or text[:start].rstrip(" \t")[-1:] in ("", ":", "=", "\n"):
                    any_whole = True
                    yield Found(parsed.value, form)
                continue
        if piece[0] in "{[" and (mended := _mended(piece, stack)) is not None and _holds_more(mended, start):
            broken.append(mended)
            if not stack or isinstance(mended.value, dict | list):
                at = end
        elif stack and (closed := _python(piece + _closing(stack))) is not None:
            broken.append(Found(closed.value, "python", (CUT,)))
            at = end
    if not any_whole or broken:
        yield from broken


@dataclass(frozen=True, slots=True)
class _Parsed:
    value: Any


def _json(text: str) -> _Parsed | None:
    try:
        return _Parsed(json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return None


def _yaml(text: str) -> Any:
    try:
        return plain_yaml(text, "text")
    except (SetupError, ValueError, RecursionError):
        return None


def _python(text: str) -> _Parsed | None:
    """Return a Python literal, where calls become mappings of their arguments; nothing is run."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _Parsed(_literal(tree.body))
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return None


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value):
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else None if value is ... else value
        case ast.List(elts) | ast.Tuple(elts) | ast.Set(elts):
            return [_literal(item) for item in elts]
        case ast.Dict(keys, items):
            return {
                str(_literal(key)): _literal(item) for key, item in zip(keys, items, strict=True) if key is not None
            }
        case ast.UnaryOp(ast.USub(), ast.Constant(value)) if isinstance(value, int | float):
            return -value
        case ast.JoinedStr():
            return ast.unparse(node)
        case ast.Name(name):
            return {"null": None, "true": True, "false": False, "nan": None}.get(name, name)
        case ast.Attribute() | ast.Subscript():
            return ast.unparse(node)
        case ast.BinOp(left, ast.Add(), right):
            first, second = _literal(left), _literal(right)
            if isinstance(first, str) and isinstance(second, str):
                return first + second
            return ast.unparse(node)
        case ast.BinOp():
            return ast.unparse(node)
        case ast.Call(function, arguments, keywords):
            named = {word.arg: _literal(word.value) for word in keywords if word.arg is not None}
            given = [_literal(argument) for argument in arguments]
            return {CALLED: ast.unparse(function), **({"args": given} if given else {}), **named}
        case _:
            raise ValueError(f"no literal: {type(node).__name__}")


def _mended(text: str, stack: str) -> Found | None:
    """Return faulty JSON mended: brackets, quotes and commas; an element that the end cut in two is left out."""
    try:
        value = repair_json(text, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, TypeError, IndexError, KeyError):
        return None
    if not isinstance(value, dict | list) or not value:
        return None
    if not stack:
        return Found(value, "half json", (MENDED,))
    _drop_half(value, stack)
    return Found(value, "half json", (CUT,))


def _holds_more(mended: Found, start: int) -> bool:
    """Say whether mended JSON is more than brackets in a sentence, of which mending would make a list of words."""
    return not start or not _is_words(mended.value)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)


def _drop_half(value: Any, stack: str) -> None:
    """Take the element that was open at the end out of the outermost list that has others."""
    current = value
    for bracket, below in pairwise(stack):
        if bracket == "[" and isinstance(current, list):
            if below == "{" and len(current) > 1:
                current.pop()
                return
            if not current:
                return
            current = current[-1]
        elif isinstance(current, dict) and current:
            current = list(current.values())[-1]
        else:
            return


def _balanced(text: str, start: int) -> tuple[int, str]:
    """Return where the value that begins at `start` ends, and the brackets that are still open there."""
    stack: list[str] = []
    quote = ""
    at = start
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char == '"' or (char == "'" and _opens_text(text, at)):
            quote = char
        elif char in "{[(":
            stack.append(char)
        elif char in "}])":
            if stack:
                stack.pop()
            if not stack:
                return at + 1, ""
        at += 1
    return len(text), "".join(stack)


def _opens_text(text: str, at: int) -> bool:
    """Say whether a single quote begins a text, rather than standing in a word."""
    before = text[at - 1] if at else " "
    return not (before.isalnum() or before in ")]}")


def _closing(stack: str) -> str:
    return "".join({"{": "}", "[": "]", "(": ")"}[bracket] for bracket in reversed(stack))


def _depth(text: str) -> int:
    depth = most = 0
    for char in text:
        if char in "{[(":
            depth += 1
            most = max(most, depth)
        elif char in "}])":
            depth -= 1
    return most
