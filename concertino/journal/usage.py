"""What a run has spent, by its reservations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject

AMOUNTS = ("tokens", "calls", "usd_nano", "documents")
"""What reservations count; dollars in billionths, whole."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One reservation, and what it came to."""

    path: tuple[str, ...]
    """Names of the ledger's levels from the run down."""
    amounts: Mapping[str, int]
    """By `AMOUNTS`: what was used, or all that was reserved while `settled` is false."""
    settled: bool


def usage_by_key(events: Iterable[Event]) -> dict[str, Charge]:
    """Return every reservation by key, in order of reservation.

    The first RESERVED and the first SETTLED of a key count. An open one counts in full: its request may have left.
    """
    charges: dict[str, Charge] = {}
    for event in events:
        key = event.payload.get("key")
        if not isinstance(key, str):
            continue
        known = charges.get(key)
        if event.type == "RESERVED" and known is None:
            path = event.payload.get("path")
            names = tuple(str(name) for name in path) if isinstance(path, list) else ()
            charges[key] = Charge(names, _amounts(event.payload.get("amounts")), settled=False)
        elif event.type == "SETTLED" and known is not None and not known.settled:
            charges[key] = Charge(known.path, _amounts(event.payload.get("used")), settled=True)
    return charges


def totals(charges: Mapping[str, Charge]) -> JsonObject:
    """Return the sums as reported: `{tokens, calls, usd, documents, open}`; `open` counts unsettled reservations."""
    sums = {name: sum(charge.amounts[name] for charge in charges.values()) for name in AMOUNTS}
    return {
        "tokens": sums["tokens"],
        "calls": sums["calls"],
        "usd": sums["usd_nano"] / 1e9,
        "documents": sums["documents"],
        "open": sum(not charge.settled for charge in charges.values()),
    }


def _amounts(given: JsonValue) -> dict[str, int]:
    found = given if isinstance(given, dict) else {}
    amounts: dict[str, int] = {}
    for name in AMOUNTS:
        value = found.get(name, 0)
        amounts[name] = value if isinstance(value, int) else 0
    return amounts
