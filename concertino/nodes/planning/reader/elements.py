"""Subtasks under whatever names a model gives their fields."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from concertino.contracts.ids import is_id
from concertino.nodes.planning.reader.literals import CALLED
from concertino.nodes.planning.reader.own_fields import SUBTASK, taken

ID_KEYS = (
    "id",
    "subtask_id",
    "task_id",
    "step_id",
    "node_id",
    "idx",
    "index",
    "number",
    "step_number",
    "key",
    "node",
    "step",
)
WORKER_KEYS = (
    "specialist", "agent", "agent_name", "tool", "tool_name", "function", "function_name", "api", "api_name", "assigned_to",
    "assignee", "executor", "worker", "expert", "role", "action", "model", "task", "name",
)  # fmt: skip
NEED_KEYS = (
    "needs", "depends_on", "dependsOn", "dependencies", "dependency", "depends", "deps", "dep", "after", "requires",
    "prerequisites", "predecessors", "parents", "requires_steps",
)  # fmt: skip
INPUT_KEYS = (
    "inputs", "input", "args", "arguments", "parameters", "params", "kwargs", "tool_input", "action_input", "tool_args", "data",
)  # fmt: skip
OBJECTIVE_KEYS = (
    "objective", "description", "desc", "goal", "instruction", "instructions", "prompt", "task", "step", "action", "title", "content",
    "thought", "reasoning", "details", "text", "name", "query",
)  # fmt: skip
COVER_KEYS = ("covers", "acceptance_criteria", "criteria")
NOT_MISSED = frozenset({CALLED, "expected_output", "type", "status", "state"})
"""Fields that are read elsewhere, or say nothing of what is to be done."""
SEPARATED = re.compile(r"\s*[,;]\s*|\s+and\s+")
SHORT = re.compile(r"[\s'\"#$]*(?:(?:sub)?(?:steps?|tasks?|nodes?)\s+)?[^\s]*\s*", re.IGNORECASE)
"""A name of one word, or a number with what it counts: several of these in one text are several names."""
DONE = frozenset({"join", "finish", "end", "final_answer"})
"""Calls that say that a plan is over; none of them is work."""
_NOT = r"(?:do not|don't|does not|doesn't|must not|mustn't|should not|shouldn't|may not|can not|cannot|can't|need not|needn't|never|avoid|no need (?:to|for))"
_USING = r"(?:us(?:e|ing)|call(?:ing)?|run(?:ning)?|invok(?:e|ing)|ask(?:ing)?|involv(?:e|ing)|employ(?:ing)?|consult(?:ing)?)"
NEGATED = re.compile(
    rf"\W{{0,9}}(?:(?:please|we|you|i|there is|but|and|however|also|so)[ ,]+){{0,3}}{_NOT}\b", re.IGNORECASE
)
NEEDLESS = re.compile(
    r"^[^.;!?\n]{0,100}[ :(,–-](?:is |are )?(?:not (?:needed|required|necessary|used|to be used)|unnecessary)\W{0,5}$",
    re.IGNORECASE,
)
EXCLUDED = re.compile(
    rf"(?:\b{_NOT}\s+{_USING}|\bwithout(?:\s+{_USING})?|\bnot\s+{_USING}|\binstead of)\b(?:(?!\b(?:but|then|instead)\b)[^.;!?\n:]){{0,60}}$",
    re.IGNORECASE,
)
"""What makes the name behind it one that is not to be used."""

OBJECTIVE_CHARS = 100_000
"""As a subtask's objective may have."""


@dataclass(slots=True)
class Element:
    """One subtask as it was read."""

    id: str | None = None
    """As the model wrote it."""
    worker: str | None = None
    objective: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    needs: list[str] | None = None
    """`None` where nothing was said of what comes before."""
    more: dict[str, Any] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    """Names of its fields that a plan has no place for."""


