"""Plans written as lines: ReWOO, LLMCompiler, numbered and bulleted steps, arrows."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection
from itertools import pairwise

from concertino.nodes.planning.reader.elements import DONE, Element, element_of, mentioned, named
from concertino.nodes.planning.reader.shape import Shape
from concertino.nodes.planning.reader.texts import values

EVIDENCE = re.compile(r"^\s*#?(E\d+)\s*=\s*([^\[\](){}\n]{1,100}?)\s*[\[(](.*?)[\])]?\s*$", re.MULTILINE)
PLAN_LINE = re.compile(r"^\s*Plan\s*\d*\s*:\s*(.*)$", re.MULTILINE | re.IGNORECASE)
CALL_LINE = re.compile(r"^\s*(\d{1,4})[.)]\s*([A-Za-z_][\w.-]{0,99})\((.*)\)?\s*(?:<END_OF_PLAN>.*)?$")
STEP_LINE = re.compile(
    r"^\s*(?:[*#>-]+\s*)?(?:\*\*)?(?:(?:Step|Task|Subtask)\s*)?#?(\d{1,3})(?:\*\*)?\s*[.):\-–]\s*(?:\*\*)?\s*(\S.*)$",
    re.IGNORECASE,
)
BULLET_LINE = re.compile(r"^\s*(?:[-*•]|\[[ xX]?\])\s+(?:\[[ xX]?\]\s*)?(\S.*)$")
AFTER = re.compile(
    r"[\[(]?\s*(?:depends?\s+on|needs?|after|requires?|dependencies)\s*:?\s*((?:(?:steps?|tasks?|subtasks?)\s*)?#?\d+(?:\s*(?:,|and|&)\s*(?:step\s*)?#?\d+)*)\s*[\])]?",
    re.IGNORECASE,
)
ARROW = re.compile(r"\s*(?:--?>|==?>|→|-\.->|--[^->|\n]{1,40}-->)\s*(?:\|[^|\n]*\|\s*)?")
NODE = re.compile(r"^([\w .:/-]{1,100}?)\s*(?:[\[({]+\s*\"?(.+?)\"?\s*[\])}]+)?;?$")
Form = Callable[[str, Collection[str]], Shape | None]
LINES = 2_000
"""Lines of a text that are looked at."""


def shape_of_calls(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that lines in the form of calls are: nothing else looks like them."""
    return _first(text, specialists, _rewoo, _calls)


