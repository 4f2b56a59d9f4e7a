"""Plans written as lines: numbered and bulleted steps, with the edges that may follow them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from concertino.nodes.planning.reader.arrows import arrow_links, arrows
from concertino.nodes.planning.reader.calls import calls, printed, rewoo
from concertino.nodes.planning.reader.elements import Element, element_of, is_negated, mentioned, named
from concertino.nodes.planning.reader.shape import Shape, refused_of

STEP_LINE = re.compile(
    r"^\s*(?:[*#>-]+\s*)?(?:\*\*)?(?:(?:Step|Task|Subtask|Node)\s*)?#?(\d{1,3})(?:\*\*)?\s*(?:[.):](?!\d)|[-–](?=\s))\s*(?:\*\*)?\s*(\S.*)$",
    re.IGNORECASE,
)
BULLET_LINE = re.compile(r"^\s*(?:[-*•]|\[[ xX]?\])\s+(?:\[[ xX]?\]\s*)?(\S.*)$")
_ONE = r"(?:(?:steps?|tasks?|subtasks?|nodes?)\s*)?#?\d{1,3}"
AFTER = re.compile(
    r"(?:(?:depends?|dependent|depending)\s+on|dependenc(?:y|ies)|prerequisites?|\bneeds?\s*:|[\[(]\s*(?:needs?|after|requires?)"
    r"|\b(?:needs?|after|requires?|uses?|using|from)(?=\s+(?:the\s+)?(?:results?\s+of\s+|outputs?\s+of\s+)?(?:steps?|tasks?|subtasks?)\s))"
    rf"\s*:?\s*(?:the\s+)?(?:results?\s+of\s+|outputs?\s+of\s+)?[\[(]?\s*(?P<list>{_ONE}(?:\s*(?:,\s*and|,|and|&)\s*{_ONE})*)",
    re.IGNORECASE,
)
"""Words that say what a step comes after: "depends on 1, 2", "(after step 3)"; not "after 2 hours"."""
NOTHING = re.compile(
    r"(?:depends?\s+on|dependenc(?:y|ies)|prerequisites?|\bneeds?)\s*:?\s*(?:none|nothing|n/a|\[\s*\]|-\s*$|no\b)",
    re.IGNORECASE,
)
PAIRS_LINE = re.compile(r"^\s*(?:\*\*)?(?:Edges?|Links?|Dependenc(?:y|ies)|Graph)(?:\*\*)?\s*:?\s*(.*)$", re.IGNORECASE)
PAIR = re.compile(r"[(\[]\s*[\"']?([\w-]{1,64})[\"']?\s*,\s*[\"']?([\w-]{1,64})[\"']?\s*[)\]]")
TERMINALS = ("start", "end")
Form = Callable[[str, Collection[str]], Shape | None]
LINES = 2_000
"""Lines of a text that are looked at."""
LINE_CHARS = 20_000
"""Characters of one line that are looked at."""


def shape_of_calls(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that lines in the form of calls are: nothing else looks like them."""
    return _first(text, specialists, rewoo, calls, printed)


