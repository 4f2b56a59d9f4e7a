"""The advisor's circuit breaker, which all runs of one process share."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.contracts.clock import SystemClock
from concertino.contracts.json import JsonObject
from concertino.packs.agents import start_agent
from concertino.packs.offers import pack, specialists
from concertino.packs.offers.orchestrator import OfferOrchestrator
from concertino.packs.registry import Registry

PROFILE: JsonObject = {
    "role": "Senior Software Engineer",
    "level": "Senior",
    "location": "San Francisco, CA",
    "experience_years": 8,
}


class OwnClock(SystemClock):
    """A clock of the test's own, so that no other test shares its breakers."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def test_three_failed_offers_open_the_advisors_breaker(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """After three failures in a row the advisor is not asked any more: the fourth offer fails fast."""
    asked: list[str] = []

    async def broken(brief: Any, profile: Any) -> Any:
        asked.append(brief.run_id)
        raise OSError("the band table is gone")

    monkeypatch.setattr(specialists, "_look_up", broken)
    clock, registry = OwnClock(), Registry([pack])
    runs = [
        start_agent("offer-orchestrator-mag", PROFILE, runs_dir=tmp_path, database=None, registry=registry, clock=clock)
        for _ in range(4)
    ]
    assert [run.status for run in runs] == ["failed"] * 4
    assert len(asked) == 3
    result: Any = runs[-1].result
    assert [subtask["state"] for subtask in result["subtasks"]] == ["blocked"]
    assert result["breakers"][0]["state"] == "OPEN"


def test_each_clock_has_breakers_of_its_own() -> None:
    """Runs on a replayed clock never see the breakers of real ones."""
    orchestrator = OfferOrchestrator({})
    assert orchestrator._shared(SystemClock()) is orchestrator._shared(SystemClock())
    assert orchestrator._shared(OwnClock()) is not orchestrator._shared(SystemClock())
