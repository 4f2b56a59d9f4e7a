"""A raw plan under repair: rows that can be changed, and what was done to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from concertino.contracts.json import JsonObject
from concertino.nodes.planning import references
from concertino.nodes.planning.references import Malformed, Reference

SHOWN = 64
"""Characters of a name from outside that a note quotes."""


class Workpiece:
    """A draft's plan, copied as far as it is changed. Every change of meaning leaves a note."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        rows = plan.get("subtasks")
        self.plan: dict[str, Any] = {key: value for key, value in plan.items() if key not in ("subtasks", "links")}
        self.links: Any = plan.get("links")
        self.rows: list[dict[str, Any]] = [dict(row) for row in rows] if isinstance(rows, list) else []
        self.notes: list[str] = []
        self.remarks: set[str] = set()
        """Those of the notes that tell how something was understood, where no subtask and no edge is another by it."""
        self.written: dict[int, str] = {}
        """What stood for the specialist, by identity of the row, where it was changed."""
        for number, row in enumerate(self.rows, 1):
            row.setdefault("id", f"s{number}")
            row["id"] = str(row["id"])
            needs = row.get("needs")
            row["needs"] = (
                [str(need) for need in needs]
                if isinstance(needs, list | tuple)
                else [needs]
                if isinstance(needs, str)
                else []
            )
            if not isinstance(row.get("inputs", {}), dict):
                row["inputs"] = {"input": row["inputs"]} if row["inputs"] is not None else {}

    @property
    def positions(self) -> dict[str, int]:
        """Return where each id stands; of one that is there twice, its first."""
        found: dict[str, int] = {}
        for at, row in enumerate(self.rows):
            found.setdefault(row["id"], at)
        return found

    def note(self, text: str, *, remark: bool = False) -> None:
        """Say what was done, once; or, as a `remark`, how something was understood."""
        if text not in self.notes:
            self.notes.append(text)
            if remark:
                self.remarks.add(text)

    @property
    def is_changed(self) -> bool:
        """Say whether something was done that is more than a remark."""
        return len(self.notes) > len(self.remarks)

    def worker(self, at: int) -> str:
        """Return who is to do a subtask as the plan wrote it."""
        row = self.rows[at]
        return self.written.get(id(row)) or str(row.get("specialist") or row.get("capability") or "")

    def rewrite(self, at: int, *, specialist: str | None = None, capability: str | None = None) -> None:
        """Give a subtask to somebody else; what was written stays known."""
        row = self.rows[at]
        self.written[id(row)] = self.worker(at)
        for key, value in (("specialist", specialist), ("capability", capability)):
            row.pop(key, None)
            if value is not None:
                row[key] = value

    def add_need(self, at: int, need: str) -> None:
        """Have a subtask need another."""
        if need not in self.rows[at]["needs"]:
            self.rows[at]["needs"].append(need)

    def references(self, at: int) -> Iterator[Reference | Malformed]:
        """Yield the references in a subtask's inputs."""
        inputs: JsonObject = self.rows[at].get("inputs") or {}
        return references.find(inputs)

    def referred(self, at: int) -> list[str]:
        """Return the ids that a subtask's inputs refer to."""
        return [found.subtask for found in self.references(at) if isinstance(found, Reference)]

    def before(self, at: int) -> list[str]:
        """Return everything that a subtask waits for, needed or referred to."""
        return list(dict.fromkeys((*self.rows[at]["needs"], *self.referred(at))))

    def result(self) -> JsonObject:
        """Return the plan as it stands."""
        rows: list[Any] = list(self.rows)
        return {**self.plan, "subtasks": rows}


def shown(name: object) -> str:
    """Return a name from outside such that a note can hold it."""
    text = str(name)
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")


def told(names: Sequence[str]) -> str:
    """Return several names such that a note can hold them."""
    return f"{', '.join(names[:4])}{'' if len(names) < 5 else ' and others'}"
