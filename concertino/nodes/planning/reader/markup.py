"""Plans written as XML: `<step id="1" specialist="search">find pages</step>`. No entities but the five, nothing is fetched."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator
from typing import Any

from concertino.nodes.planning.reader.elements import element_of
from concertino.nodes.planning.reader.shape import Shape

ROWS = frozenset({"step", "task", "subtask", "node", "action", "item", "todo", "tool_call", "call"})
"""Elements that are subtasks, where nothing of the kind stands inside them."""
TAG = re.compile(
    r"<(?P<close>/)?(?P<name>[A-Za-z][\w.-]{0,63})(?P<attributes>(?:\s{1,40}+[\w.:-]{1,64}\s{0,9}+=\s{0,9}+(?:\"[^\"<]*+\"|'[^'<]*+'))*+)"
    r"\s{0,40}+(?P<empty>/)?>"
)
ATTRIBUTE = re.compile(r"([\w.:-]{1,64})\s{0,9}+=\s{0,9}+(?:\"([^\"]*+)\"|'([^']*+)')")
TAGS = 4_000
"""Tags of one text that are read."""


def markup(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that the elements of a text are; `None` without one."""
    elements = [made for row in _rows(text) if (made := element_of(row, specialists)) and made.worker is not None]
    if not elements:
        return None
    says_needs = any(element.needs is not None for element in elements)
    return Shape(elements, form="xml", in_order=not says_needs)


def _rows(text: str) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] | None = None
    field, begin = "", 0
    said: list[str] = []
    for number, tag in enumerate(TAG.finditer(text)):
        if number >= TAGS:
            break
        name, before = tag["name"].lower(), html.unescape(text[begin : tag.start()]).strip()
        begin = tag.end()
        if row is None or (name in ROWS and not tag["close"] and name not in row and not field):
            if tag["close"] or name not in ROWS:
                continue
            row, said = _attributes(tag["attributes"]), []
            if not tag["empty"]:
                continue
        elif tag["close"] and name == field:
            row[field] = [row[field], before] if isinstance(row.get(field), str) else before
            field = ""
            continue
        elif not tag["close"]:
            said += [before] if before else []
            if not tag["empty"] and not field:
                field = name
            continue
        elif name not in ROWS:
            continue
        else:
            said += [before] if before else []
        if said and not field:
            row.setdefault("objective", " ".join(said))
        yield row
        row, field = None, ""


def _attributes(text: str) -> dict[str, Any]:
    return {one[1]: html.unescape(one[2] if one[2] is not None else one[3]) for one in ATTRIBUTE.finditer(text)}
