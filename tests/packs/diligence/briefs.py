"""Briefs made by hand, with the pack's tools behind a counter instead of a run's guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from concertino.contracts.discovery import Discovery
from concertino.contracts.errors import BudgetExceeded
from concertino.contracts.finding import Finding
from concertino.packs.diligence.desk import TOOLS

BY_NAME = {tool.name: tool for tool in TOOLS}


@dataclass
class Tools:
    """Calls the pack's tools and counts documents as the guard would."""

    limit: int = 1_000
    documents: int = 0
    called: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def call(self, name: str, /, **arguments: Any) -> Any:
        tool = BY_NAME[name]
        self.called.append((name, {key: value for key, value in arguments.items() if key != "library"}))
        if self.documents + tool.cost.documents > self.limit:
            raise BudgetExceeded(scope="run", dimension="documents", asked=1, left=self.limit - self.documents)
        assert tool.fn is not None
        result = tool.fn(**arguments)
        self.documents += (tool.used(result) if tool.used else tool.cost).documents
        return result


@dataclass
class HandmadeBrief:
    """As much of a brief as the pack's specialists use."""

    model: Any
    folder: Path | None
    stage: str | None = "focused"
    upstream: Mapping[str, Finding] = field(default_factory=dict)
    tools: Tools = field(default_factory=Tools)
    objective: str = "Look closely."
    task_id: str = "t-1"
    run_id: str = "r-1"
    published: list[Any] = field(default_factory=list)
    news: list[Discovery] = field(default_factory=list)

    @property
    def inputs(self) -> dict[str, Any]:
        return {} if self.stage is None else {"stage": self.stage}

    @property
    def task(self) -> dict[str, Any]:
        payload = {"target": "Nordlicht"} | ({"documents": str(self.folder)} if self.folder else {})
        return {"title": "Assess Nordlicht", "payload": payload}

    async def sync(self) -> list[Discovery]:
        fresh, self.news = self.news, []
        return fresh

    async def publish(self, finding: str, *data: Any, **payload: Any) -> None:
        self.published.append((finding, *data))
