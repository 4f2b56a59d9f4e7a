"""A tape's lines: a head, and one line for every call that crossed the boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from concertino.contracts.json import JsonObject, canonical

FORMAT = 1
"""The newest format that is read, and the one that is written."""

CallKind = Literal["model", "tool", "transport", "clock"]
KINDS: tuple[CallKind, ...] = ("model", "tool", "transport", "clock")
"""`transport` is a specialist as a whole: what it was handed, and what came back; `clock` a specialist's look at its clock."""

NOWHERE = "-#1"
"""The scope of a call that nobody of the run made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A tape's first line."""

    case: str
    stand_in: bool = False
    """Whether a scripted stand-in answered instead of a live model."""
    recorded: str = ""
    """UTC, ISO 8601."""
    made_by: str = ""
    start: float = 0.0
    """When the run began, in seconds since 1970-01-01 UTC; replays begin at the same moment."""
    seed: int = 0
    """What ids and jitter are derived from."""
    models: JsonObject = field(default_factory=dict)
    """By name, what a stand-in has to know of the recorded model: see `played_model.Traits`."""
    fingerprints: JsonObject = field(default_factory=dict)
    """`{"code", "prompts", "tools", "models"}`, each a hash by name."""

    def as_json(self, calls: int) -> JsonObject:
        """Return the line; `calls` is how many follow, so that a truncated tape is noticed."""
        return {
            "tape": FORMAT, "case": self.case, "stand_in": self.stand_in, "recorded": self.recorded,
            "made_by": self.made_by, "start": self.start, "seed": self.seed, "models": self.models,
            "fingerprints": self.fingerprints, "calls": calls,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One call."""

    kind: CallKind
    name: str
    """The tool's or specialist's, or the model's as `provider:name`."""
    scope: str
    """Who made it: `node/subtask#attempt`, as `contracts.scope.Scope` says it."""
    n: int
    """Which call of its scope, from 1."""
    request: JsonObject
    """What was asked, in a form that is the same for every provider; it is what a replayed call is matched by."""
    at: float
    """Seconds from the run's begin."""
    took: float
    """Seconds."""
    response: JsonObject | None = None
    error: JsonObject | None = None
    """Instead of a response; see `failures`."""
    chunks: tuple[tuple[float, object], ...] | None = None
    """Of a stream, each piece with its seconds from the call's begin. With an `error` it broke off after these."""
    usage: JsonObject | None = None
    cap: int | None = None
    """The output cap that it was sent with: part of what was sent, and not of what was asked."""
    prints: JsonObject = field(default_factory=dict)
    """Fingerprints: `prompt`, `schema`, `model`, `code`."""
    run: int = 1
    """Which of a case's repeats."""

    @property
    def key(self) -> str:
        """What it is matched by, besides its scope."""
        return key_of(self.kind, self.name, self.request)

    @property
    def label(self) -> str:
        """How people are told of it."""
        return f"{self.scope} call {self.n}"

    def as_json(self) -> JsonObject:
        """Return the line; what says nothing is left out."""
        made: JsonObject = {
            "kind": self.kind, "name": self.name, "scope": self.scope, "n": self.n, "request": self.request,
            "at": round(self.at, 6), "took": round(self.took, 6),
        }  # fmt: skip
        optional: Mapping[str, object] = {
            "response": self.response, "error": self.error, "usage": self.usage, "cap": self.cap,
            "print": self.prints or None, "run": self.run if self.run > 1 else None,
        }  # fmt: skip
        made.update({name: value for name, value in optional.items() if value is not None})  # type: ignore[misc]  # JSON
        if self.chunks is not None:
            made["chunks"] = [[round(at, 6), piece] for at, piece in self.chunks]  # type: ignore[list-item]  # JSON
        return made


def key_of(kind: str, name: str, request: JsonObject) -> str:
    """Return the content of a call as one text, the same for equal contents."""
    return f"{kind} {name} {canonical(request)}"


def order(line: Line) -> tuple[int, str, int]:
    """Return where a line stands in its file: not by arrival, so that another recording changes few lines."""
    return line.run, line.scope, line.n
