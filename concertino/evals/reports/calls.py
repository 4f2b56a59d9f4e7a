"""Calls as a reader wants them: who asked, what was said, what came back. Whatever form a tape's line has, it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from concertino.contracts.json import JsonObject, dump

ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
"""LangChain's message types under the names that people know."""


def shown(call: Mapping[str, Any], *, offset_s: float = 0.0) -> JsonObject:
    """Return a tape's line as a report has it; what says nothing is left out.

    `offset_s` is added to its time: a tape counts from where the run was started, a report from its first event.
    """
    request = call.get("request") if isinstance(call.get("request"), dict) else {}
    assert request is not None
    node, subtask, attempt = scope_of(str(call.get("scope") or ""))
    answer, asked_tools = _answer(call)
    told: dict[str, Any] = {
        "kind": call.get("kind"), "name": call.get("name"), "node": node, "subtask": subtask, "attempt": attempt,
        "n": call.get("n"), "at": max(0.0, (call.get("at") or 0.0) + offset_s), "took": call.get("took"), "prompt": _prompt(request),
        "tools": [_tool_name(tool) for tool in request.get("tools") or ()], "answer": answer, "tool_calls": asked_tools,
        "usage": call.get("usage"), "error": call.get("error"), "fault": call.get("fault"),
        "pieces": len(call["chunks"]) if isinstance(call.get("chunks"), list) else None,
    }  # fmt: skip
    return {key: value for key, value in told.items() if value not in (None, "", [], {})}


def scope_of(scope: str) -> tuple[str, str | None, int | None]:
    """Return node, subtask and attempt of `node[/subtask]#attempt`."""
    place, _, attempt = scope.rpartition("#") if "#" in scope else (scope, "", "")
    node, _, subtask = place.partition("/")
    return node, subtask or None, int(attempt) if attempt.isdecimal() else None


def _prompt(request: Mapping[str, Any]) -> list[JsonObject]:
    """Return the messages as role and text; a request without any is shown as it is."""
    messages = request.get("messages")
    if isinstance(messages, list) and messages:
        return [_message(message) for message in messages]
    return [{"role": "arguments", "text": _text(dict(request))}] if request else []


def _message(message: Any) -> JsonObject:
    if not isinstance(message, dict):
        return {"role": "user", "text": _text(message)}
    role = str(message.get("role") or message.get("type") or "user")
    told: JsonObject = {"role": ROLES.get(role, role), "text": _text(message.get("content", ""))}
    calls = message.get("tool_calls")
    if calls:
        told["tool_calls"] = [_tool_call(call) for call in calls]
    return told


def _answer(call: Mapping[str, Any]) -> tuple[str, list[JsonValue]]:
    response = call.get("response")
    if isinstance(response, dict) and ("content" in response or "tool_calls" in response):
        return _text(response.get("content", "")), [_tool_call(asked) for asked in response.get("tool_calls") or ()]
    if response is None and isinstance(call.get("chunks"), list):  # it broke off in the middle
        return "".join(_piece(chunk[1]) for chunk in call["chunks"] if isinstance(chunk, list) and len(chunk) > 1), []
    return ("" if response is None else _text(response)), []


def _piece(piece: Any) -> str:
    content = piece.get("content", "") if isinstance(piece, dict) else piece
    return content if isinstance(content, str) else _text(content)


def _tool_call(call: Any) -> str:
    if not isinstance(call, dict):
        return _text(call)
    inner = call.get("function") if isinstance(call.get("function"), dict) else call
    assert isinstance(inner, dict)
    given = inner.get("args", inner.get("arguments", {}))
    return f"{inner.get('name', '?')}({_text(given)})"


def _tool_name(tool: Any) -> str:
    if isinstance(tool, dict):
        inner = tool.get("function") if isinstance(tool.get("function"), dict) else tool
        assert isinstance(inner, dict)
        return str(inner.get("name", "?"))
    return str(tool)


def _text(value: Any) -> str:
    """Return content as text: strings as they are, text blocks joined, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(block, dict) and "text" in block for block in value):
        return "".join(str(block["text"]) for block in value)
    return dump(value)
