"""What one repeat of one case came to: all that judges and reports read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from concertino.contracts.json import JsonObject
from concertino.evals.cases import Case
from concertino.evals.transcripts import Sealed, Transcript

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
    transcript: Transcript | Sealed = field(default_factory=Transcript)
    """What the run left behind: what `result`, `events` and `calls` return, which read a sealed one anew each time."""
    error: JsonObject | None = None
    """`{"type", "message", "file"?, "line"?, "rule"?}` of a case that could not be read or run; of a `TapeMiss` also `changes`."""
    started: float = 0.0
    """Virtual seconds since 1970-01-01 UTC."""
    makespan_s: float = 0.0
    """Virtual seconds from begin to end."""
    notes: list[JsonObject] = field(default_factory=list)
    """What a stale tape differs in (`{"what", "recorded", "now"}`), or which recorded calls were not made."""

    @property
    def result(self) -> JsonObject | None:
        """The run's result."""
        return self.transcript.opened().result

    @property
    def events(self) -> list[JsonObject]:
        """Its journal."""
        return self.transcript.opened().events

    @property
    def calls(self) -> list[JsonObject]:
        """The calls that were made."""
        return self.transcript.opened().calls

    def opened(self) -> Outcome:
        """Return the outcome with a transcript that is read, for whoever looks at it more than once."""
        return replace(self, transcript=self.transcript.opened())
