"""What a run has spent, by its reservations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject

AMOUNTS = ("tokens", "calls", "nano_usd", "documents")
"""What reservations count; dollars in billionths, whole."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One reservation, and what it came to."""

    path: tuple[str, ...]
    """Names of the ledger's accounts from the run down."""
    amounts: Mapping[str, int]
    """By `AMOUNTS`: what was used, or all that was reserved while `settled` is false."""
    settled: bool


def usage_by_key(events: Iterable[Event]) -> dict[str, Charge]:
    """Return every charge by key, in the order in which they began.

    The first RESERVED and the first SETTLED of a key count. An open one counts in full: its request may have left. What
    is spent at once, as by `brief.spend`, is settled without having been reserved on the record.
    """
    charges: dict[str, Charge] = {}
    for event in events:
        key = event.payload.get("key")
        if not isinstance(key, str):
            continue
        known = charges.get(key)
        if event.type == "RESERVED" and known is None:
            charges[key] = Charge(_path(event), _amounts(event.payload.get("amounts")), settled=False)
        elif event.type == "SETTLED" and (known is None or not known.settled):
            path = known.path if known is not None else _path(event)
            charges[key] = Charge(path, _amounts(event.payload.get("used")), settled=True)
    return charges


def totals(charges: Mapping[str, Charge]) -> JsonObject:
    """Return the sums as reported: `{tokens, calls, usd, documents, open}`; `open` counts unsettled reservations."""
    sums = {name: sum(charge.amounts[name] for charge in charges.values()) for name in AMOUNTS}
    return {
        "tokens": sums["tokens"],
        "calls": sums["calls"],
        "usd": sums["nano_usd"] / 1e9,
        "documents": sums["documents"],
        "open": sum(not charge.settled for charge in charges.values()),
    }


def _path(event: Event) -> tuple[str, ...]:
    path = event.payload.get("path")
    return tuple(path.split("/")) if isinstance(path, str) else ()


def _amounts(given: JsonValue) -> dict[str, int]:
    found = given if isinstance(given, dict) else {}
    amounts: dict[str, int] = {}
    for name in AMOUNTS:
        value = found.get(name, 0)
        amounts[name] = value if isinstance(value, int) else 0
    return amounts
