"""Plans in parsed values: where the list of subtasks is, what links stand beside it, and what is asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from concertino.nodes.planning.reader.elements import INPUT_KEYS, WORKER_KEYS, element_of
from concertino.nodes.planning.reader.lines import shape_of_lines
from concertino.nodes.planning.reader.literals import CALLED
from concertino.nodes.planning.reader.shape import Shape
from concertino.nodes.planning.reader.texts import values

LIST_KEYS = (
    "subtasks", "sub_tasks", "task_nodes", "tasks", "nodes", "steps", "plan_steps", "plan", "actions", "workflow", "todos",
    "todo", "tool_calls", "calls", "items", "task_steps",
)  # fmt: skip
LINK_KEYS = ("task_links", "links", "edges", "dependencies", "connections", "dependency_graph")
ENDS = (
    ("source", "target"),
    ("from", "to"),
    ("before", "after"),
    ("src", "dst"),
    ("start", "end"),
    ("parent", "child"),
)
ORDERED_KEYS = frozenset({"steps", "plan_steps", "task_steps", "todos", "todo"})
"""Lists whose order is what they say, where no dependency is named anywhere."""
HEADER_KEYS = ("gate", "answer", "stop_when", "budget")
LEVELS = 6
"""Wrappers around a plan that are looked into."""


def shape_of(value: Any, specialists: Collection[str], *, level: int = 0) -> Shape | None:
    """Return the plan in a parsed value; `None` without one."""
    if level > LEVELS:
        return None
    if isinstance(value, str):
        inner = values(value) if value.lstrip()[:1] in ("{", "[") else []
        return next((found for one in inner if (found := shape_of(one.value, specialists, level=level + 1))), None)
    if isinstance(value, list):
        return _of_list(value, specialists)
    return _of_mapping(value, specialists, level) if isinstance(value, Mapping) else None


def _of_list(given: list[Any], specialists: Collection[str], *, key: str = "") -> Shape | None:
    if given and all(isinstance(item, str) for item in given):
        elements = [made for item in given if (made := element_of(item, specialists))]
        is_code = all(len(item.split()) < 2 and item not in specialists for item in given)
        return None if is_code and key not in LIST_KEYS else Shape(elements, form="steps", in_order=True)
    if any(_is_message(item) for item in given):
        return _of_messages(given, specialists)
    rows = [item for item in given if isinstance(item, Mapping | str)]
    if not any(_looks_like_work(item, specialists) for item in rows if isinstance(item, Mapping)):
        nested = [
            shape
            for item in rows
            if isinstance(item, Mapping) and (shape := _of_mapping(item, specialists, LEVELS - 1))
        ]
        return max(nested, key=lambda shape: len(shape.elements), default=None)
    elements = [made for item in rows if (made := element_of(item, specialists))]
    if not elements:
        return None
    says_needs = any(element.needs is not None for element in elements)
    return Shape(elements, form="list", in_order=key in ORDERED_KEYS and not says_needs)


def _of_mapping(given: Mapping[str, Any], specialists: Collection[str], level: int) -> Shape | None:
    found: Shape | None = None
    for key in LIST_KEYS:
        inner = given.get(key)
        if inner is None or inner in ("", [], {}) or (key == "task_steps" and found is not None):
            continue
        made = _inside(inner, key, specialists, level)
        if made is not None and made.elements:
            found = made
            if key == "task_nodes":
                found.form = "taskbench"
                _add_steps(found, given.get("task_steps"))
            break
    if found is None:
        return _without_list(given, specialists, level)
    for key in LINK_KEYS:
        if isinstance(given.get(key), list | Mapping) and given[key]:
            found.links += _links(given[key])
            found.in_order = False
    if "task_links" in given:
        found.in_order = False
    found.header |= {key: given[key] for key in HEADER_KEYS if given.get(key) is not None}
    found.asked = _asked(given) or found.asked
    return found


def _inside(inner: Any, key: str, specialists: Collection[str], level: int) -> Shape | None:
    if isinstance(inner, list):
        if key == "task_nodes":  # TaskBench: the task is the tool
            inner = [
                {"tool": item["task"], **{name: value for name, value in item.items() if name != "task"}}
                if isinstance(item, Mapping) and isinstance(item.get("task"), str) and "tool" not in item else item
                for item in inner
            ]  # fmt: skip
        return _of_list(inner, specialists, key=key)
    if isinstance(inner, str):
        found = shape_of(inner, specialists, level=level + 1)
        if found is not None:
            return found
        return shape_of_lines(inner, specialists)
    if isinstance(inner, Mapping):
        made = _of_mapping(inner, specialists, level + 1)
        return made if made is not None else _by_id(inner, specialists)
    return None


def _without_list(given: Mapping[str, Any], specialists: Collection[str], level: int) -> Shape | None:
    """Look for a plan in a mapping that has none of the usual lists: a wrapper, subtasks by id, or a single subtask."""
    if _is_single(given, specialists):
        made = element_of(given, specialists)
        return Shape([made], form="one") if made is not None else None
    by_id = _by_id(given, specialists)
    if by_id is not None and len(by_id.elements) > 1:
        return by_id
    if level < LEVELS:
        inner = [
            found
            for key, value in given.items()
            if key not in INPUT_KEYS and isinstance(value, Mapping | list | str)
            and (found := shape_of(value, specialists, level=level + 1)) and found.elements
        ]  # fmt: skip
        if inner:
            best = max(inner, key=lambda shape: len(shape.elements))
            best.asked = _asked(given) or best.asked
            return best
    return by_id


def _by_id(given: Mapping[str, Any], specialists: Collection[str]) -> Shape | None:
    rows = [
        ({"id": name, **row})
        for name, row in given.items()
        if isinstance(row, Mapping) and _looks_like_work(row, specialists)
    ]
    if len(rows) < len([row for row in given.values() if isinstance(row, Mapping)]) or not rows:
        return None
    return _of_list(rows, specialists)


def _looks_like_work(item: Mapping[str, Any], specialists: Collection[str]) -> bool:
    made = element_of(item, specialists)
    return made is not None and (made.worker is not None or "capability" in made.more or bool(made.objective))


def _is_single(given: Mapping[str, Any], specialists: Collection[str]) -> bool:
    made = element_of(given, specialists)
    if made is None or made.worker is None:
        return False
    return made.worker in specialists or (
        any(key in given for key in WORKER_KEYS[:14]) and (bool(made.inputs) or bool(made.objective) or CALLED in given)
    )


def _add_steps(shape: Shape, steps: Any) -> None:
    """Give TaskBench's nodes their steps as objectives, where there is one for each."""
    if isinstance(steps, list) and len(steps) == len(shape.elements) and all(isinstance(step, str) for step in steps):
        for element, step in zip(shape.elements, steps, strict=True):
            element.objective = element.objective or step


