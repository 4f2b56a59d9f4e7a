"""A request to a chat model, and its answer, as JSON that is the same whatever the provider's own form is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import JsonValue

from concertino.contracts.json import JsonObject
from concertino.tools.models.request import schema_of, without_caps

NEUTRAL = "concertino_tools"
"""Setting of a request in which its tools travel in neutral form, beside the provider's own."""
FORMS = ("response_format", "text", "format")
"""Settings in which the form of an answer is asked for."""
SENT = ("refusal", "function_call", "reasoning_content")
"""Of a message's additional fields, those that a provider is sent again."""
HEADERS = frozenset({"retry-after", "content-type", "openai-processing-ms"})
"""Headers of an answer that may go on a tape, of those that a client puts in its metadata."""
UNTOLD = frozenset({"id", "created", "created_at", "token_usage", "logprobs", "parsed"})
"""Fields of an answer's metadata that another recording would have differently, or that stand elsewhere."""
UNASKED = frozenset({
    "timeout", "stream", "stream_usage", "stream_options", "tools", "tool_choice", "response_format", "text", "format",
    "parallel_tool_calls", NEUTRAL,
})  # fmt: skip
"""Settings that are not what is asked, or that are said in neutral form."""


def request_of(messages: Sequence[BaseMessage], stop: Sequence[str] | None, settings: Mapping[str, Any]) -> JsonObject:
    """Return what is asked of a model."""
    ids: dict[str, str] = {}
    made: JsonObject = {"messages": [_message(one, ids) for one in messages]}
    if stop:
        made["stop"] = list(stop)
    if settings:
        _add_settings(made, settings)
    return made


def _add_settings(made: JsonObject, settings: Mapping[str, Any]) -> None:
    tools = settings.get(NEUTRAL) or settings.get("tools")
    if tools:
        listed = [neutral_tool(one) for one in tools]
        made["tools"] = [*listed]
        choice = _choice(settings.get("tool_choice"))
        if choice is not None:
            made["tool_choice"] = "required" if [choice] == [one.get("name") for one in listed] else choice
    form = next((settings[one] for one in FORMS if settings.get(one) is not None), None)
    if form is not None:
        made["format"] = _form(form)
    more = {name: plain(value) for name, value in without_caps(settings).items() if name not in UNASKED}
    if more:
        made["settings"] = more


def _message(message: BaseMessage, ids: dict[str, str]) -> JsonObject:
    """Return a message; ids of tool calls are numbered, as providers make them up."""
    made: JsonObject = {"role": message.type, "content": _content(message.content)}
    held = vars(message)
    calls, answers, more = held.get("tool_calls"), held.get("tool_call_id"), held.get("additional_kwargs")
    if calls:
        made["tool_calls"] = [
            {"name": one["name"], "args": plain(one["args"]), "id": _numbered(one.get("id"), ids)} for one in calls
        ]
    if answers is not None:
        made["tool_call_id"] = ids.get(answers, "call-0")
    if held.get("name"):
        made["name"] = held["name"]
    if held.get("invalid_tool_calls"):
        made["invalid_tool_calls"] = [
            {"name": one.get("name"), "args": one.get("args")} for one in held["invalid_tool_calls"]
        ]
    if more and (sent := {name: plain(more[name]) for name in SENT if more.get(name)}):
        made["more"] = sent
    return made


def _numbered(given: str | None, ids: dict[str, str]) -> str:
    """Return the next number, also for an id that an earlier call had: some servers begin anew in every answer."""
    ids[""] = made = f"call-{int(ids.get('', 'call-0').removeprefix('call-')) + 1}"
    ids[given or made] = made
    return made


def _content(content: Any) -> JsonValue:
    return content if isinstance(content, str) else plain(content)


def neutral_tool(tool: Any) -> JsonObject:
    """Return a tool's name, description and parameters, from whichever of the providers' forms it is in."""
    if not isinstance(tool, Mapping):
        tool = convert_to_openai_tool(tool)
    inner: Any = tool.get("function") if isinstance(tool.get("function"), Mapping) else tool
    schema = next((inner[one] for one in ("parameters", "input_schema") if one in inner), None)
    made = {"name": inner.get("name"), "description": inner.get("description"), "parameters": plain(schema)}
    return {name: value for name, value in made.items() if value is not None}


def _form(given: Any) -> JsonValue:
    """Return the schema of an answer that was asked for, or what else was said of its form."""
    given = schema_of(given)
    inner = given.get("json_schema", given.get("format")) if isinstance(given, Mapping) else None
    return plain(inner["schema"] if isinstance(inner, Mapping) and "schema" in inner else given)


def _choice(given: Any) -> str | None:
    if isinstance(given, Mapping):
        inner = given.get("function")
        given = inner.get("name") if isinstance(inner, Mapping) else given.get("name") or given.get("type")
    if given is True or given in ("any", "required"):
        return "required"
    return given if isinstance(given, str) and given != "auto" else None


def plain(value: Any) -> JsonValue:
    """Return anything as JSON: what has no form of its own is named by its class."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(one) for one in value]
    return f"<{type(value).__name__}>"


# Answers.


def result_of(result: ChatResult, *, call: str) -> JsonObject:
    """Return an answer with all its choices; ids of tool calls are made from `call`, as providers' own differ every time."""
    first, *others = [_answer(one, f"{call}.{at}" if at else call) for at, one in enumerate(result.generations)] or [{}]
    if others:
        first["others"] = [*others]
    if result.llm_output and (about := {n: plain(v) for n, v in result.llm_output.items() if n not in UNTOLD}):
        first["about"] = about
    return first


