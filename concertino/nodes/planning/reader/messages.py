"""Messages of chat models, by their shape: tool calls, content blocks, and the answers of providers' APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from concertino.nodes.planning.reader.elements import INPUT_KEYS
from concertino.nodes.planning.reader.literals import CALLED

CALL_BLOCKS = ("tool_use", "tool_call", "function_call", "invalid_tool_call")
CALL_FIELDS = ("function", "functionCall", "function_call", "toolUse", "tool_use", "toolCall", "tool_call")
"""Fields that hold a call's name and arguments one level down."""
NAME_KEYS = ("name", "tool", "tool_name", "toolName", "function", "function_name", "action", "recipient_name", CALLED)
ARGS_KEYS = ("args", *INPUT_KEYS)
SPEAKERS = frozenset({"user", "assistant", "system", "tool", "human", "ai", "model", "developer", "function"})
"""Roles of a conversation; none is a specialist's."""
OUTPUTS = frozenset({"message", "function_call", "reasoning", "output_text", "custom_tool_call"})
"""Kinds of what the OpenAI responses API puts out."""
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
    blocks = [block for block in content if _is_call(block)] if isinstance(content, list) else []
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


class Call(NamedTuple):
    """A call as some API writes it."""

    name: str
    args: Any


def call_in(given: Mapping[str, Any]) -> Call | None:
    """Return the call that a mapping is, in whatever words: a name, and arguments beside it; `None` for what is none."""
    held = next((given[key] for key in CALL_FIELDS if isinstance(given.get(key), Mapping)), given)
    name = next((held[key] for key in NAME_KEYS if isinstance(held.get(key), str) and held[key].strip()), None)
    key = next((key for key in ARGS_KEYS if held.get(key) not in (None, "", [], {})), None)
    if name is None or key is None:
        return None
    args = held[key]
    if CALLED in held and isinstance(args, list) and len(args) == 1:
        args = args[0]  # its one argument without a name
    return Call(name.strip(), args)


def is_talk(given: object) -> bool:
    """Say whether something is one message of a conversation that was written down."""
    return isinstance(given, Mapping) and given.get("role") in SPEAKERS and message_in(given) is not None


def message_in(given: object) -> Any:
    """Return what has content or tool calls, the first choice of an API's answer; `None` for what is no message."""
    if isinstance(given, Mapping):
        return _message(given)
    if isinstance(given, str | list | tuple | bytes) or given is None:
        return None
    return given if _get(given, "content") is not None or _get(given, "tool_calls") else None


def _message(given: Mapping[str, Any]) -> Any:
    first = next(
        (held[0] for key in ("choices", "candidates") if isinstance(held := given.get(key), list) and held), None
    )
    if isinstance(first, Mapping):  # OpenAI's chat, Gemini
        held = first.get("message") or first.get("delta") or first.get("content") or first.get("text")
        return {"content": held} if isinstance(held, str) else (_parted(held) or held)
    output = given.get("output")
    if isinstance(output, list) and (
        given.get("object") == "response" or any(_get(item, "type") in OUTPUTS for item in output)
    ):
        items = [item for item in output if isinstance(item, Mapping)]
        content = [part for item in items for part in _listed(item.get("content"))]
        return {
            "content": content,
            "tool_calls": [item for item in items if item.get("type") in CALL_BLOCKS],
        }
    if "lc" in given and isinstance(given.get("kwargs"), Mapping):  # LangChain's own serialisation
        return given["kwargs"]
    if (parted := _parted(given)) is not None:
        return parted
    says = "role" in given or given.get("type") in ("ai", "assistant", "AIMessageChunk") or "additional_kwargs" in given
    is_message = ("content" in given and (says or "tool_calls" in given)) or (says and "tool_calls" in given)
    return given if is_message else None


def _parted(given: object) -> dict[str, Any] | None:
    """Return Gemini's content as a message."""
    parts = _get(given, "parts")
    if not isinstance(parts, list) or not any(_get(part, "text") or _get(part, "functionCall") for part in parts):
        return None
    return {"content": parts}


def _listed(given: object) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [] if given is None else [given]


def _call(call: object) -> dict[str, Any] | None:
    held = next((inner for key in CALL_FIELDS if isinstance(inner := _get(call, key), Mapping)), call)
    name = _get(held, "name")
    args = next((value for key in ARGS_KEYS if (value := _get(held, key)) is not None), None)
    if not isinstance(name, str):
        return None
    return {"id": _get(call, "id"), "tool": name, "args": args if args is not None else {}}


def _is_call(block: object) -> bool:
    return _get(block, "type") in CALL_BLOCKS or any(isinstance(_get(block, key), Mapping) for key in CALL_FIELDS)


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