def shape_of_lines(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that a text's lines are; `None` without one."""
    return _first(text, specialists, _rewoo, _calls, _arrows, _steps, _bullets)


def _first(text: str, specialists: Collection[str], *forms: Form) -> Shape | None:
    lines = "\n".join(text.splitlines()[:LINES])
    return next((found for form in forms if (found := form(lines, specialists)) is not None and found.elements), None)


def _rewoo(text: str, specialists: Collection[str]) -> Shape | None:
    elements = []
    for match in EVIDENCE.finditer(text):
        plans = list(PLAN_LINE.finditer(text, 0, match.start()))
        said = plans[-1][1].strip() if plans and not EVIDENCE.search(text, plans[-1].end(), match.start()) else ""
        elements.append(Element(id=match[1], worker=match[2].strip(), objective=said, inputs={"input": match[3]}))
    return Shape(elements, form="rewoo") if elements else None


def _calls(text: str, specialists: Collection[str]) -> Shape | None:
    elements, said, is_plan = [], "", False
    for line in text.splitlines():
        match = CALL_LINE.match(line)
        if match is None:
            thought = re.match(r"^\s*Thought\s*:\s*(.*)$", line, re.IGNORECASE)
            said = thought[1].strip() if thought else said
            continue
        is_plan = True
        if match[2].lower() in DONE and match[2] not in specialists:
            continue
        arguments = match[3].rstrip()
        inputs = _arguments(arguments.removesuffix(")") if arguments.count(")") > arguments.count("(") else arguments)
        elements.append(Element(id=match[1], worker=match[2], objective=said, inputs=inputs))
        said = ""
    return Shape(elements, form="llm-compiler") if is_plan else None


def _arguments(text: str) -> dict[str, object]:
    """Return a call's arguments; `$1` inside them stays as it is."""
    if not text.strip():
        return {}
    quoted = re.sub(r"(?<![\"'\w])\$\{?(\d+)\}?(?![\w\"'])", r'"$\1"', text)
    for candidate in (text, quoted):
        try:
            ast.parse(f"f({candidate})", mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        found = values(f"F({candidate})")
        if found and isinstance(found[0].value, dict):
            return named({key: value for key, value in found[0].value.items() if key != "__call__"})
    return {"input": text.strip()}


def _steps(text: str, specialists: Collection[str]) -> Shape | None:
    """Read numbered steps; what follows a step on lines of its own belongs to it."""
    elements: list[Element] = []
    any_said = False
    wanted = 1
    for line in text.splitlines():
        match = STEP_LINE.match(line)
        if match is not None and int(match[1]) in (wanted, 0 if not elements else wanted):
            wanted = int(match[1]) + 1
            element = element_of(match[2].strip(" *"), specialists) or Element()
            element.id = match[1]
            after = AFTER.search(match[2])
            if after:
                any_said = True
                element.needs = re.findall(r"\d+", after[1])
            elements.append(element)
        elif elements and line.strip() and line[:1] in " \t":
            _add_line(elements[-1], line.strip(), specialists)
            after = AFTER.search(line)
            if after:
                any_said = True
                elements[-1].needs = [*(elements[-1].needs or []), *re.findall(r"\d+", after[1])]
    if len(elements) < 2 and not (
        elements and re.search(r"^\s*\W*(?:step|task)\s*1", text, re.IGNORECASE | re.MULTILINE)
    ):
        return None
    return Shape(elements, form="steps", in_order=not any_said)


def _bullets(text: str, specialists: Collection[str]) -> Shape | None:
    found = [match[1].strip() for line in text.splitlines() if (match := BULLET_LINE.match(line))]
    elements = [made for item in found if (made := element_of(item, specialists))]
    knows = any(element.worker is not None for element in elements)
    is_plan = len(elements) >= 2 and (knows or re.search(r"\b(plan|steps?|tasks?|to-?do)\b", text, re.IGNORECASE))
    return Shape(elements, form="bullets", in_order=True) if is_plan else None


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


def _arrows(text: str, specialists: Collection[str]) -> Shape | None:
    """Read `a -> b` and Mermaid's edges: names become subtasks, a label in brackets says who does it."""
    elements: dict[str, Element] = {}
    links: list[object] = []
    for line in text.splitlines():
        if "->" not in line and "→" not in line and "=>" not in line:
            labelled = NODE.match(line.strip())
            if labelled and labelled[2] and labelled[1].strip() and " " not in labelled[1].strip():
                _node(elements, line, specialists)
            continue
        ends = [_node(elements, part, specialists) for part in ARROW.split(line.strip()) if part.strip()]
        if None in ends or len(ends) < 2:
            continue
        links += [(before, after) for before, after in pairwise(ends)]
    linked = {end for link in links for end in link}  # type: ignore[attr-defined]
    kept = [element for name, element in elements.items() if name in linked or element.worker in specialists]
    return Shape(kept, form="arrows", links=links) if links and kept else None


def _node(elements: dict[str, Element], text: str, specialists: Collection[str]) -> str | None:
    match = NODE.match(text.strip())
    if match is None:
        return None
    name, label = match[1].strip(), (match[2] or "").strip()
    known = elements.setdefault(name, Element(id=name))
    if label:
        known.objective = label
    said = [one for one in (label, name) if one]
    known.worker = known.worker or next((one for one in said if one in specialists), None)
    known.worker = known.worker or next((who for one in said if (who := mentioned(one, specialists))), None)
    if known.worker is None and not label and not specialists:
        known.worker = name
    return name
