"""What is told of a run: outcomes, reports and pages hold no secret, whether it was recorded, replayed or journalled."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from concertino.contracts.errors import FileInvalid
from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject
from concertino.tools.tape.files import read_tape
from concertino.tools.tape.secrecy import redacted

DIGEST = re.compile(r"[0-9a-f]{64}")
NEAR_S = 5.0
"""A tape begins when its run is started, before the first event; chosen by hand."""

Told = TypeVar("Told")


def without_secrets(told: Told, *, allowed: Collection[str] = ()) -> Told:
    """Return JSON of results, events, calls or reports with every secret taken out.

    The record's own digests, of inputs and prompts, look like keys and open nothing: they stay.
    """
    value: Any = told
    clean: Any = redacted(value, allowed=(*allowed, *set(_own_digests(value))))
    return clean  # type: ignore[no-any-return]  # JSON of the same shape


def _own_digests(value: Any) -> Iterator[str]:
    """Yield the digests where the record has them: `hash` of an event's payload, and prompts of `models`."""
    if isinstance(value, list):
        for one in value:
            yield from _own_digests(one)
    elif isinstance(value, dict):
        payload = value.get("payload")
        if isinstance(payload, dict) and "type" in value:
            yield from _digests([payload.get("hash")])
        models = value.get("models")
        prompts = models.get("prompts") if isinstance(models, dict) else None
        if isinstance(prompts, dict):
            yield from _digests(prompts.values())
        for name, one in value.items():
            if name not in ("inputs", "outputs", "output", "answer", "request", "response") and isinstance(
                one, dict | list
            ):
                yield from _own_digests(one)


def _digests(given: Collection[Any]) -> Iterator[str]:
    yield from (one for one in given if isinstance(one, str) and DIGEST.fullmatch(one))


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
