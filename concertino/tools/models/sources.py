"""What a model is given as: `"provider:name"`, or a LangChain chat model of the caller's own.

Neither is changed. What calls it is a copy whose SDK does not retry, and which has HTTP connections of its own for every
event loop: LangChain's cached client breaks when a second loop reuses the first one's connections.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from concertino.contracts.errors import SetupError, quote
from concertino.tools import threads
from concertino.tools.models import connections

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from concertino.tools.models.outlet import Outlet

OPENAI_KEY, OPENAI_URLS = "OPENAI_API_KEY", ("OPENAI_BASE_URL", "OPENAI_API_BASE")
NO_KEY = "none"
"""Sent to a server of one's own, which asks for no key."""
PROVIDERS = {"ChatOpenAI": "openai", "AzureChatOpenAI": "azure", "ChatAnthropic": "anthropic",
             "ChatGoogleGenerativeAI": "google", "ChatMistralAI": "mistral", "ChatGroq": "groq"}  # fmt: skip
"""genai-prices' providers of LangChain's classes."""
NAME_CHARS = 200

unbuilt: ContextVar[bool] = ContextVar("concertino_unbuilt_models", default=False)
"""Set where models are played from a tape: a name is then taken as it is, without its package and without a key."""


class ModelSource:
    """A chat model that can be built: its name, whom to pay, and where it answers. Equal sources share what they built."""

    def __init__(
        self,
        *,
        name: str,
        provider: str,
        model: str,
        make: Callable[[], BaseChatModel],
        endpoint: str = "",
        field: str = "model",
    ) -> None:
        self.name, self.provider, self.model = name, provider, model
        self._make, self._endpoint, self._field = make, endpoint, field
        self.face: Any = None
        """What stands for it in governed models, without anybody's binding; made once, there."""
        self._lock = threading.Lock()
        self._built: BaseChatModel | None = None
        self._blocking: Outlet | None = None
        self._on_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Outlet] = weakref.WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"<model {self.name}>"

    @property
    def endpoint(self) -> str:
        """What shares a circuit breaker: the server and the model."""
        if self._endpoint:
            return self._endpoint
        named = f"{server_of(self._built)}/{self.model}"
        if self._built is not None:
            self._endpoint = named
        return named

    @property
    def is_built(self) -> bool:
        """Whether it was built."""
        return self._built is not None

    @property
    def built(self) -> BaseChatModel:
        """The model as it was given, for its settings; `build` must have been called."""
        if self._built is None:
            raise RuntimeError(f"{self.name} was not built yet")
        return self._built

    def build(self) -> BaseChatModel:
        """Build the model, once. Importing its package takes seconds: not to be called on an event loop.

        Raises:
            SetupError: it cannot be built.
        """
        with self._lock:
            if self._built is None:
                try:
                    made = self._make()
                except SetupError:
                    raise
                except Exception as error:
                    raise SetupError(field=self._field, value=self.name, rule=f"cannot be built: {error}") from error
                self._blocking = _outlet(_unretried(made))
                self._endpoint = self._endpoint or f"{server_of(made)}/{self.model}"
                self._built = made
            return self._built

    def here(self) -> Outlet | None:
        """Return the outlet for requests from the running event loop, where `on_this_loop` has made one."""
        return self._on_loops.get(asyncio.get_running_loop())

    async def on_this_loop(self) -> Outlet:
        """Return the outlet for requests from the running event loop, with connections of that loop's own."""
        known = self.here()
        if known is None:
            made = await _with_own_connections(await threads.run(_unretried, self.built), self.built)
            with self._lock:
                for ended in [one for one in self._on_loops if one.is_closed()]:
                    del self._on_loops[ended]
                known = self._on_loops.setdefault(asyncio.get_running_loop(), _outlet(made))
        return known

    def in_thread(self) -> Outlet:
        """Return the outlet for requests from plain threads."""
        self.build()
        assert self._blocking is not None
        return self._blocking


def as_model(given: object, *, field: str) -> ModelSource:
    """Return `"provider:name"` or a LangChain chat model as a source; nothing is imported or built for a name.

    Raises:
        SetupError: neither of both, a provider whose package is not there, or a key that is missing.
    """
    if isinstance(given, ModelSource):
        return given
    if isinstance(given, str):
        provider, colon, model = given.partition(":")
        if not colon or not provider or not model or len(given) > NAME_CHARS or not given.isprintable():
            raise SetupError(field=field, value=given, rule='must be "provider:name", e.g. "openai:gpt-5-mini"')
        if unbuilt.get():
            return ModelSource(
                name=given, provider=provider, model=model, make=lambda: _refuse(given, field), field=field
            )
        return _openai(given, model, field) if provider == "openai" else _any(given, provider, model, field)
    if all(hasattr(given, name) for name in ("_llm_type", "_generate", "ainvoke")):
        return _given(given)
    raise SetupError(field=field, value=given, rule='must be "provider:name" or a LangChain chat model')


