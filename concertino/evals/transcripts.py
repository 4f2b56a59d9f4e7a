"""What a run leaves behind: its result, its journal and its calls, as plain JSON or sealed until somebody looks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic_core import from_json, to_json

from concertino.contracts.json import JsonObject, dump
from concertino.evals.disclosure import without_secrets
from concertino.journal.memory import MemoryJournal
from concertino.journal.memory_rows import PAYLOAD, TYPE, json_of
from concertino.tools.tape.secrecy import secrets_now

SUITE = "${suite}"
"""Stands in cases, outcomes and reports for the suite's own folder."""
RECORDED = b""
"""Stands for a result that the record has."""
ENDS = frozenset({"RUN_COMPLETED", "RUN_FAILED", "RUN_CANCELLED"})
"""Events that have a run's result."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a run left behind, without secrets."""

    result: JsonObject | None = None
    """`out["result"]` of the run; for a pack's agent its output is `result["answer"]`."""
    events: list[JsonObject] = field(default_factory=list)
    """The run's journal, in order."""
    calls: list[JsonObject] = field(default_factory=list)
    """The calls that were made, as lines of a tape: kind, scope, n, name, request, response or error, usage, at, took.
    What a fault has changed carries `fault`, its kind."""

    def opened(self) -> Transcript:
        """Return it."""
        return self


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """What a run left behind as its journal has it, which may hold secrets: `opened` takes them out.

    Outcomes are kept by the thousand and mostly looked at once. As objects they took five times the memory and, by way of
    the garbage collector, a fifth of a replay's time.
    """

    rows: tuple[tuple[Any, ...], ...]
    result: bytes | None
    """JSON, or `RECORDED`."""
    calls: bytes
    allowed: tuple[str, ...]
    """What looks like a secret and is none, as the suite says."""
    folder: str | None
    """The suite's, where the case speaks of it."""
    secrets: tuple[str, ...]
    """What the environment held of secrets when the run was over: whoever opens it may live in another."""

    def __repr__(self) -> str:
        return f"Sealed({len(self.rows)} events)"

    def opened(self) -> Transcript:
        """Return it without secrets; read anew each time."""
        made: dict[str, Any] = {
            "events": [json_of(row) for row in self.rows],
            "calls": from_json(self.calls),
            "result": from_json(self.result) if self.result else None,
        }
        made = wherever(made, self.folder)
        made = without_secrets(made, allowed=self.allowed, also=self.secrets)
        if self.result == RECORDED:
            made["result"] = _recorded(made["events"])
        return Transcript(**made)


def wherever(told: Any, folder: str | None) -> Any:
    """Return JSON with `SUITE` for a folder, the same on every machine."""
    return told if folder is None else json.loads(dump(told).replace(folder, SUITE))


def sealed(
    result: JsonObject | None,
    journal: MemoryJournal,
    task_id: str,
    calls: list[JsonObject],
    *,
    allowed: tuple[str, ...],
    folder: str | None,
) -> Sealed:
    """Seal what a run has left in its journal, with its result and its calls."""
    rows = journal.rows(task_id)
    text = None if result is None else to_json(result)
    if text is not None and any(row[TYPE] in ENDS and b'"result":' + text in row[PAYLOAD] for row in rows):
        text = RECORDED
    return Sealed(rows, text, to_json(calls), allowed, folder, (*secrets_now(),))


def _recorded(events: list[JsonObject]) -> JsonObject:
    """Return the result that the run's last event has."""
    payloads: list[Any] = [event["payload"] for event in events if event["type"] in ENDS]
    return cast("JsonObject", payloads[-1]["result"])
