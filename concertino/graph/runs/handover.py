"""Where a subtask stands between two specialists, as the record tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from concertino.contracts.json import JsonObject


@dataclass(frozen=True, slots=True)
class Handover:
    """A subtask whose specialists so far have failed, and who is next. Holds until the subtask is over."""

    to: str
    """Who takes it over, or would if people let it."""
    tried: tuple[str, ...]
    """Who has failed, in order; never empty. None of them is asked again."""
    attempts: int
    """Attempts that these made together."""
    error: JsonObject | None
    """Why the last of them failed."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Handover | None:
        """Return what an event tells; `None` where it is of a version that did not tell who was tried."""
        if not told.get("tried"):
            return None
        return cls(str(told["to"]), tuple(told["tried"]), int(told["attempts"]), told["error"])

    def as_json(self) -> JsonObject:
        """Return it as events carry it."""
        return {"to": self.to, "tried": cast("Any", [*self.tried]), "attempts": self.attempts, "error": self.error}
