"""One specialist at work: a LangChain agent with tools over the documents, until it hands in its finding.

Imported only when a specialist runs: LangChain takes a second to load.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, hook_config
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, StructuredTool

from concertino.contracts.errors import BudgetExceeded
from concertino.packs.diligence.answers import Answer
from concertino.packs.diligence.desk import Desk
from concertino.packs.diligence.reading import SUBMIT, Reading, is_submission, read_message
from concertino.prompts import fence

DESK_TOOLS = ("list_documents", "search_documents", "read_document")

LAST = "This is your last turn: hand in your finding now, with what you know."
SHORT_CHARS = 3_000
"""How much of what was read last is kept for the last turn where the budget has no room for all of it. Chosen by hand."""
AGAIN = "The finding was not accepted. Hand it in again, corrected:"


class Turns(AgentMiddleware[Any, Any]):
    """Bounds an agent's turns: in the last one only the finding can be handed in, and a finding ends it."""

    def __init__(self, most: int, desk: Desk) -> None:
        """Allow `most` calls of the model."""
        super().__init__()
        self.left, self._desk = most, desk
        self.ran_short = False
        """Whether the budget had no room for the whole conversation."""

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Count a call. One that the budget has no room for becomes the last, with as much as fits."""
        self.left -= 1
        self._desk.next_turn()
        try:
            response = await handler(request if self.left > 0 else _last(request))
        except BudgetExceeded:
            if self.ran_short:
                raise
            self.ran_short, self.left = True, 0
            response = await handler(_last(request.override(messages=_shortened(request.messages))))
        known = {message.id for message in request.messages}
        return replace(response, result=[_of_its_own(message, known) for message in response.result])

    @hook_config(can_jump_to=["end"])
    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """End once a finding is handed in or no turn is left."""
        return {"jump_to": "end"} if self.left <= 0 or is_submission(state["messages"][-1]) else None


def _last(request: ModelRequest[Any]) -> ModelRequest[Any]:
    """Return a request that offers nothing but to hand in the finding."""
    prompt = request.system_message
    only: list[Any] = [tool for tool in request.tools if getattr(tool, "name", None) == SUBMIT]
    text = f"{prompt.text}\n\n{LAST}" if prompt is not None else LAST
    return request.override(tools=only, system_message=SystemMessage(text))


def _shortened(messages: Sequence[BaseMessage]) -> list[Any]:
    """Return the request itself and the end of what was read."""
    read = "\n".join(str(message.content) for message in messages if isinstance(message, ToolMessage))
    kept = [HumanMessage(fence(read[-SHORT_CHARS:], source="what was read last"))] if read else []
    return [*messages[:1], *kept]


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
    first = Turns(turns, desk)
    said = await _talk(model, tools, [HumanMessage(request)], name=name, system=system, turns=first)
    reading = read_message(said[-1], form)
    notes = ("the budget ran short, so it was handed in with what had been read last",) if first.ran_short else ()
    if reading.answer is not None or first.ran_short:
        return replace(reading, notes=(*reading.notes, *notes))
    again = [*said, *_refusal(said[-1], reading.faults)]
    said = await _talk(model, tools, again, name=name, system=system, turns=Turns(1, desk))
    second = read_message(said[-1], form)
    return replace(second, notes=(*second.notes, "the first answer was refused"))


async def _talk(
    model: Any, tools: Sequence[BaseTool], messages: list[BaseMessage], *, name: str, system: str, turns: Turns
) -> list[BaseMessage]:
    most = 4 * turns.left + 10
    agent: Any = create_agent(
        model, list(tools), system_prompt=system, middleware=[turns], checkpointer=False, name=name
    )
    around = var_child_runnable_config.get() or {}
    # The agent keeps whoever listens, and nothing else of the run around it: neither its checkpoints, which would hold every document
    # that is read, nor its streams.
    alone = var_child_runnable_config.set(None)
    try:
        state = await agent.ainvoke(
            {"messages": messages}, {"recursion_limit": most, "callbacks": around.get("callbacks")}
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
