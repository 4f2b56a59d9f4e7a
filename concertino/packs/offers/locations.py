"""What a place does to pay."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from concertino.packs.offers.wording import misspelt, normal

NATIONAL_PERCENT = 100
"""What a place gets that the table does not know."""

_SEPARATORS = re.compile(r"\s+[-–—]\s+|[,;/()|]")


class Place(BaseModel):
    """A city, region or country of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["city", "region", "country"]
    aliases: tuple[str, ...]
    """In normal form."""
    within: tuple[str, ...]
    """Names, in normal form, of what it lies in; another known name after it means another place."""
    percent: Annotated[int, Field(ge=1, le=1_000)]
    """Of the national level of the United States."""


class Adjustment(NamedTuple):
    """What the table says of a place."""

    place: str
    percent: int
    note: str | None
    """Why this is less certain than usual; `None` when the table knows the place."""


class LocationTable(BaseModel):
    """The location adjustment table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    as_of: str
    basis: str
    origin: str
    places: tuple[Place, ...]

    def adjust(self, location: str) -> Adjustment:
        """Return the adjustment for a place as a person writes it; never fails.

        The most specific part that the table knows decides. A city whose following part names another known
        region is not that city (`Portland, ME`). The word "remote" alone means anywhere in the United States.
        """
        parts = [part for part in map(normal, _SEPARATORS.split(location)) if part]
        remote = any("remote" in part.split() or part == "anywhere" for part in parts)
        parts = [rest for part in parts if (rest := _without_remote(part))]
        if not parts:
            if remote:
                return Adjustment("Remote", NATIONAL_PERCENT, None)
            return self._unknown(location)
        place = self._first_of("city", parts)
        if place is None and (place := self._misspelt_city(parts)) is not None:
            return Adjustment(place.name, place.percent, f"Location {location[:80]!r} was read as {place.name}.")
        place = place or self._first_of("region", parts) or self._first_of("country", parts)
        if place is not None:
            return Adjustment(f"Remote, {place.name}" if remote else place.name, place.percent, None)
        return self._unknown(location)

    def _first_of(self, kind: str, parts: Sequence[str]) -> Place | None:
        for index, part in enumerate(parts):
            for place in self.places:
                if place.kind == kind and part in place.aliases and not self._elsewhere(place, parts[index + 1 :]):
                    return place
        return None

    def _misspelt_city(self, parts: Sequence[str]) -> Place | None:
        if any(parts[0] in place.aliases for place in self.places):
            return None
        cities = [place for place in self.places if place.kind == "city" and not self._elsewhere(place, parts[1:])]
        guess = misspelt(parts[0], [alias for place in cities for alias in place.aliases if len(alias) > 3])
        return next((place for place in cities if guess in place.aliases), None)

    def _elsewhere(self, place: Place, following: Sequence[str]) -> bool:
        known = {alias for other in self.places if other.kind != "city" for alias in other.aliases}
        return any(part in known and part not in place.within and part not in place.aliases for part in following)

    def _unknown(self, location: str) -> Adjustment:
        note = f"Location {location[:80]!r} is not in the {self.name} table: the national level was used."
        return Adjustment("unknown", NATIONAL_PERCENT, note)


def _without_remote(part: str) -> str:
    return " ".join(word for word in part.split() if word not in {"remote", "anywhere", "hybrid", "fully"})


def read_locations(file: Traversable) -> LocationTable:
    """Read the table from its JSON file."""
    return LocationTable.model_validate_json(file.read_bytes())
