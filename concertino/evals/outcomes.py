"""What one repeat of one case came to: all that judges and reports read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from concertino.contracts.json import JsonObject
from concertino.evals.cases import Case

TapeState = Literal["fresh", "stale", "orphan", "unplayed", "none"]
"""How a case's tape relates to what was run: `fresh`, as recorded; `stale`, a prompt, tool schema, model or code that it was
recorded with has changed since; `orphan`, a tape without a case; `unplayed`, a tape whose calls nobody made any more;
`none`, the case has no tape, because it calls nothing or was not recorded yet."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One repeat of one case. Identical runs give equal outcomes: nothing in here knows wall time, host or path."""

    case: Case
    number: int
    """Which repeat, from 1."""
    tape: TapeState
    stand_in: bool
    """Whether the tape was recorded against a scripted stand-in instead of a live model."""
    result: JsonObject | None
    """`out["result"]` of the run; for a pack's agent its output is `result["answer"]`."""
    events: list[JsonObject] = field(default_factory=list)
    """The run's journal, in order."""
    calls: list[JsonObject] = field(default_factory=list)
    """The calls that were made, as lines of a tape: kind, scope, n, name, request, response or error, usage, at, took.
    What a fault has changed carries `fault`, its kind."""
    error: JsonObject | None = None
    """`{"type", "message", "file"?, "line"?, "rule"?}` of a case that could not be read or run; of a `TapeMiss` also `changes`."""
    started: float = 0.0
    """Virtual seconds since 1970-01-01 UTC."""
    makespan_s: float = 0.0
    """Virtual seconds from begin to end."""
    notes: list[JsonObject] = field(default_factory=list)
    """What a stale tape differs in (`{"what", "recorded", "now"}`), or which recorded calls were not made."""
