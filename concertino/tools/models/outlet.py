"""Outlets: the copies of a model that its requests leave through, and what of their settings bounds every request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel

from concertino.tools.models.request import CAPS, NESTED, Bounding, without_caps

HEEDING = "langchain_openai"
"""The package whose plain requests are known to end at once when they are cancelled: they wait in httpx alone."""


class Outlet:
    """One copy of a caller's model, which nobody changes any more: so what is read from it is read once."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model: Any = model
        kind: Any = type(model)
        fields = kind.model_fields
        self.bounding = Bounding.of(model)
        self.takes_timeout = hasattr(model, "root_async_client")
        """Whether requests take an HTTP timeout of their own, as those of OpenAI's clients do."""
        self.has_cap = any(name in fields for name in CAPS)
        self.heeds = getattr(kind._agenerate, "__module__", "").partition(".")[0] == HEEDING
        """Whether a request that is no stream ends at once when it is cancelled; where nobody knows it is not waited for."""
        self._caps = [name for name in CAPS if name in fields]
        self._nested = {
            name: without_caps(held)
            for name in NESTED
            if name in fields and isinstance(held := getattr(model, name, None), Mapping)
        }
        self._latest: tuple[int, Any] | None = None

    def capped(self, cap: int) -> Any:
        """Return a copy that asks for no more output than `cap`, wherever the model's own stood."""
        latest = self._latest
        if latest is not None and latest[0] == cap:  # most requests of a model ask for as much as the one before
            return latest[1]
        update: dict[str, Any] = {**dict.fromkeys(self._caps, cap), **self._nested}
        made = self.model.model_copy(update=update)
        self._latest = cap, made
        return made
