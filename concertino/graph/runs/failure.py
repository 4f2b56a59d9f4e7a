"""Why an attempt failed, as data that any record can hold, whatever was raised."""

from __future__ import annotations

import math
from collections.abc import Mapping

from concertino.contracts.errors import ConcertinoError, quote
from concertino.contracts.finding import Declined
from concertino.contracts.json import JsonObject, clean
from concertino.contracts.task import message_of

MESSAGE_CHARS = 2_000
"""How much of an error's message is kept; chosen by hand."""


def as_data(outcome: Declined | BaseException, *, kind: str | None = None) -> JsonObject:
    """Return `{"type", "message"}` of what ended an attempt, with the fields of an error of ours as `data`.

    Args:
        outcome: A refusal to answer, or whatever was raised: its own code may misbehave.
        kind: The type's name, where another one says more.
    """
    if isinstance(outcome, Declined):
        return {"type": "Declined", "message": _plain(outcome.reason)}
    name = kind or type(outcome).__name__
    found: JsonObject = {"type": name, "message": _message(outcome) or name}
    if isinstance(outcome, ConcertinoError):
        found["data"] = _data(outcome.fields())
    return found


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"called sys.exit({quote(error.code)})"
    try:
        return _plain(message_of(error))
    except Exception as failure:  # noqa: BLE001 - `__str__` is the specialist's own code, too
        return f"its message cannot be read: {type(failure).__name__}"


def _plain(text: str) -> str:
    short = text if len(text) <= MESSAGE_CHARS else f"{text[: MESSAGE_CHARS - 1]}…"
    return str(clean(short, field="error", nesting=1))


def _data(fields: Mapping[str, object]) -> JsonObject:
    found: JsonObject = {}
    for name, value in fields.items():
        if isinstance(value, str):
            found[name] = _plain(value)
        elif value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            found[name] = value
    return found
