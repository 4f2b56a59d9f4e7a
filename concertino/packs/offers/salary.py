"""From a profile to money: band, place in the band, sign-on bonus. Pure and deterministic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from concertino.packs.offers.bands import BandTable, read_bands
from concertino.packs.offers.locations import LocationTable, read_locations

SOURCE = "internal-table+location-adjustment"
"""What a band is drawn from. Source of the wording: document 000."""

BASE_STEP = 1_000
"""Salaries and band ends are rounded to this many dollars. Chosen by hand."""
SIGN_ON_STEP = 5_000
"""Sign-on bonuses are rounded to this many dollars. Chosen by hand."""

CONFIDENCE = 0.9
"""For a role, level and place that the tables know. This and the deductions were chosen by hand."""
DEDUCTIONS = {"role_near": 0.15, "role_none": 0.3, "level": 0.25, "location": 0.2}

Variant = Literal["linear", "early"]
"""How experience places a candidate: `linear`, or `early`, which rises faster in the first years (square root)."""


class Band(BaseModel):
    """A salary band with everything that placed a candidate in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    level: str
    place: str
    location_percent: int
    min: int
    """US dollars a year, after the location adjustment."""
    max: int
    position: Annotated[float, Field(ge=0, le=1)]
    """Where the years of experience stand between the level's years at minimum and at maximum."""
    years_expected: float
    sign_on_percent: int
    source: str
    as_of: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    notes: tuple[str, ...]
    """What makes it less certain than usual."""


class Recommendation(BaseModel):
    """What the advisor recommends, US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_salary: int
    sign_on_bonus: int


@dataclass(frozen=True, slots=True)
class Tables:
    """Both tables of the pack."""

    bands: BandTable
    locations: LocationTable

    def look_up(self, *, role: str, level: str, location: str, experience_years: float) -> Band:
        """Return the band for a candidate; never fails, what is unknown is named in `notes` and costs confidence."""
        family = self.bands.family_of(role)
        rung = self.bands.level_of(level, role=role, years=experience_years)
        place = self.locations.adjust(location)
        low, high = family.family.bands[rung.level.name]
        span = rung.level.years_at_maximum - rung.level.years_at_minimum
        position = min(1.0, max(0.0, (experience_years - rung.level.years_at_minimum) / span))
        doubts = (
            DEDUCTIONS.get(f"role_{family.nearness}", 0.0),
            0.0 if rung.certain else DEDUCTIONS["level"],
            DEDUCTIONS["location"] if place.note else 0.0,
        )
        return Band(
            family=family.family.name,
            level=rung.level.name,
            place=place.place,
            location_percent=place.percent,
            min=_adjusted(low, percent=place.percent),
            max=_adjusted(high, percent=place.percent),
            position=round(position, 4),
            years_expected=rung.level.years_expected,
            sign_on_percent=rung.level.sign_on_percent,
            source=SOURCE,
            as_of=self.bands.as_of,
            confidence=round(CONFIDENCE - sum(doubts), 2),
            notes=tuple(note for note in (family.note, rung.note, place.note) if note),
        )


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Return the pack's own tables, read once."""
    data = files("concertino.packs.offers") / "data"
    return Tables(read_bands(data / "bands.json"), read_locations(data / "locations.json"))


def recommend(band: Band, *, variant: Variant = "linear") -> Recommendation:
    """Place the candidate in the band: base salary never leaves it, the sign-on bonus is a share of the base."""
    share = band.position if variant == "linear" else math.sqrt(band.position)
    base = _rounded(band.min + (band.max - band.min) * share, step=BASE_STEP)
    base = min(band.max, max(band.min, base))
    return Recommendation(base_salary=base, sign_on_bonus=sign_on(base, percent=band.sign_on_percent))


def sign_on(base_salary: int, *, percent: int) -> int:
    """Return the sign-on bonus for a base salary, US dollars."""
    return _rounded(base_salary * percent / 100, step=SIGN_ON_STEP)


def _adjusted(amount: int, *, percent: int) -> int:
    return max(BASE_STEP, _rounded(amount * percent / 100, step=BASE_STEP))


def _rounded(amount: float, *, step: int) -> int:
    return math.floor(amount / step + 0.5) * step