def element_of(given: Any, specialists: Collection[str]) -> Element | None:
    """Return what stands in a list of subtasks as one; `None` for what is none."""
    if isinstance(given, str):
        text = given.strip()
        if not text or is_negated(text):
            return None
        return Element(
            objective=text[:OBJECTIVE_CHARS], worker=text if text in specialists else mentioned(text, specialists)
        )
    if not isinstance(given, Mapping):
        return None
    flat = _flat(dict(given))
    made = Element()
    used: set[str] = set()
    made.worker = _worker(flat, specialists, used)
    made.id = _id(flat, used)
    made.objective = _objective(flat, used)
    made.inputs = _inputs(flat, used)
    made.needs = _needs(flat, used)
    covers = next((key for key in COVER_KEYS if key in flat and all(map(is_id, _names(flat[key])))), None)
    if covers is not None:
        made.more["covers"] = _names(flat[covers])
        used.add(covers)
    if "name" not in used and isinstance(flat.get("name"), str) and made.worker is not None:
        made.more["name"] = flat["name"]
        used.add("name")
    own = taken(flat, SUBTASK)
    made.more |= own
    used |= set(own)
    expected = flat.get("expected_output")
    if isinstance(expected, str) and expected.strip():
        made.objective = f"{made.objective}\nExpected output: {expected.strip()}".strip()
    made.left = tuple(
        key for key, value in flat.items()
        if key not in used and key not in NOT_MISSED and value not in (None, "", [], {})
    )  # fmt: skip
    if made.worker is None and made.objective:
        made.worker = mentioned(made.objective, specialists)
    if made.worker is None and not made.objective and "capability" not in made.more:
        return None
    return None if (made.worker or "").lower() in DONE and made.worker not in specialists else made


def is_negated(text: str) -> bool:
    """Say whether a line says what is not to be done: nobody is to do that."""
    plain = text.replace("*", "").replace("_", " ").replace("’", "'")
    return NEGATED.match(plain) is not None or NEEDLESS.search(plain) is not None


def mentioned(text: str, specialists: Collection[str]) -> str | None:
    """Return the one specialist whose name stands in a text; of names inside one another the longest counts."""
    found = [
        (match.start(), match.end(), name)
        for name in specialists
        for match in re.finditer(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE)
        if not EXCLUDED.search(text[max(match.start() - 80, 0) : match.start()])
    ]
    outer = {
        name
        for begin, end, name in found
        if not any(b <= begin and end <= e and (b, e) != (begin, end) for b, e, _ in found)
    }
    return outer.pop() if len(outer) == 1 else None