def _links(given: Any) -> list[Any]:
    """Return links as pairs of ends; what is no pair stays as it is, for whoever mends it to name."""
    if isinstance(given, Mapping):
        return [
            (before, after)
            for after, befores in given.items()
            for before in (befores if isinstance(befores, list) else [befores])
        ]
    found: list[Any] = []
    for item in given:
        if isinstance(item, list | tuple) and len(item) == 2:
            found.append((item[0], item[1]))
        elif isinstance(item, Mapping):
            ends = next(((item[a], item[b]) for a, b in ENDS if a in item and b in item), None)
            found.append(ends if ends is not None else dict(item))
        elif isinstance(item, str) and "->" in item:
            before, _, after = item.partition("->")
            found.append((before.strip(" -"), after.strip(" >")))
        else:
            found.append(item)
    return found


def _is_message(item: Any) -> bool:
    return isinstance(item, Mapping) and str(item.get(CALLED, "")).endswith("Message")


def _of_messages(given: list[Any], specialists: Collection[str]) -> Shape | None:
    """Read printed messages of LangChain: the calls they record, as LLMCompiler prints its plan, or what they contain."""
    messages = [item for item in given if _is_message(item)]
    done = [item for item in messages if item[CALLED] in ("FunctionMessage", "ToolMessage") and "name" in item]
    if done:
        return _of_list([_as_call(item) for item in done], specialists)
    held = [item[key] for item in messages for key in ("tool_calls", "content") if item.get(key)]
    found = [shape for inner in held if (shape := shape_of(inner, specialists, level=LEVELS - 1))]
    return max(found, key=lambda shape: len(shape.elements), default=None)


def _as_call(item: Mapping[str, Any]) -> dict[str, Any]:
    more = item.get("additional_kwargs")
    told = more if isinstance(more, Mapping) else {}
    args = told.get("args")
    return {"id": told.get("idx", item.get("tool_call_id")), "tool": item["name"], "args": args or {}}


def _asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands of objectives, constraints and acceptance criteria."""
    inner = given.get("requirements")
    held = inner if isinstance(inner, Mapping) else given
    names = {
        "objectives": ("objectives", "goals", "objective", "goal"),
        "constraints": ("constraints",),
        "acceptance_criteria": ("acceptance_criteria", "criteria", "success_criteria"),
    }
    found = {}
    for name, keys in names.items():
        value = next((held[key] for key in keys if isinstance(held.get(key), list | str) and held[key]), None)
        if value is not None:
            found[name] = value if isinstance(value, list) else [value]
    return found
