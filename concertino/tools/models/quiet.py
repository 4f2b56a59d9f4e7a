"""A governed model's answer where nobody listens: the request itself, without LangChain's telling of it.

Telling handlers costs ten times what the rest of LangChain's way to a request does, also where there are none to be told.
"""

# pyright: reportPrivateUsage=false
# LangChain's hooks of chat models are named as private, and meant for whoever derives a model, as `GovernedModel` does.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from concertino.contracts.ids import Ids
from concertino.tools.models import wire
from concertino.tools.models.foreign_callbacks import is_of_ours

TOLD = ("ls_structured_output_format", "structured_output_format")
"""Settings of a request that are meant for handlers alone."""
GATEWAY = "lc_gateway_metadata"
"""What `ChatGeneration.generation_info` holds for LangChain alone, and no answer shows."""
ID = "lc_run-"
"""How LangChain begins the ids of answers."""


def quiet_messages(
    model: BaseChatModel, given: LanguageModelInput, config: RunnableConfig | None, settings: Mapping[str, Any]
) -> list[BaseMessage] | None:
    """Return the messages of a request that can be made without a word; `None` where LangChain must see to it.

    That is where anybody hears of it, or where something beside the model may answer it, hold it up or reword it.
    """
    if model.cache not in (None, False) or model.rate_limiter is not None or model.output_version == "v1":
        return None
    if get_llm_cache() is not None or model._should_stream(async_api=True, **settings):
        return None
    around = config if config and config.get("callbacks") is not None else var_child_runnable_config.get() or {}
    heard = AsyncCallbackManager.configure(around.get("callbacks"), model.callbacks, model.verbose)
    if not all(is_of_ours(handler) for handler in heard.handlers):
        return None
    messages: list[BaseMessage] = model._convert_input(given).to_messages()
    return messages if all(isinstance(message.content, str) for message in messages) else None


async def answer(
    model: BaseChatModel, messages: list[BaseMessage], *, stop: list[str] | None, settings: Mapping[str, Any], ids: Ids
) -> AIMessage:
    """Return the model's answer, with what LangChain puts on it; `ids` names one that the model does not name."""
    wire.let_go()
    asked = {name: value for name, value in settings.items() if name not in TOLD}
    made = await model._agenerate(messages, stop=stop, **asked)
    generation = made.generations[0]
    message = generation.message
    assert isinstance(message, AIMessage)
    if message.id is None:
        message.id = f"{ID}-{ids('answer')}"
    told = {name: value for name, value in (generation.generation_info or {}).items() if name != GATEWAY}
    message.response_metadata = {**told, **message.response_metadata}
    if len(made.generations) == 1 and made.llm_output is not None:
        message.response_metadata = {**made.llm_output, **message.response_metadata}
    return message
