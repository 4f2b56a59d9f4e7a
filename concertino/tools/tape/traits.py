"""What a stand-in has to know of the model that it stands for, so that governing treats both alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from concertino.contracts.json import JsonObject
from concertino.tools.models.request import cap_of
from concertino.tools.models.sources import ModelSource

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Of one model."""

    provider: str = ""
    model: str = ""
    kind: str = ""
    """Name of its class."""
    endpoint: str = ""
    """What shares a breaker; without the port of a server on this machine, which differs every time."""
    cap: int | None = None
    """Its own output cap."""
    choices: int | None = None
    service_tier: str | None = None
    streams: bool = True
    streaming: bool = False
    structured: str = "tools"
    """How it asks for structured output by itself: `json_schema`, or by a tool."""

    @classmethod
    def of(cls, source: ModelSource) -> Traits:
        """Read them off a source that has been built."""
        return cls.seen(source.built, provider=source.provider, name=source.model, endpoint=source.endpoint)

    @classmethod
    def seen(cls, model: Any, *, provider: str, name: str, endpoint: str) -> Traits:
        """Read them off a model."""
        from langchain_core.language_models import BaseChatModel

        kind: Any = type(model)
        base: Any = BaseChatModel
        return cls(
            provider=provider,
            model=name,
            kind=kind.__name__,
            endpoint=_portless(endpoint),
            cap=cap_of(model),
            choices=_of(model, "n", int),
            service_tier=_of(model, "service_tier", str),
            streams=kind._stream is not base._stream or kind._astream is not base._astream,
            streaming=getattr(model, "streaming", False) is True,
            structured="json_schema" if any(one.__name__ == "BaseChatOpenAI" for one in kind.__mro__) else "tools",
        )

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Traits:
        """Read them off a tape's head; what it does not say is as it is by default."""
        return cls(**{name: given[name] for name in cls.__slots__ if name in given})

    def as_json(self) -> JsonObject:
        """Return them for a tape's head."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _of(model: Any, name: str, kind: type) -> Any:
    value = getattr(model, name, None)
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _portless(endpoint: str) -> str:
    host, slash, model = endpoint.partition("/")
    name = urlsplit(f"//{host}").hostname or host
    return f"{name}{slash}{model}" if name in LOOPBACK else endpoint
