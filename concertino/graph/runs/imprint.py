"""What identifies a finding: computed once, asked by every dependent and by the graph's state."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import JsonValue

from concertino.contracts.json import canonical, digest_of_text


class Imprint(NamedTuple):
    """What a finding comes to as canonical JSON."""

    of: JsonValue
    digest: str
    size: int
    """Characters."""


def imprint(finding: JsonValue) -> Imprint:
    """Return the imprint of a finding as a record has it."""
    text = canonical(finding)
    return Imprint(finding, digest_of_text(text), len(text))
