"""Brackets and quotes in a text: where a value ends, and where one that never ends can be closed without inventing anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

NESTING = 64
"""Levels of brackets beyond which nothing is parsed; above any plan's. Chosen by hand."""
CLOSING = {"{": "}", "[": "]", "(": ")"}

_TOKEN = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"""'
    r"|'''(?:[^'\\]++|\\.|'(?!''))*+'''"
    r'|"(?:[^"\\]++|\\.)*+"'
    r"|(?<![A-Za-z0-9)\]}])'(?:[^'\\]++|\\.)*+'"
    r"|(?P<comment>(?:(?<=[\s,\[{(])#|(?<!:)//)[^\n\"'{}\[\]]*+(?=\n|\Z))"
    r"|(?P<open>[\[{(])|(?P<close>[\]})])|(?P<comma>,)"
    r"|(?P<quote>\"|(?<![A-Za-z0-9)\]}])')",
    re.DOTALL,
)
"""Whole strings first, so that nothing inside them counts; a single quote inside a word begins none."""
_KEY = re.compile(r"([A-Za-z_]\w*)[\"']?\s*[:=]\s*\Z")
WRAPPING = frozenset({"tool_calls", "calls"})
"""Lists that may hold what wraps a plan."""
_LIST = re.compile(r"([A-Za-z_]\w{0,63})[\"']\s{0,40}:\s{0,40}\[\s{0,40}\{")


@dataclass(slots=True)
class Bracket:
    """One bracket that is still open."""

    mark: str
    at: int
    element: int
    """Where the element that is being written begins: after the bracket or the last comma."""
    elements: int = 0
    """Elements before that one."""


@dataclass(slots=True)
class Span:
    """A value from its first bracket on."""

    start: int
    end: int
    """Past its last bracket, or where reading stopped."""
    stack: list[Bracket] = field(default_factory=list)
    """Brackets left open, the outermost first; empty for a value that is closed."""
    closed_at: int = 0
    """Past the last bracket that was closed inside, 0 without one."""
    closed_stack: str = ""
    """The brackets that were open there."""
    in_text: bool = False
    """Whether the end stands inside a string."""
    too_deep: bool = False
    crossed: bool = False
    """Whether a bracket was closed by another's mark."""


class Closing(NamedTuple):
    """A way to close what was cut off."""

    kept: str
    """With the element that was being written, where no more than brackets may be missing; empty where more is."""
    whole: str
    """Without it."""
    is_sure: bool = False
    """Whether the element that is kept has all of its own brackets."""


def span(text: str, start: int) -> Span:
    """Return the value that begins with the bracket at `start`."""
    found = Span(start, len(text))
    stack = found.stack
    for token in _TOKEN.finditer(text, start):
        kind, at = token.lastgroup, token.start()
        if kind == "open":
            stack.append(Bracket(token[0], at, at + 1))
            if len(stack) > NESTING:
                found.end, found.too_deep = at, True
                return found
        elif kind == "close":
            found.crossed |= CLOSING[stack.pop().mark] != token[0]
            if not stack:
                found.end = at + 1
                return found
            found.closed_at = at + 1
            found.closed_stack = "".join(bracket.mark for bracket in stack)
        elif kind == "comma":
            stack[-1].element = at
            stack[-1].elements += 1
        elif kind == "quote":
            found.in_text = True
            return found
    return found


def uncrossed(text: str, start: int) -> tuple[str, int] | None:
    """Return a value with the marks that are missing inside it put in, and where it ends; `None` where it never does."""
    open_marks: list[str] = []
    made, at = "", start
    for token in _TOKEN.finditer(text, start):
        kind, mark = token.lastgroup, token[0]
        if kind == "open":
            open_marks.append(mark)
        elif kind == "quote" or len(open_marks) > NESTING:
            return None
        elif kind == "close":
            while open_marks and CLOSING[open_marks[-1]] != mark:
                made, at = made + text[at : token.start()] + CLOSING[open_marks.pop()], token.start()
            if not open_marks:
                return None
            open_marks.pop()
            if not open_marks:
                return made + text[at : token.end()], token.end()
    return None


def closings(text: str, found: Span, lists: frozenset[str]) -> list[Closing]:
    """Return how a value that was cut off can be closed, the way that keeps most first.

    What is given up is a whole element: of the outermost list that stands under one of `lists`, else of the outermost list,
    else of the innermost mapping that has others.

    Args:
        text: the text that `found` is a span of.
        found: a span with brackets left open.
        lists: names of the fields that hold subtasks or links.
    """
    level = _level(text, found, lists)
    bracket = found.stack[level]
    holds_subtasks = _is_under(text, found, level, lists - WRAPPING)
    if (
        not holds_subtasks
        and found.closed_at > bracket.element
        and _is_wrapper(text[bracket.element : found.closed_at], lists)
    ):
        closed = text[found.start : found.closed_at] + _closed(found.closed_stack)
        return [Closing(closed, closed, is_sure=True), Closing("", closed)]
    whole = text[found.start : bracket.element] + _closed(bracket.mark for bracket in found.stack[: level + 1])
    ways: list[Closing] = []
    inner = level + 2
    """Brackets that are open where nothing but the last element's own and those around it is missing."""
    if not found.in_text and len(found.stack) <= inner:
        piece = text[found.start : found.end].rstrip()
        if piece[-1:] in ("}", "]", ")", '"', "'"):
            closed = piece + _closed(one.mark for one in found.stack)
            ways.append(Closing(closed, whole, len(found.stack) < inner))
    if found.closed_at > bracket.element and len(found.closed_stack) <= inner:
        closed = text[found.start : found.closed_at] + _closed(found.closed_stack)
        ways.append(Closing(closed, whole, len(found.closed_stack) < inner))
    return [*ways, Closing("", whole)]


def _level(text: str, found: Span, lists: frozenset[str]) -> int:
    stack = found.stack
    named = [at for at, bracket in enumerate(stack) if bracket.mark == "[" and _is_under(text, found, at, lists)]
    if named:
        level = named[0]
        for inner in named[1:]:
            if stack[level].elements:
                break
            level = inner  # in the first element of a list, which may be a wrapper of the plan
        return level
    rows = [at for at, bracket in enumerate(stack) if bracket.mark == "["]
    if rows:
        return rows[0]
    return next((at for at in range(len(stack) - 1, -1, -1) if stack[at].elements), len(stack) - 1)


def _is_under(text: str, found: Span, at: int, lists: frozenset[str]) -> bool:
    key = _KEY.search(text, max(found.start, found.stack[at].at - 80), found.stack[at].at)
    return key is not None and key[1].lower() in lists


def _is_wrapper(piece: str, lists: frozenset[str]) -> bool:
    """Say whether the element that is being written has a list of subtasks that is whole: then it is no subtask itself."""
    return any(key[1].lower() in lists for key in _LIST.finditer(piece))


def _closed(marks: Iterable[str]) -> str:
    return "".join(CLOSING[mark] for mark in reversed(list(marks)))
