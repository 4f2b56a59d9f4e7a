"""Plans drawn with arrows: `a -> b`, and Mermaid's flowcharts."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise

from concertino.nodes.planning.reader.elements import Element, mentioned
from concertino.nodes.planning.reader.shape import Shape

ARROW = re.compile(r"\s*(?:-{1,3}>|={1,3}>|→|⟶|-\.{1,3}->|--[ \w\"']{1,40}-->)\s*(?:\|[^|\n]{0,100}\|\s*)?")
HEADER = re.compile(r"^\s*(?:graph|flowchart)\s+(?:TD|TB|LR|RL|BT)\b", re.IGNORECASE | re.MULTILINE)
NAME = re.compile(r"[\w.:/-][\w .:/-]{0,99}")
ASIDE = re.compile(
    r"^\s*(?:%%|graph\b|flowchart\b|subgraph\b|end\s*$|style\b|class(?:Def)?\b|click\b|direction\b|linkStyle\b|```)"
)
"""Lines of Mermaid that draw and say nothing."""
ENDS = 20
"""Arrows on one line that are read."""
WORDS = 6
"""Words of a name, outside Mermaid: a longer one is a sentence with an arrow in it. Chosen by hand."""


def arrows(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that edges between names are: names become subtasks, a label in brackets says what or who."""
    is_chart = HEADER.search(text) is not None
    elements: dict[str, Element] = {}
    links: dict[tuple[str, str], None] = {}
    for line in text.splitlines():
        line = line.strip().rstrip(";")
        if not line or ASIDE.match(line):
            continue
        parts = ARROW.split(line, ENDS)
        if len(parts) < 2:
            if is_chart or line.rstrip()[-1:] in ")]}":
                _nodes(elements, line, specialists, is_chart=is_chart, needs_label=True)
            continue
        groups = [_nodes(elements, part, specialists, is_chart=is_chart) for part in parts]
        if all(groups):
            links |= {(a, b): None for before, after in pairwise(groups) for a in before for b in after}
    linked = {end for link in links for end in link}
    kept = [element for name, element in elements.items() if is_chart or name in linked]
    return Shape(kept, form="mermaid" if is_chart else "arrows", links=list(links)) if links and kept else None


def arrow_links(text: str) -> list[tuple[str, str]]:
    """Return the pairs of bare names with an arrow between them, on lines that hold nothing else."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        parts = [part.strip(" -*()\t") for part in ARROW.split(line.strip(" -*\t"), ENDS)]
        if len(parts) > 1 and all(NAME.fullmatch(part) for part in parts):
            found += [(_number(a), _number(b)) for a, b in pairwise(parts)]
    return found


def _number(name: str) -> str:
    return re.sub(r"^(?:steps?|tasks?|subtasks?|nodes?)\s*(?=\d)", "", name, flags=re.IGNORECASE)


def _nodes(
    elements: dict[str, Element], text: str, specialists: Collection[str], *, is_chart: bool, needs_label: bool = False
) -> list[str]:
    """Take up the node in a text, or the nodes with `&` between them; nothing where it is something else."""
    text = text.strip()
    parts = [text]
    if "&" in text and not any(mark in text for mark in "[({"):
        parts = [part.strip() for part in text.split("&")]
    found = []
    for part in parts:
        name = NAME.match(part)
        if name is None:
            return []
        label = _label(part[name.end() :].strip())
        own = name[0].strip()
        if label is None or (needs_label and not label) or (not is_chart and _is_prose(own)):
            return []
        _take(elements, own, label, specialists)
        found.append(own)
    return found


def _is_prose(name: str) -> bool:
    return len(name.split()) > WORDS or name.endswith((":", ".")) or name.startswith("def ")


def _label(rest: str) -> str | None:
    """Return what stands in a node's brackets, empty without any; `None` where something else follows the name."""
    if not rest or rest.startswith(":::"):
        return ""
    if rest[0] not in "[({>":
        return None
    inner = rest.lstrip("[({>/\\")
    if inner[:1] == '"' and (end := inner.rfind('"')) > 0:
        return inner[1:end].strip()
    inner = inner.partition(":::")[0].rstrip()
    return inner.rstrip("])}/\\ ").strip() if inner[-1:] in ("]", ")", "}") else None


def _take(elements: dict[str, Element], name: str, label: str, specialists: Collection[str]) -> None:
    known = elements.get(name)
    if known is not None and not label:
        return
    if known is None:
        known = elements[name] = Element(id=name)
    known.objective = label or known.objective
    said = [one for one in (label, name) if one]
    known.worker = next((one for one in said if one in specialists), None) or next(
        (who for one in said if (who := mentioned(one, specialists))), None
    )
    if known.worker is None and not label:
        known.worker = name