def _flat(given: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with what stands one level down: `{"function": {"name", "arguments"}}`, `{"step": {...}}`."""
    for key in (
        "function",
        "tool",
        "action",
        "agent",
        "tool_call",
        "function_call",
        "functionCall",
        "toolUse",
        "tool_use",
    ):
        inner = given.get(key)
        if isinstance(inner, Mapping):
            rest = {name: value for name, value in given.items() if name != key}
            named = {"tool" if name in ("name", CALLED) else name: value for name, value in inner.items()}
            return {**named, **{name: value for name, value in rest.items() if name != "type"}}
    if CALLED in given and not any(isinstance(given.get(key), str) for key in WORKER_KEYS[:15]):
        called = given[CALLED]
        rest = {name: value for name, value in given.items() if name != CALLED}
        if str(called)[:1].islower():  # `search(query="x")`: the call itself is the work
            args = rest.pop("args", None)
            return {"tool": called, "inputs": {**({"args": args} if args else {}), **rest}}
        return rest
    return given


def _worker(flat: Mapping[str, Any], specialists: Collection[str], used: set[str]) -> str | None:
    said: list[tuple[str, str]] = [
        (key, flat[key].strip()) for key in WORKER_KEYS if isinstance(flat.get(key), str) and flat[key].strip()
    ]
    for key, value in said:
        if value in specialists:
            used.add(key)
            return value
    lowered = {name.lower(): name for name in specialists}
    for key, value in said:
        if key not in ("task", "name", "action", "role", "model") or value.lower() in lowered or _is_name(key, flat):
            used.add(key)
            return value
    return None


def _is_name(key: str, flat: Mapping[str, Any]) -> bool:
    """Say whether an ambiguous field names the worker: it is short, and what is to be done stands elsewhere or with arguments."""
    value = flat[key].strip()
    others = any(
        isinstance(flat.get(other), str) for other in OBJECTIVE_KEYS if other not in (key, "task", "name", "action")
    )
    takes = any(other in flat for other in INPUT_KEYS)
    return len(value) <= 64 and len(value.split()) <= 8 and (takes or (others and key != "name")) and key != "model"


def _id(flat: Mapping[str, Any], used: set[str]) -> str | None:
    for key in ID_KEYS:
        value = flat.get(key)
        if key in used or value is None or isinstance(value, bool) or not isinstance(value, str | int):
            continue
        text = str(value).strip()
        if isinstance(value, str) and key in ("step", "node", "key") and len(text.split()) > 2:
            continue  # a sentence, no id
        if text:
            used.add(key)
            return text
    return None


def _objective(flat: Mapping[str, Any], used: set[str]) -> str:
    parts = []
    for key in OBJECTIVE_KEYS:
        value = flat.get(key)
        if key not in used and isinstance(value, str) and value.strip():
            parts.append(value.strip())
            used.add(key)
            break
    return "\n".join(parts)[:OBJECTIVE_CHARS]


def _inputs(flat: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    for key in INPUT_KEYS:
        if key in flat and flat[key] not in (None, "", [], {}):
            used.add(key)
            return named(flat[key])
    return {}


def named(given: Any) -> dict[str, Any]:
    """Return arguments by name: a mapping, a list of `{"name", "value"}`, positional ones, or one value."""
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items() if name != CALLED}
    if isinstance(given, str):
        text = given.strip()
        if text.startswith("{") and isinstance(parsed := _parsed(text), dict):
            return {str(name): value for name, value in parsed.items()}
        return {"input": given}
    if isinstance(given, list):
        pairs = [item for item in given if isinstance(item, Mapping) and "name" in item and "value" in item]
        if pairs and len(pairs) == len(given) and len({str(item["name"]) for item in pairs}) == len(pairs):
            return {str(item["name"]): item["value"] for item in pairs}
        return {"arguments": given}
    return {"input": given}


def _parsed(text: str) -> Any:
    from concertino.nodes.planning.reader.texts import values

    found = values(text)
    return found[0].value if len(found) == 1 else None


def _needs(flat: Mapping[str, Any], used: set[str]) -> list[str] | None:
    for key in NEED_KEYS:
        if key in flat and key not in used:
            used.add(key)
            return [name for name in _names(flat[key]) if name not in ("-1", "none", "None", "null", "n/a", "N/A")]
    return None


def _names(given: Any) -> list[str]:
    """Return names however they are listed."""
    if given is None or isinstance(given, bool):
        return []
    if isinstance(given, int):
        return [str(given)]
    if isinstance(given, float):
        return [f"{given:g}"]
    if isinstance(given, str):
        return [part.strip(" '\"#$") for part in _parts(given.strip().strip("[]")) if part.strip(" '\"#$")]
    if isinstance(given, Mapping):
        inner = next((given[key] for key in ("id", "step", "task", "name", "node") if key in given), None)
        return _names(inner) if inner is not None else [str(key) for key in given]
    if not isinstance(given, Iterable):
        return []
    # One name of several words may have a comma of its own.
    whole = [
        isinstance(item, str) and not all(map(SHORT.fullmatch, re.split(SEPARATED, item.strip()))) for item in given
    ]
    return [
        name for item, is_whole in zip(given, whole, strict=True)
        for name in ([item.strip(" '\"#$")] if is_whole else _names(item)) if name
    ]  # fmt: skip


def _parts(text: str) -> list[str]:
    parts = re.split(SEPARATED, text)
    return parts if all(map(SHORT.fullmatch, parts)) else re.split(r"\s*[,;]\s*", text)
