"""What single rows of a parsed value are: work, calls, evidence, printed messages."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from concertino.nodes.planning.reader.elements import WORKER_KEYS, element_of
from concertino.nodes.planning.reader.literals import CALLED
from concertino.nodes.planning.reader.shape import Shape


def has_structure(args: Any) -> bool:
    """Say whether arguments may hold a plan at all."""
    if isinstance(args, str):
        return args.lstrip()[:1] in ("{", "[")
    if isinstance(args, list):
        return any(isinstance(item, Mapping) for item in args)
    return isinstance(args, Mapping)


def names_anybody(rows: list[Mapping[str, Any]], specialists: Collection[str]) -> bool:
    """Say whether a row is the work of somebody known: then none of the others wraps the plan."""
    return any((made := element_of(row, specialists)) is not None and made.worker in specialists for row in rows)


def is_evidence(item: Any) -> bool:
    """Say whether a row is one of ReWOO's steps: what for, `#E1`, tool, input."""
    is_row = isinstance(item, list) and len(item) == 4 and all(isinstance(part, str) for part in item)
    return is_row and re.fullmatch(r"#?E\d{1,4}", item[1].strip()) is not None


def by_needs(given: Mapping[str, Any], specialists: Collection[str], *, forward: bool) -> Shape | None:
    """Read `{"a": [], "b": ["a"]}`: names with what they need, or, drawn `forward`, with what comes after them."""
    if len(given) < 2 or not all(
        isinstance(row, list) and all(isinstance(name, str) and name in given for name in row) for row in given.values()
    ):
        return None
    if not any(given.values()):
        return None
    elements = [made for name in given if (made := element_of(name, specialists))]
    for element, name in zip(elements, given, strict=True):
        element.id, element.worker, element.objective = name, element.worker or name, ""
    pairs = [(name, other) for name, row in given.items() for other in row]
    return Shape(elements, form="graph", links=pairs if forward else [(other, name) for name, other in pairs])


def may_hold_rows(key: str, value: Any) -> bool:
    """Say whether a list may be a plan's: one of texts only under a name that says so."""
    return isinstance(value, list) and (
        any(isinstance(item, Mapping) for item in value)
        or re.search(r"step|plan|task|todo", key, re.IGNORECASE) is not None
    )


def looks_like_work(item: Mapping[str, Any], specialists: Collection[str]) -> bool:
    """Say whether a row may be a subtask."""
    made = element_of(item, specialists)
    return made is not None and (made.worker is not None or "capability" in made.more or bool(made.objective))


def is_single(given: Mapping[str, Any], specialists: Collection[str]) -> bool:
    """Say whether a mapping is one subtask, and no wrapper of several."""
    made = element_of(given, specialists)
    if made is None or made.worker is None:
        return False
    return made.worker in specialists or (
        any(key in given for key in WORKER_KEYS[:14]) and (bool(made.inputs) or bool(made.objective) or CALLED in given)
    )


def add_steps(shape: Shape, steps: Any) -> None:
    """Give TaskBench's nodes their steps as objectives, where there is one for each."""
    if isinstance(steps, list) and len(steps) == len(shape.elements) and all(isinstance(step, str) for step in steps):
        for element, step in zip(shape.elements, steps, strict=True):
            element.objective = element.objective or step


def is_printed(item: Any) -> bool:
    """Say whether something is a message of LangChain as Python prints it."""
    return isinstance(item, Mapping) and str(item.get(CALLED, "")).endswith("Message")


def printed_call(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call that a printed message of a tool records."""
    more = item.get("additional_kwargs")
    told = more if isinstance(more, Mapping) else {}
    args = told.get("args")
    return {"id": told.get("idx", item.get("tool_call_id")), "tool": item["name"], "args": args or {}}
