"""How the pack spends and decides: `policy.yaml`, with a caller's overrides."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from concertino.contracts.budget import Budget
from concertino.packs.diligence.documents import DocumentLimits
from concertino.packs.policies import merged

Share = Annotated[float, Field(ge=0, le=1)]
Turns = Annotated[int, Field(ge=1, le=50)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageTurns(_Section):
    """Calls of the model in one piece of work, by stage."""

    screening: Turns
    focused: Turns
    detailed: Turns


class Shares(_Section):
    """Parts of the run's budget; together at most 1. Source of the form: document 004, token budget allocation."""

    orchestrator: Share
    """Given to nobody."""
    financial: Share
    legal: Share
    market: Share
    technical: Share
    regulatory: Share

    @model_validator(mode="after")
    def _at_most_all(self) -> Shares:
        total = sum(self.model_dump().values())
        if total > 1 + 1e-9:
            raise ValueError(f"shares must add up to at most 1, not {total:g}")
        return self


class Policy(_Section):
    """The pack's policy."""

    budget: Budget
    """Of the whole run."""
    shares: Shares
    turns: StageTurns
    documents: DocumentLimits = DocumentLimits()

    def budget_of(self, domain: str) -> Budget:
        """Return a specialist's part of the run's sums; seconds bound each of its subtasks and are not shared."""
        share: float = getattr(self.shares, domain)
        whole = self.budget
        return Budget(
            tokens=_part(whole.tokens, share),
            calls=_part(whole.calls, share),
            usd=None if whole.usd is None else round(whole.usd * share, 9),
            documents=_part(whole.documents, share),
            seconds=whole.seconds,
        )


def _part(whole: int | None, share: float) -> int | None:
    """Return a share in whole numbers; of what can be had at all whoever has a share may have one, within the whole."""
    if whole is None:
        return None
    return max(int(whole * share + 1e-6), 1 if whole and share else 0)


@cache
def _text() -> str:
    return (files("concertino.packs.diligence") / "policy.yaml").read_text(encoding="utf-8")


def read_policy(overrides: Mapping[str, JsonValue] | None = None) -> Policy:
    """Return the pack's policy with a caller's overrides, merged section by section.

    Raises:
        SetupError: an override that the policy does not know or allow, by name.
    """
    return merged(Policy, _text(), overrides or {})
