"""Reading a specialist's answer out of what its model said: a tool call, a broken one, or text. Never raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from concertino.packs.diligence.answers import Answer

SUBMIT = "submit_finding"
"""The tool whose call is the answer."""

TEXT_CHARS = 100_000
"""How much of a text is looked through for an answer."""
FAULTS_SHOWN = 8

_FENCED = re.compile(r"```[a-zA-Z]*\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_WRAPPERS = frozenset({"finding", "answer", "output", "input", "arguments", "args", "parameters"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: an answer, or what is wrong with what stands there."""

    answer: Answer | None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What was mended or left out."""


def read_message(message: object, form: type[Answer]) -> Reading:
    """Read one message, by its shape: LangChain's `tool_calls`, `invalid_tool_calls`, `content`."""
    first: Reading | None = None
    for given, note in _candidates(message):
        reading = _read(given, form, note)
        if reading.answer is not None:
            return reading
        first = first or reading
    return first or Reading(None, (f"no answer: call {SUBMIT} with your finding",))


def is_submission(message: object) -> bool:
    """Say whether a message hands in an answer, well-formed or not."""
    calls = [*(getattr(message, "tool_calls", None) or ()), *(getattr(message, "invalid_tool_calls", None) or ())]
    return any(isinstance(call, dict) and call.get("name") == SUBMIT for call in calls)


def _candidates(message: object) -> Iterator[tuple[Any, str | None]]:
    for call in getattr(message, "tool_calls", None) or ():
        if isinstance(call, dict) and call.get("name") == SUBMIT:
            yield call.get("args"), None
    for call in getattr(message, "invalid_tool_calls", None) or ():
        if isinstance(call, dict) and call.get("name") == SUBMIT and isinstance(call.get("args"), str):
            yield _mended(call["args"]), "the answer was broken JSON and was mended"
    text = _text(getattr(message, "content", message))[:TEXT_CHARS]
    blocks = [block for block in _FENCED.findall(text) if "{" in block] or ([text] if "{" in text else [])
    for block in reversed(blocks):  # a model that thinks aloud answers last
        body = block[block.index("{") :]
        try:
            yield json.JSONDecoder().raw_decode(body)[0], f"the answer was text, not a call of {SUBMIT}"
        except ValueError:
            yield _mended(body), f"the answer was broken text, not a call of {SUBMIT}, and was mended"


def _read(given: object, form: type[Answer], note: str | None) -> Reading:
    notes = (note,) if note else ()
    data = _unwrapped(given)
    if data is None:
        return Reading(None, ("the answer must be one JSON object",))
    unknown = sorted(str(name)[:60] for name in data if name not in form.model_fields)
    if unknown:
        notes = (*notes, f"fields that are not asked for were left out: {', '.join(unknown[:10])}")
    try:
        return Reading(form.model_validate(data), notes=notes)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'answer'}: {fault['msg']}"[:300]
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        return Reading(None, tuple(faults[:FAULTS_SHOWN]))


def _unwrapped(given: object) -> dict[str, Any] | None:
    """Return the object itself: out of a wrapper, out of a string; lists and objects that were written as strings inside it."""
    if isinstance(given, str):
        given = _mended(given)
    if isinstance(given, dict) and len(given) == 1 and (key := next(iter(given))) in _WRAPPERS:
        inner = given[key]
        given = _mended(inner) if isinstance(inner, str) else inner
    if not isinstance(given, dict):
        return None
    return {str(key): _parsed(value) for key, value in given.items()}


def _parsed(value: object) -> object:
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return None if value in ("null", "None", "") else value


def _mended(text: str) -> object:
    import json_repair

    try:
        return json_repair.loads(text[:TEXT_CHARS], skip_json_loads=False)
    except (ValueError, RecursionError):
        return None


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part if isinstance(part, str) else part.get("text") for part in content if isinstance(part, str | dict)]
    return "\n".join(part for part in parts if isinstance(part, str))
