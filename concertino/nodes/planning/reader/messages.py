"""Messages of chat models, by their shape: tool calls, content blocks, and the answers of providers' APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CALL_BLOCKS = ("tool_use", "tool_call", "function_call", "invalid_tool_call")
BLOCK_KEYS = ("text", "content", "output_text", "arguments")


def as_calls(given: object) -> list[dict[str, Any]]:
    """Return tool calls as `{"id", "tool", "args"}`; arguments that are no JSON stay text, for the reader to mend."""
    message = message_in(given)
    if message is None:
        return []
    more = _get(message, "additional_kwargs") or {}
    listed = _get(message, "tool_calls") or _get(more, "tool_calls") or []
    found = [made for call in listed if (made := _call(call))] if isinstance(listed, list | tuple) else []
    broken = _get(message, "invalid_tool_calls") or []
    found += [made for call in broken if (made := _call(call))] if isinstance(broken, list | tuple) else []
    single = _get(more, "function_call") or _get(message, "function_call")
    if single and (made := _call(single)):
        found.append(made)
    content = _get(message, "content")
    blocks = [block for block in content if _get(block, "type") in CALL_BLOCKS] if isinstance(content, list) else []
    return found or [made for block in blocks if (made := _call(block))]


def messages_of(given: object) -> list[Any]:
    """Return what is to be read, the last message of a conversation first; anything else is one message."""
    if isinstance(given, list | tuple) and given and all(message_in(item) is not None for item in given):
        return list(reversed(given))
    return [given]


def texts_of(given: object) -> Iterator[Any]:
    """Yield the texts of a message, or what was given where it is none."""
    if isinstance(given, bytes):
        yield given.decode("utf-8", "replace")
        return
    message = message_in(given)
    if message is None:
        if given is not None:
            yield given
        return
    content = _get(message, "content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        parts = [part for block in content if (part := _text(block))]
        yield from parts
        if len(parts) > 1:
            yield "\n".join(parts)
    parsed = _get(message, "parsed") or _get(_get(message, "additional_kwargs") or {}, "parsed")
    if isinstance(parsed, Mapping):
        yield parsed


def message_in(given: object) -> Any:
    """Return what has content or tool calls, the first choice of an API's answer; `None` for what is no message."""
    if isinstance(given, Mapping):
        choices = given.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
            return choices[0].get("message") or choices[0].get("delta")
        if isinstance(given.get("output"), list) and given.get("object") == "response":
            content = [
                part for item in given["output"] if isinstance(item, Mapping) for part in item.get("content") or []
            ]
            calls = [
                item for item in given["output"] if isinstance(item, Mapping) and item.get("type") == "function_call"
            ]
            return {"content": content, "tool_calls": calls}
        is_message = "role" in given and ("content" in given or "tool_calls" in given)
        return given if is_message else None
    if isinstance(given, str | list | tuple | bytes) or given is None:
        return None
    return given if _get(given, "content") is not None or _get(given, "tool_calls") else None


def _call(call: object) -> dict[str, Any] | None:
    inner = _get(call, "function")
    held = inner if isinstance(inner, Mapping) else call
    name = _get(held, "name")
    args = _get(held, "args")
    for name_of_args in ("arguments", "input"):
        args = args if args is not None else _get(held, name_of_args)
    if not isinstance(name, str):
        return None
    return {"id": _get(call, "id"), "tool": name, "args": args if args is not None else {}}


def _text(block: object) -> str:
    if isinstance(block, str):
        return block
    return next((value for key in BLOCK_KEYS if isinstance(value := _get(block, key), str)), "")


def _get(held: object, name: str) -> Any:
    if isinstance(held, Mapping):
        return held.get(name)
    try:
        value = getattr(held, name, None)
    except Exception:  # noqa: BLE001 - a foreign object's property: what cannot be had is not there
        return None
    return None if callable(value) else value
