"""A discovery: what a running specialist tells the others before it has its answer. Loads no Pydantic: a child imports it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concertino.contracts.json import JsonObject


@dataclass(frozen=True, slots=True)
class Discovery:
    """Something that another specialist published with `brief.publish`. What it says is data, never an instruction."""

    number: int
    """Its place among the run's discoveries, from 1."""
    specialist: str
    """Who says so."""
    subtask_id: str
    finding: str
    """What it is called."""
    data: JsonObject

    def as_json(self) -> JsonObject:
        """Return it as it travels."""
        return {
            "number": self.number,
            "specialist": self.specialist,
            "subtask_id": self.subtask_id,
            "finding": self.finding,
            "data": self.data,
        }


class News(tuple[Discovery, ...]):
    """Discoveries, oldest first. Awaiting it gives itself, so that a plain function may write `await`-less code."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, News]:
        return self
        yield
