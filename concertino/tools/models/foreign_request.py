"""What LangChain tells of a foreign model's call before it leaves, and the most that one request of it can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from concertino.budgets.amounts import NANO
from concertino.contracts.json import digest
from concertino.tools.models.caps import cap_of, choices_of, refuse_unbounded
from concertino.tools.models.prices import Price
from concertino.tools.models.request import OUTPUT_TOKENS, schema_of
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.registry import Cost

SEEN_KINDS = (
    "openai",
    "anthropic",
    "groq",
    "mistral",
    "deepseek",
    "xai",
    "ollama",
    "fireworks",
    "together",
    "perplexity",
)
"""Parts of `_llm_type` whose requests leave through httpx, where their SDK's retries are held one by one."""
SDK_RETRIES = 2
"""Retries of such an SDK where nobody says. LangChain tells of models of texts in another context, where none is seen."""
IN_PROMPT = ("response_format", "functions", "text", "instructions", "system", "prediction", "extra_body", "format")
"""Settings that become input tokens, beside the tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What LangChain tells of a call before it leaves."""

    serialized: Mapping[str, Any]
    messages: Sequence[Any]
    settings: Mapping[str, Any]
    metadata: Mapping[str, Any]
    batch: int = 1
    """Calls told of together."""
    is_text: bool = False
    """Whether it is a model of texts: the usage of a whole batch is told with its first call."""

    @property
    def model(self) -> str:
        """The model's name, `unknown` where nobody says."""
        for told, name in ((self.settings, "model"), (self.settings, "model_name"), (self.metadata, "ls_model_name")):
            if isinstance(said := told.get(name), str) and said:
                return said
        return "unknown"

    @property
    def provider(self) -> str:
        """LangChain's name of the provider."""
        return str(self.metadata.get("ls_provider") or "")

    @property
    def kind(self) -> str:
        """LangChain's name of the class."""
        return str(self.settings.get("_type") or "")

    @property
    def endpoint(self) -> str:
        """What shares a breaker: the server and the model."""
        given = self.serialized.get("kwargs") or {}
        bases = (given.get(name) for name in ("openai_api_base", "base_url", "azure_endpoint", "endpoint"))
        server = next((urlsplit(base).netloc for base in bases if isinstance(base, str)), "")
        return f"{server or self.provider or self.kind}/{self.model}"

    @property
    def unseen_retries(self) -> int:
        """Retries that its SDK may make where nobody sees them."""
        is_known = _is_seen(self.kind)
        if is_known and not self.is_text:
            return 0
        given = (self.serialized.get("kwargs") or {}).get("max_retries")
        if isinstance(given, int) and not isinstance(given, bool):
            return max(0, given)
        return SDK_RETRIES if is_known else 0

    def identity(self) -> str:
        """Return what is the same whenever the same call is made again."""
        said = [[getattr(one, "type", ""), repr(one.content), repr(_calls(one))] for one in self.messages]
        return digest([self.endpoint, said])[:32]


@lru_cache(maxsize=256)
def _is_seen(kind: str) -> bool:
    return any(seen in kind for seen in SEEN_KINDS)


def _calls(message: Any) -> list[tuple[Any, Any]]:
    return [(call["name"], call["args"]) for call in getattr(message, "tool_calls", ())]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one request of a call can use."""

    inputs: int
    outputs: int
    """Of all answers together."""
    price: Price | None
    is_capped: bool

    @classmethod
    def of(cls, asked: Asked, *, counter: TokenCounter, price: Price | None) -> Bounds:
        """Return the bounds of a call.

        Raises:
            InputError: its input cannot be bounded.
        """
        refuse_unbounded(asked.settings)
        prompt = {name: schema_of(value) for name in IN_PROMPT if (value := asked.settings.get(name))}
        inputs = counter.bound(asked.messages, asked.settings.get("tools"), **prompt)
        cap = cap_of(asked.settings)
        tier = None if price is None else price.tier(asked.settings.get("service_tier"))
        return cls(inputs, (cap or OUTPUT_TOKENS) * choices_of(asked.settings), tier, cap is not None)

    def cost(self, requests: int = 1) -> Cost:
        """Return the most that so many requests can use."""
        nano = self.price.bound(self.inputs, self.outputs) if self.price is not None else 0
        return Cost(tokens=(self.inputs + self.outputs) * requests, calls=requests, usd=nano * requests / NANO)

    def used(self, usage: Mapping[str, Any] | None) -> Cost | None:
        """Return what a reported usage comes to; `None` where it tells nothing that can be believed."""
        if not usage:
            return None
        try:
            tokens = int(usage.get("input_tokens") or 0) + int(usage.get("output_tokens") or 0)
            if not tokens:
                return None
            nano = self.price.actual(usage) if self.price is not None else 0
            return Cost(tokens=max(tokens, int(usage.get("total_tokens") or 0)), usd=nano / NANO)
        except (TypeError, ValueError):
            return None