def _answer(generation: ChatGeneration, call: str) -> JsonObject:
    message = generation.message
    made: JsonObject = {"content": _content(message.content)}
    made |= _calls(message, call)
    made |= _about(message)
    return made | _info(generation)


def _info(generation: ChatGeneration) -> JsonObject:
    info = {n: plain(v) for n, v in (generation.generation_info or {}).items() if n not in UNTOLD and v is not None}
    return {"info": info} if info else {}


def _calls(message: BaseMessage, call: str) -> JsonObject:
    made: JsonObject = {}
    numbers = iter(range(1, 1_000_000))
    if calls := getattr(message, "tool_calls", None):
        made["tool_calls"] = [
            {"name": one["name"], "args": plain(one["args"]), "id": f"{call}-{next(numbers)}"} for one in calls
        ]
    if wrong := getattr(message, "invalid_tool_calls", None):
        made["invalid_tool_calls"] = [
            {
                "name": one.get("name"),
                "args": one.get("args"),
                "id": f"{call}-{next(numbers)}",
                "error": one.get("error"),
            }
            for one in wrong
        ]
    return made


def _about(message: BaseMessage) -> JsonObject:
    more = {
        name: plain(value) for name, value in message.additional_kwargs.items() if name not in ("tool_calls", "parsed")
    }
    meta = {name: plain(value) for name, value in message.response_metadata.items() if name not in UNTOLD}
    if isinstance(headers := meta.get("headers"), dict):
        meta["headers"] = {name: value for name, value in headers.items() if name.lower() in HEADERS}
    return {name: value for name, value in (("more", more), ("meta", meta)) if value}


def usage_of(message: BaseMessage) -> JsonObject | None:
    """Return what an answer reports to have used."""
    told = plain(getattr(message, "usage_metadata", None))
    return told if isinstance(told, dict) and told else None


def chat_result(response: JsonObject, usage: JsonObject | None) -> ChatResult:
    """Return a recorded answer as LangChain's; what a caller may change in it is its own."""
    others: Any = response.get("others") or ()
    about: Any = response.get("about")
    return ChatResult(
        generations=[
            _generation(response, usage), *(_generation(one, None) for one in others),
        ],
        llm_output=dict(about) if about else None,
    )  # fmt: skip


def _generation(response: JsonObject, usage: JsonObject | None) -> ChatGeneration:
    info: Any = response.get("info")
    return ChatGeneration(message=answer_of(response, usage), generation_info=dict(info) if info else None)


def answer_of(response: JsonObject, usage: JsonObject | None) -> AIMessage:
    """Return a recorded answer as LangChain's message."""
    made: dict[str, Any] = {**response}
    told: Any = usage
    return AIMessage(
        content=made.get("content", ""),
        additional_kwargs=dict(made.get("more") or {}),
        response_metadata=dict(made.get("meta") or {}),
        tool_calls=[tool_call(name=one["name"], args=one["args"], id=one["id"]) for one in made.get("tool_calls", ())],
        invalid_tool_calls=[
            invalid_tool_call(name=one["name"], args=one["args"], id=one["id"], error=one.get("error"))
            for one in made.get("invalid_tool_calls", ())
        ],
        usage_metadata=told,
    )


# Pieces of a stream: a text stands for itself.


def piece_of(chunk: ChatGenerationChunk, *, call: str) -> JsonValue:
    """Return a piece of a streamed answer."""
    message = chunk.message
    made: JsonObject = {} if message.content == "" else {"content": _content(message.content)}
    if chunks := getattr(message, "tool_call_chunks", None):
        made["calls"] = [
            {
                "name": one.get("name"), "args": one.get("args"), "index": one.get("index"),
                "id": None if one.get("id") is None else f"{call}-{(one.get('index') or 0) + 1}",
            }
            for one in chunks
        ]  # fmt: skip
    made |= _about(message) | _info(chunk)
    if (usage := usage_of(message)) is not None:
        made["usage"] = usage
    if getattr(message, "chunk_position", None) == "last":
        made["last"] = True
    return made["content"] if set(made) == {"content"} and isinstance(made["content"], str) else made


def chunk_of(piece: object) -> ChatGenerationChunk:
    """Return a recorded piece as LangChain's chunk."""
    if isinstance(piece, str):
        return ChatGenerationChunk(message=AIMessageChunk(content=piece))
    made: dict[str, Any] = dict(piece) if isinstance(piece, Mapping) else {}
    info = made.get("info")
    return ChatGenerationChunk(message=_chunk(made), generation_info=dict(info) if info else None)


def _chunk(made: Mapping[str, Any]) -> AIMessageChunk:
    return AIMessageChunk(
        content=made.get("content", ""),
        additional_kwargs=dict(made.get("more") or {}),
        response_metadata=dict(made.get("meta") or {}),
        tool_call_chunks=[
            tool_call_chunk(name=one.get("name"), args=one.get("args"), id=one.get("id"), index=one.get("index"))
            for one in made.get("calls", ())
        ],
        usage_metadata=made.get("usage"),
        chunk_position="last" if made.get("last") else None,
    )
