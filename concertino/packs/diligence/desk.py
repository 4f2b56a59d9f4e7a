"""What a diligence specialist may do with the documents: three tools, behind the run's guard and budget."""

from __future__ import annotations

from typing import Any

from concertino.contracts.brief import Brief
from concertino.contracts.errors import BreakerOpen, BudgetExceeded, ToolFailed
from concertino.contracts.json import dump
from concertino.packs.diligence.documents import Library
from concertino.packs.diligence.documents.library import Shown
from concertino.prompts import fence
from concertino.tools.registry import Cost, Tool, tool

AT_ONCE = 8
"""Tool calls of one turn that are carried out; the rest is refused. Chosen by hand."""

NEWS, NEWS_CHARS = 20, 1_000
"""How many of the others' discoveries are told at once, and how much of each."""

FREE = Cost(calls=0)
"""Nothing leaves the machine: only what is read counts, as documents."""


@tool("list_documents", cost=FREE, attempts=1)
def list_documents(library: Library) -> Shown:
    """List the documents."""
    return library.listing()


@tool("search_documents", cost=FREE, attempts=1)
def search_documents(library: Library, query: str) -> Shown:
    """Search the documents for words."""
    return library.search(query)


@tool(
    "read_document",
    cost=Cost(calls=0, documents=1),
    used=lambda shown: Cost(calls=0, documents=int(shown.is_document)),
    attempts=1,
)
def read_document(library: Library, file: str, first: int, last: int | None) -> Shown:
    """Read lines or pages of a document; one read counts as one document."""
    return library.read(file, first, last)


TOOLS: tuple[Tool, ...] = (list_documents, search_documents, read_document)


class Desk:
    """The tools as one agent sees them. What it asks for is looked up, never opened; what it gets is fenced as data.

    A refusal (a budget that is used up, too many calls) is an answer, so that the agent can still hand in what it knows.
    """

    def __init__(self, brief: Brief, library: Library) -> None:
        self._brief, self._library = brief, library
        self._left = AT_ONCE
        self.places: list[str] = []
        """What was read, as `file:from-to`, in order."""

    def next_turn(self) -> None:
        """Allow as many calls again."""
        self._left = AT_ONCE

    async def list_documents(self) -> str:
        return await self._call("list_documents")

    async def search_documents(self, query: str) -> str:
        return await self._call("search_documents", query=query)

    async def read_document(self, file: str, first: int, last: int | None) -> str:
        text = await self._call("read_document", file=file, first=first, last=last)
        if file in self._library.by_name:
            self.places.append(f"{file}:{first}-{last or ''}")
        return text

    async def _call(self, name: str, **arguments: Any) -> str:
        if self._left <= 0:
            return f"Refused: no more than {AT_ONCE} calls at once."
        self._left -= 1
        try:
            shown: Shown = await self._brief.tools.call(name, library=self._library, **arguments)
        except BudgetExceeded as error:
            return f"Refused: {error}. Hand in your finding with what you know."
        except (BreakerOpen, ToolFailed) as error:
            return f"Refused: {error}."
        return "\n\n".join((fence(shown.text, source=shown.source), *await self._news()))

    async def _news(self) -> list[str]:
        """Return what other specialists have published since the last call. Source: document 004, periodic synchronization."""
        told = [f"{one.specialist}: {dump(one.data)}"[:NEWS_CHARS] for one in await self._brief.sync()]
        return [fence("\n".join(told[-NEWS:]), source="what other specialists have found")] if told else []
