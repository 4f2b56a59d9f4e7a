"""One specialist at work: a LangChain agent with tools over the documents, until it hands in its finding.

Imported only when a specialist runs: LangChain takes a second to load.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, hook_config
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, StructuredTool

from concertino.packs.diligence.answers import Answer
from concertino.packs.diligence.desk import Desk
from concertino.packs.diligence.reading import SUBMIT, Reading, is_submission, read_message

CALLS_AT_ONCE = 8
"""Tool calls of one message that are carried out; the rest is left out. Chosen by hand."""

DESK_TOOLS = ("list_documents", "search_documents", "read_document")

LAST = "This is your last turn: hand in your finding now, with what you know."
AGAIN = "The finding was not accepted. Hand it in again, corrected:"


class Turns(AgentMiddleware[Any, Any]):
    """Bounds an agent's turns: in the last one only the finding can be handed in, and a finding ends it."""

    def __init__(self, most: int) -> None:
        """Allow `most` calls of the model."""
        super().__init__()
        self.left = most

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Count a call; offer nothing but the finding in the last one."""
        self.left -= 1
        if self.left <= 0:
            prompt = request.system_message
            text = f"{prompt.text}\n\n{LAST}" if prompt is not None else LAST
            only: list[Any] = [tool for tool in request.tools if getattr(tool, "name", None) == SUBMIT]
            request = request.override(tools=only, system_message=SystemMessage(text))
        response = await handler(request)
        known = {message.id for message in request.messages}
        return replace(response, result=[_of_its_own(message, known) for message in response.result])

    @hook_config(can_jump_to=["end"])
    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """End once a finding is handed in or no turn is left; carry out no more than `CALLS_AT_ONCE` calls."""
        last = state["messages"][-1]
        if self.left <= 0 or is_submission(last):
            return {"jump_to": "end"}
        if isinstance(last, AIMessage) and len(last.tool_calls) > CALLS_AT_ONCE:
            return {
                "messages": [AIMessage(content=last.content, id=last.id, tool_calls=last.tool_calls[:CALLS_AT_ONCE])]
            }
        return None


def _of_its_own(message: BaseMessage, known: set[str | None]) -> BaseMessage:
    """Return a message under an id that no earlier one has: some servers repeat theirs, and the earlier one would be replaced."""
    return message if message.id not in known else message.model_copy(update={"id": f"{message.id}-{len(known)}"})


async def interview(
    model: Any, desk: Desk, *, name: str, system: str, request: str, form: type[Answer], turns: int
) -> Reading:
    """Let an agent work on a request and return its answer; one that is refused is asked for once more.

    Raises:
        ConcertinoError: what the model's or the run's own bounds refuse.
    """
    tools = [*_tools(desk), _submit(form)]
    messages: list[BaseMessage] = [HumanMessage(request)]
    said = await _talk(model, tools, messages, name=name, system=system, turns=turns)
    reading = read_message(said[-1], form)
    if reading.answer is not None:
        return reading
    again = [*said, *_refusal(said[-1], reading.faults)]
    said = await _talk(model, tools, again, name=name, system=system, turns=1)
    second = read_message(said[-1], form)
    return Reading(second.answer, second.faults, (*second.notes, "the first answer was refused")[-10:])


async def _talk(
    model: Any, tools: Sequence[BaseTool], messages: list[BaseMessage], *, name: str, system: str, turns: int
) -> list[BaseMessage]:
    agent: Any = create_agent(
        model, list(tools), system_prompt=system, middleware=[Turns(turns)], checkpointer=False, name=name
    )
    around = var_child_runnable_config.get() or {}
    # The agent keeps whoever listens, and nothing else of the run around it: neither its checkpoints, which would hold every document
    # that is read, nor its streams.
    alone = var_child_runnable_config.set(None)
    try:
        state = await agent.ainvoke(
            {"messages": messages}, {"recursion_limit": 4 * turns + 10, "callbacks": around.get("callbacks")}
        )
    finally:
        var_child_runnable_config.reset(alone)
    return list(state["messages"])


def _refusal(last: BaseMessage, faults: Sequence[str]) -> list[BaseMessage]:
    """Return what follows a refused answer; every call of the message has to be answered, or providers refuse the next one."""
    text = "\n".join((AGAIN, *(f"- {fault}" for fault in faults)))
    calls = [*getattr(last, "tool_calls", ()), *getattr(last, "invalid_tool_calls", ())]
    answered: list[BaseMessage] = [
        ToolMessage(text if call.get("name") == SUBMIT else "not carried out", tool_call_id=str(call["id"]))
        for call in calls
        if call.get("id")
    ]
    return answered if any(call.get("name") == SUBMIT for call in calls) else [*answered, HumanMessage(text)]


def _tools(desk: Desk) -> list[BaseTool]:
    async def list_documents() -> str:
        return await desk.list_documents()

    async def search_documents(query: str) -> str:
        return await desk.search_documents(query)

    async def read_document(file: str, from_line: int = 1, to_line: int | None = None) -> str:
        return await desk.read_document(file, from_line, to_line)

    described: dict[str, Callable[..., Awaitable[str]]] = {
        "List the documents with their kind and size.": list_documents,
        "Search all documents for words; returns the best places as file:line with their text.": search_documents,
        "Read a document from one line to another, both included; in a PDF lines are pages.": read_document,
    }
    return [
        StructuredTool.from_function(coroutine=function, name=name, description=text)
        for name, (text, function) in zip(DESK_TOOLS, described.items(), strict=True)
    ]


def _submit(form: type[Answer]) -> BaseTool:
    async def handed_in(**given: Any) -> str:
        return "Handed in."

    text = "Hand in your finding. This ends your work; call it once, and last."
    return StructuredTool.from_function(coroutine=handed_in, name=SUBMIT, description=text, args_schema=form)
