"""What a model may be given as, and what is missing said before anything runs."""

import asyncio
import sys
from typing import Any

import pytest

from concertino.contracts.errors import SetupError
from concertino.tools.models import sources
from concertino.tools.models.sources import as_model
from tests.loopback.openai_server import OpenAIServer, Say
from tests.tools.models.governing import Governing, client


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("given", ["gpt-5", "openai:", ":gpt", "openai:a\nb", "x" * 300 + ":y", 7, None, object()])
def test_what_is_no_model_is_refused(given: object) -> None:
    """A name has a provider and a model; anything else is a LangChain chat model."""
    with pytest.raises(SetupError, match="provider:name"):
        as_model(given, field="model")


def test_missing_key_is_named_at_once() -> None:
    """The variable is named, and how a server without keys is reached."""
    with pytest.raises(SetupError, match="needs OPENAI_API_KEY, or OPENAI_BASE_URL"):
        as_model("openai:gpt-5-mini", field="model")


def test_missing_package_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported to find out."""
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"pip install 'concertino\[openai\]'"):
        as_model("openai:gpt-5-mini", field="model")
    with pytest.raises(SetupError, match="pip install langchain"):
        as_model("anthropic:claude-sonnet-4-5", field="model")


def test_provider_whose_package_is_not_there_is_named_when_built() -> None:
    """LangChain says which package it is."""
    with pytest.raises(SetupError, match="langchain-anthropic"):
        as_model("anthropic:claude-sonnet-4-5", field="model").build()


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
async def test_server_of_ones_own_needs_no_key(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a base URL alone, a name reaches that server."""
    with OpenAIServer(Say("fine", input_tokens=9, output_tokens=1)) as server:
        monkeypatch.setenv(variable, server.url)
        source = as_model("openai:local", field="model")
        assert (await Governing().model(source).ainvoke("hi")).text == "fine"
        assert server.requests[0].headers["authorization"] == f"Bearer {sources.NO_KEY}"
        assert source.endpoint == f"{server.url[7:-3]}/local"


def test_name_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing a provider's package takes seconds; reading a name takes none of them."""
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    for name in [one for one in sys.modules if one.partition(".")[0] == "langchain_openai"]:
        monkeypatch.delitem(sys.modules, name)
    as_model("openai:gpt-5-mini", field="model")
    assert "langchain_openai" not in sys.modules


def test_model_is_built_once() -> None:
    """Threads that ask at the same time get the same."""
    made: list[object] = []

    def make() -> Any:
        made.append(object())
        with OpenAIServer(Say()) as server:
            return client(server)

    source = sources.ModelSource(name="a:b", provider="a", model="b", make=make)

    async def both() -> list[Any]:
        return list(await asyncio.gather(asyncio.to_thread(source.build), asyncio.to_thread(source.build)))

    first, second = asyncio.run(both())
    assert first is second
    assert len(made) == 1


def test_callers_model_names_itself() -> None:
    """Provider, model and server are read from the object."""
    with OpenAIServer(Say()) as server:
        source = as_model(client(server, model="gpt-5-mini"), field="model")
        assert (source.name, source.provider, source.model) == ("openai:gpt-5-mini", "openai", "gpt-5-mini")
        assert source.endpoint == f"{server.url[7:-3]}/gpt-5-mini"
