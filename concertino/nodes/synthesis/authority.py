"""How far each specialist is trusted, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from concertino.contracts.errors import InputError

AUTHORITY_WEIGHTS: Mapping[str, float] = {"regulatory_agent": 1.0, "sop_agent": 0.8, "general_agent": 0.6}
"""Source: document 004, authority hierarchy example."""

DEFAULT_AUTHORITY = 1.0
"""Authority of a specialist that nobody has ranked; with all alike, confidence alone decides."""


@runtime_checkable
class Authorities(Protocol):
    """Authority that is learned. A track record is one; another way of learning plugs in here."""

    def authority_of(self, specialist: str, *, prior: float) -> float:
        """Return the authority 0-1; exactly `prior` when nothing is known of `specialist`."""
        ...


Authority = Mapping[str, float] | Authorities
"""What a caller may pass as `authority=`."""


def read_authority(given: Authority | None) -> Authority | None:
    """Check what a caller passed as `authority=`.

    Raises:
        InputError: neither mapping nor track record, or a value outside 0-1.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {name: fraction(value, field=f"authority.{name}") for name, value in given.items()}
    if isinstance(given, Authorities):
        return given
    raise InputError(field="authority", value=given, rule="must be a mapping or a TrackRecord")


def resolve(specialist: str | None, *, own: float | None, given: Authority | None, default: float) -> float:
    """Return the authority of one finding.

    The caller's mapping comes first, because whoever merges decides whom to trust; then the finding's `own`, then
    document 004's hierarchy, then `default`. A track record starts from those last three as its prior.
    """
    if specialist is not None and isinstance(given, Mapping) and specialist in given:
        return given[specialist]
    prior = own if own is not None else AUTHORITY_WEIGHTS.get(specialist or "", default)
    if specialist is None or given is None or isinstance(given, Mapping):
        return prior
    return given.authority_of(specialist, prior=prior)


def fraction(value: object, *, field: str) -> float:
    """Return `value` as a float.

    Raises:
        InputError: not a number, or outside 0-1 (NaN included).
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(field=field, value=value, rule="must be a number from 0 to 1")
    return float(value)
