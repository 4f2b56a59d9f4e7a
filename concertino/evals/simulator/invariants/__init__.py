"""What must hold of every run, whatever goes wrong; by subject. Source of all of them: DESIGN, sections 2 to 5."""

from __future__ import annotations

from typing import NamedTuple


class Break(NamedTuple):
    """A broken promise."""

    check: str
    """The subject, e.g. `money`."""
    rule: str
    """Which promise, in a few words; the same for every break of it."""
    detail: str
    """Where and by how much."""


__all__ = ["Break"]
