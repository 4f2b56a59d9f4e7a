"""A chat model that answers by a script, after as many seconds as the script says: for recording without a live one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from concertino.contracts.json import JsonObject

CHARS_PER_TOKEN = 4
"""What a script's usage is counted by, where it does not say."""


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a script."""

    text: str = ""
    calls: Sequence[tuple[str, JsonObject]] = ()
    """Tools that it calls, with their arguments."""
    seconds: float = 0.5
    """How long it takes."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    fail: Exception | None = None
    """Raised instead, after as long."""
    metadata: dict[str, Any] = field(default_factory=dict)


Script = Callable[[Sequence[BaseMessage], Sequence[str]], Said]
"""From the messages, and the names of the tools that are offered, to the answer."""


class ScriptedModel(BaseChatModel):
    """See the module. Has the output cap that it is told, and keeps it."""

    script: Script
    max_tokens: int | None = 1_000

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Runnable[Any, Any]:
        """Bind tools in OpenAI's form."""
        made = [convert_to_openai_tool(one) for one in tools]
        return self.bind(tools=made, **({"tool_choice": tool_choice} if tool_choice else {}), **kwargs)

    def _said(self, messages: list[BaseMessage], given: dict[str, Any]) -> Said:
        return self.script(messages, [one["function"]["name"] for one in given.get("tools", ())])

    def _result(self, said: Said, messages: list[BaseMessage]) -> ChatResult:
        if said.fail is not None:
            raise said.fail
        text, calls = said.text, list(said.calls)
        size = len(text) + sum(len(str(arguments)) for _, arguments in calls)
        told = said.output_tokens if said.output_tokens is not None else max(1, size // CHARS_PER_TOKEN)
        cap = self.max_tokens or told
        if told > cap:
            text, calls = text[: int(len(text) * cap / told)], []
        read = sum(len(str(one.content)) for one in messages) // CHARS_PER_TOKEN
        into, out = said.input_tokens if said.input_tokens is not None else max(1, read), min(told, cap)
        message = AIMessage(
            text,
            tool_calls=[
                {"name": name, "args": dict(arguments), "id": f"call-{at}", "type": "tool_call"}
                for at, (name, arguments) in enumerate(calls, 1)
            ],
            usage_metadata={"input_tokens": into, "output_tokens": out, "total_tokens": into + out},
            response_metadata={
                "finish_reason": "length" if told > cap else "tool_calls" if calls else "stop",
                **said.metadata,
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        said = self._said(messages, kwargs)
        await asyncio.sleep(said.seconds)
        return self._result(said, messages)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return self._result(self._said(messages, kwargs), messages)
