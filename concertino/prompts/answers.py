"""What a model's message says of itself: that it is a refusal, that it was cut off, that it says nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

CUT = frozenset({"length", "max_tokens", "model_length"})
"""Reasons for ending at the output cap: OpenAI's protocol, Anthropic and Gemini, Mistral; in any case of letters."""
REFUSED = frozenset({"content_filter", "refusal", "safety"})
APOLOGY = re.compile(
    r"(?:(?:i(?:'|\u2019)m|i am) (?:very |so |really |truly )?sorry|sorry|i apologi[sz]e|i (?:can(?:'|\u2019)t|cannot|can not|won(?:'|\u2019)t|will not)|"
    r"(?:i(?:'|\u2019)m|i am) (?:unable|not able))\b",
    re.IGNORECASE,
)
"""How a refusal in plain words begins. Says nothing of an answer that holds what was asked for."""


def refusal_in(message: object) -> str | None:
    """Return the words of an explicit refusal, as OpenAI's protocol has them beside the content or as a block of it."""
    more = _mapping(message, "additional_kwargs")
    if isinstance(told := more.get("refusal"), str) and told:
        return told
    content = getattr(message, "content", None)
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == "refusal":
            return str(block.get("refusal") or "no reason given")
    ended = _ended(message)
    return f"it ended by {ended}" if ended in REFUSED else None


def is_apology(message: object) -> bool:
    """Say whether a text begins as a refusal in plain words does; only of use where it holds nothing else."""
    return APOLOGY.match(text_in(message).lstrip()) is not None


def was_cut(message: object) -> bool:
    """Say whether an answer ended at its output cap."""
    incomplete = _mapping(message, "response_metadata").get("incomplete_details")
    return _ended(message) in CUT or (
        isinstance(incomplete, Mapping) and incomplete.get("reason") == "max_output_tokens"
    )


def is_empty(message: object) -> bool:
    """Say whether a chat model's message has neither text nor tool calls. What is no message is not empty, but for a blank text."""
    if message is None or isinstance(message, str):
        return not (message or "").strip()
    content = getattr(message, "content", None)
    if not isinstance(content, str | list):
        return False
    more = _mapping(message, "additional_kwargs")
    calls = [getattr(message, name, None) for name in ("tool_calls", "invalid_tool_calls", "parsed")]
    calls += [more.get(name) for name in ("tool_calls", "function_call", "parsed")]
    if any(calls):
        return False
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    return not text_in(message).strip() and not any(
        "call" in (kind := str(block.get("type"))) or kind == "tool_use" for block in blocks
    )


def text_in(message: object) -> str:
    """Return a message's text, its blocks joined; thinking is none of it."""
    content = getattr(message, "content", message)
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "".join(
        block if isinstance(block, str) else str(block.get("text") or "")
        for block in blocks
        if isinstance(block, str) or (isinstance(block, dict) and block.get("type") in {"text", "output_text"})
    )


def _ended(message: object) -> str:
    more = _mapping(message, "response_metadata")
    return str(more.get("finish_reason") or more.get("stop_reason") or "").lower()


def _mapping(message: object, name: str) -> Mapping[str, Any]:
    found = getattr(message, name, None)
    return found if isinstance(found, Mapping) else {}