def shape_of_lines(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that a text's lines are; `None` without one."""
    return _first(text, specialists, rewoo, calls, printed, _graph, arrows, _table, _steps, _bullets)


def _first(text: str, specialists: Collection[str], *forms: Form) -> Shape | None:
    lines = "\n".join(line[:LINE_CHARS] for line in text.splitlines()[:LINES])
    return next((found for form in forms if (found := form(lines, specialists)) is not None and found.elements), None)


def _graph(text: str, specialists: Collection[str]) -> Shape | None:
    """Read numbered nodes with edges between their numbers: `(1,2)`, `1 -> 2`."""
    found = _numbered(text, specialists)
    ids = {element.id for element in found.elements}
    links = [
        (before, after)
        for before, after in [*_pairs(text), *arrow_links(text)]
        if (before in ids or before.lower() in TERMINALS) and (after in ids or after.lower() in TERMINALS)
    ]
    if not links or not ids:
        return None
    found.links = list(dict.fromkeys((a, b) for a, b in links if a in ids and b in ids))
    found.form, found.in_order = "graph", False
    return found


def _pairs(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    inside = False
    for line in text.splitlines():
        head = PAIRS_LINE.match(line)
        inside = head is not None or (inside and PAIR.match(line.strip(" -*")) is not None)
        if inside:
            found += [(pair[1], pair[2]) for pair in PAIR.finditer(line)]
    return found


def _steps(text: str, specialists: Collection[str]) -> Shape | None:
    found = _numbered(text, specialists)
    if len(found.elements) >= 2:
        return found
    is_one = found.elements and (
        found.elements[0].worker is not None
        or found.elements[0].needs is not None
        or re.match(r"^\W*(?:step|task)\s*1", text, re.IGNORECASE)
    )
    return found if is_one else None


def _numbered(text: str, specialists: Collection[str]) -> Shape:
    """Read numbered steps; what follows a step on lines of its own, indented, belongs to it."""
    elements: list[Element] = []
    refused: list[str] = []
    any_said, inside = False, True
    wanted = 1
    for line in text.splitlines():
        match = STEP_LINE.match(line)
        if match is not None and (int(match[1]) == wanted or (not elements and int(match[1]) == 0)):
            wanted = int(match[1]) + 1
            inside = not is_negated(match[2])
            if not inside:
                refused.append(match[2])
                continue
            elements.append(element_of(match[2].replace("**", "").strip(" *"), specialists) or Element())
            elements[-1].id = match[1]
            any_said = _add_needs(elements[-1], match[2]) or any_said
        elif elements and inside and line.strip() and line[:1] in " \t":
            _add_line(elements[-1], line.strip(), specialists)
            any_said = _add_needs(elements[-1], line) or any_said
    return Shape(elements, form="steps", in_order=not any_said, notes=refused_of(refused))


def _add_needs(element: Element, line: str) -> bool:
    said = [number for after in AFTER.finditer(line) for number in re.findall(r"\d+", after["list"])]
    if not said and NOTHING.search(line) is None:
        return False
    element.needs = list(dict.fromkeys([*(element.needs or []), *said]))
    return True


def _table(text: str, specialists: Collection[str]) -> Shape | None:
    """Read a table of Markdown whose columns are named as a subtask's fields are."""
    rows = [
        [cell.strip(" *`") for cell in line.strip().strip("|").split("|")]
        for line in text.splitlines()
        if line.count("|") > 1
    ]
    if len(rows) < 3 or not all(set(cell) <= set("-: ") for cell in rows[1]):
        return None
    names = ["id" if cell == "#" else re.sub(r"\W+", "_", cell.lower()) for cell in rows[0]]
    if not {"id", "step", "task", "objective", "description"} & set(names):
        return None
    elements = []
    for row in rows[2:]:
        given = {name: cell for name, cell in zip(names, row, strict=False) if cell not in ("", "-", "–", "—")}
        if "depends_on" in names:
            given.setdefault("depends_on", "")
        element = element_of(given, specialists)
        elements += [element] if element is not None else []
    return Shape(elements, form="table", in_order=all(element.needs is None for element in elements))


def _bullets(text: str, specialists: Collection[str]) -> Shape | None:
    found = [match[1].strip() for line in text.splitlines() if (match := BULLET_LINE.match(line))]
    elements = [made for item in found if (made := element_of(item, specialists))]
    knows = any(element.worker is not None for element in elements)
    is_plan = len(elements) >= 2 and (knows or re.search(r"\b(plan|steps?|tasks?|to-?do)\b", text, re.IGNORECASE))
    return Shape(elements, form="bullets", in_order=True, notes=refused_of(found)) if is_plan else None


def _add_line(element: Element, line: str, specialists: Collection[str]) -> None:
    key, colon, value = line.lstrip("-*• ").partition(":")
    name = key.strip(" *").lower()
    if colon and name in ("tool", "agent", "specialist", "assigned to", "action"):
        element.worker = value.strip(" *`\"'")
    elif colon and name in ("input", "inputs", "arguments", "args", "parameters"):
        element.inputs = named(value.strip())
    else:
        element.objective = f"{element.objective}\n{line}".strip()
        element.worker = element.worker or mentioned(line, specialists)