def _refuse(name: str, field: str) -> BaseChatModel:
    raise SetupError(field=field, value=name, rule="is played from a tape here, and cannot be asked anything else")


def _openai(name: str, model: str, field: str) -> ModelSource:
    if find_spec("langchain_openai") is None:
        raise SetupError(field=field, value=name, rule="needs langchain-openai: pip install 'concertino[openai]'")
    key, url = os.environ.get(OPENAI_KEY), next((os.environ[one] for one in OPENAI_URLS if os.environ.get(one)), None)
    if not key and not url:
        raise SetupError(
            field=field, value=name, rule=f"needs {OPENAI_KEY}, or {OPENAI_URLS[0]} for a server without keys"
        )

    def make() -> BaseChatModel:
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        return ChatOpenAI(model=model, api_key=SecretStr(key or NO_KEY), base_url=url, max_retries=0)

    return ModelSource(name=name, provider="openai", model=model, make=make, field=field)


def _any(name: str, provider: str, model: str, field: str) -> ModelSource:
    if find_spec("langchain") is None:
        raise SetupError(
            field=field, value=name, rule="other providers than openai need langchain: pip install langchain"
        )

    def make() -> BaseChatModel:
        from langchain.chat_models import init_chat_model

        return init_chat_model(model, model_provider=provider)

    return ModelSource(name=name, provider=provider, model=model, make=make, field=field)


def _given(given: Any) -> ModelSource:
    model = next((value for one in ("model_name", "model") if isinstance(value := getattr(given, one, None), str)), "")
    kind = type(given).__name__
    provider = next((PROVIDERS[base.__name__] for base in type(given).__mro__ if base.__name__ in PROVIDERS), "")
    made = ModelSource(
        name=f"{provider or kind}:{model}" if model else kind,
        provider=provider,
        model=model or kind,
        make=lambda: given,
    )
    made.build()
    return made


def server_of(model: Any) -> str:
    """Return the host that a model's client talks to, its class where that cannot be seen."""
    client = getattr(model, "root_client", None) or getattr(model, "root_async_client", None)
    netloc = getattr(getattr(client, "base_url", None), "netloc", None)
    if isinstance(netloc, bytes):
        return netloc.decode("ascii", "replace")
    base = getattr(model, "base_url", None)
    return quote(base) if isinstance(base, str) else type(model).__name__


def _outlet(model: BaseChatModel) -> Outlet:
    from concertino.tools.models.outlet import Outlet

    return Outlet(model)


def _unretried(model: BaseChatModel) -> BaseChatModel:
    """Return a copy of a model that does not retry by itself: retries in more than one layer multiply."""
    if "max_retries" in type(model).model_fields:
        copy: Any = model.model_copy(update={"max_retries": 0})
    else:
        copy = model.model_copy()
    if "stream_usage" in type(model).model_fields:
        copy.stream_usage = True  # what a stream used is what settles it
    if "streaming" in type(model).model_fields:
        copy.streaming = False  # who calls says whether it streams
    for root, part in (("root_client", "client"), ("root_async_client", "async_client")):
        client = getattr(copy, root, None)
        if client is not None and hasattr(client, "with_options"):
            quiet = client.with_options(max_retries=0)
            setattr(copy, root, quiet)
            setattr(copy, part, quiet.chat.completions)
    # What a class builds on first use and keeps was built for the retrying original.
    for name, kept in list(vars(copy).items()):
        if name not in type(model).model_fields and hasattr(getattr(kept, "with_options", None), "__call__"):  # noqa: B004
            vars(copy)[name] = kept.with_options(max_retries=0)
    return copy  # type: ignore[no-any-return]


async def _with_own_connections(copy: Any, given: Any) -> BaseChatModel:
    """Give an OpenAI client the running loop's connections, unless the caller has set his own."""
    client = getattr(copy, "root_async_client", None)
    if client is not None and hasattr(client, "copy") and getattr(given, "http_async_client", None) is None:

        def make() -> Any:
            from openai import DefaultAsyncHttpxClient

            return DefaultAsyncHttpxClient(timeout=client.timeout)

        own = client.copy(http_client=await connections.on_this_loop(str(client.base_url), make))
        copy.root_async_client, copy.async_client = own, own.chat.completions
    return copy  # type: ignore[no-any-return]
