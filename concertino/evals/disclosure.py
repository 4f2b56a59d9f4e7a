"""What is told of a run: outcomes, reports and pages hold no secret, whether it was recorded, replayed or journalled."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import JsonValue

from concertino.contracts.errors import FileInvalid
from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject
from concertino.tools.tape.files import read_tape
from concertino.tools.tape.secrecy import Sight, redacted, secrets_now

DIGEST = re.compile(r"[0-9a-f]{64}")
NEAR_S = 5.0
"""A tape begins when its run is started, before the first event; chosen by hand."""

FOREIGN = frozenset({"inputs", "outputs", "output", "answer", "request", "response"})
"""Fields that hold what others said: a digest in them may be anything."""

PLAIN = frozenset({int, float, bool, type(None)})

Told = TypeVar("Told")


def without_secrets(told: Told, *, allowed: Collection[str] = (), also: Collection[str] = ()) -> Told:
    """Return JSON of results, events, calls or reports with every secret taken out; the same object where it holds none.

    The record's own digests, of inputs and prompts, look like keys and open nothing: they stay.

    Args:
        told: What is told.
        allowed: What looks like a secret and is none.
        also: Secrets beside those of this process's environment.
    """
    own = tuple(dict.fromkeys((*secrets_now(), *also)))
    look = _Look(own)
    look.at(told, is_ours=True)
    if look.suspects <= look.digests:
        return told
    clean: Any = redacted(cast("JsonValue", told), allowed=(*allowed, *look.digests), own=own)
    return clean  # type: ignore[no-any-return]  # JSON of the same shape


class _Look:
    """What is suspect in JSON, and the digests where the record has them: `hash` of an event, and prompts of `models`."""

    def __init__(self, own: Collection[str]) -> None:
        self._sight = Sight(own)
        self.suspects: set[str] = set()
        self.digests: set[str] = set()

    def at(self, value: Any, *, is_ours: bool) -> None:
        if isinstance(value, dict):
            self._at_object(value, is_ours)
        elif isinstance(value, list):
            for one in value:
                self.at(one, is_ours=is_ours)
        elif isinstance(value, str) and value not in self._sight.clean and not self._sight.is_clean(value):
            self.suspects.add(value)

    def _at_object(self, value: dict[str, Any], is_ours: bool) -> None:
        sight = self._sight
        clean = sight.clean
        names = (*value,)
        are_clean, telling = sight.of_names(names)
        if not are_clean:
            self.suspects.update(names)
        for name, one in value.items():
            kind = type(one)
            if kind is str or (kind not in PLAIN and isinstance(one, str)):
                if one not in clean and not sight.is_clean(one):
                    self.suspects.add(one)
                if name in telling and sight.is_opened(name, one):
                    self.suspects.add(f"{name}={one}")
            elif kind not in PLAIN:
                self.at(one, is_ours=is_ours and name not in FOREIGN)
        if is_ours and ("payload" in value or "models" in value):
            self._note_digests(value)

    def _note_digests(self, value: dict[str, Any]) -> None:
        payload, models = value.get("payload"), value.get("models")
        if isinstance(payload, dict) and "type" in value:
            self._note([payload.get("hash")])
        if isinstance(models, dict) and isinstance(models.get("prompts"), dict):
            self._note(models["prompts"].values())

    def _note(self, given: Iterable[Any]) -> None:
        self.digests.update(one for one in given if isinstance(one, str) and DIGEST.fullmatch(one))


def calls_of_run(path: Path, events: Sequence[Event]) -> list[JsonObject]:
    """Return the calls of a tape as a report of the run with these events shows them.

    Raises:
        FileInvalid: the tape cannot be read, or is of another run: of neither this task nor this moment.
    """
    tape = read_tape(path)
    if events and tape.head.case != events[0].task_id and abs(tape.head.start - events[0].timestamp) > NEAR_S:
        rule = f"this is the tape of another run; the report is of task {events[0].task_id}"
        raise FileInvalid(file=str(path), line=1, value=tape.head.case, rule=rule)
    return without_secrets([line.as_json() for line in tape.lines])
