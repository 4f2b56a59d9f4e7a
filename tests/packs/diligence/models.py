"""Chat models made by hand: one that follows a script, and one that obeys whatever it reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

Reply = Callable[[Sequence[BaseMessage], Sequence[str]], AIMessage]
"""From the messages and the names of the tools offered to the answer."""

_numbers = itertools.count(1)


def calls(*made: tuple[str, dict[str, Any]]) -> AIMessage:
    """Return a message that calls tools."""
    listed = [{"name": name, "args": args, "id": f"call-{next(_numbers)}", "type": "tool_call"} for name, args in made]
    return AIMessage("", tool_calls=listed)


def submission(**changes: Any) -> AIMessage:
    """Return a message that hands in a sound finding with changes."""
    return calls(("submit_finding", finding(**changes)))


def finding(**changes: Any) -> dict[str, Any]:
    """Return a sound answer of any domain."""
    sound: dict[str, Any] = {
        "recommendation": "proceed",
        "risk": "low",
        "score": 60,
        "summary": "Nothing stands out.",
        "confidence": 0.8,
        "evidence": [{"file": "overview.md", "line": 3, "quote": "84 employees", "claim": "size"}],
        "compliance": "compliant",
    }
    return {**sound, **changes}


class Scripted(BaseChatModel):
    """Answers by a function; keeps what it was told and offered."""

    reply: Reply
    seen: list[list[BaseMessage]] = Field(default_factory=list)
    offered: list[tuple[str, ...]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[{"name": str(getattr(tool, "name", tool))} for tool in tools])

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        names = tuple(tool["name"] for tool in kwargs.get("tools", ()))
        self.seen.append(list(messages))
        self.offered.append(names)
        return ChatResult(generations=[ChatGeneration(message=self.reply(messages, names))])


def in_turn(*messages: AIMessage) -> Scripted:
    """Return a model that says these messages one after another."""
    waiting = iter(messages)
    return Scripted(reply=lambda *_: next(waiting))


def domain_of(messages: Sequence[BaseMessage]) -> str:
    """Return whose prompt a model was given."""
    system = str(messages[0].content)
    return next(name for name in ("financial", "legal", "market", "technical", "regulatory") if FIELDS[name] in system)


FIELDS = {
    "financial": "Your field: financial",
    "legal": "Your field: legal",
    "market": "Your field: market",
    "technical": "Your field: technology",
    "regulatory": "Your field: regulatory",
}
