"""The salary band table: role families by levels, and where a title and a level stand in it."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from concertino.packs.offers.wording import longest_within, misspelt, normal

GENERIC = "generic"
"""The family of titles that no other family knows."""

Years = Annotated[float, Field(ge=0, le=60)]
Dollars = Annotated[int, Field(ge=1, le=10_000_000)]


class Level(BaseModel):
    """One rung of the ladder, the same for all families."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    aliases: tuple[str, ...]
    """In normal form."""
    years_at_minimum: Years
    """With so many years of experience, or fewer, pay is the band's minimum."""
    years_at_maximum: Years
    """With so many, or more, its maximum; linear between."""
    years_expected: Years
    """What the screening stage measures a candidate against."""
    sign_on_percent: Annotated[int, Field(ge=0, le=100)]
    """Sign-on bonus in percent of base salary."""


class Family(BaseModel):
    """One family of roles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    titles: tuple[str, ...]
    """In normal form, without level words."""
    bands: dict[str, tuple[Dollars, Dollars]]
    """Level → minimum and maximum base salary a year, US dollars, national level."""


class FamilyMatch(NamedTuple):
    """The family that a title was taken for, and why that is uncertain, if it is."""

    family: Family
    note: str | None
    nearness: Literal["known", "near", "none"]


class LevelMatch(NamedTuple):
    """The level that was meant, and why that is uncertain, if it is."""

    level: Level
    note: str | None
    certain: bool


class BandTable(BaseModel):
    """The whole table; levels from the lowest to the highest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    as_of: str
    currency: Literal["USD"]
    period: Literal["year"]
    basis: str
    origin: str
    levels: tuple[Level, ...]
    families: tuple[Family, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = [level.name for level in self.levels]
        for family in self.families:
            if list(family.bands) != names:
                raise ValueError(f"family {family.name} must have exactly the levels {names}, in order")
            if any(low >= high for low, high in family.bands.values()):
                raise ValueError(f"family {family.name} has a band whose minimum is not below its maximum")
        if GENERIC not in {family.name for family in self.families}:
            raise ValueError(f"a family named {GENERIC} is needed for unknown titles")
        return self

    def family(self, name: str) -> Family:
        """Return a family by its own name."""
        return next(family for family in self.families if family.name == name)

    def family_of(self, role: str) -> FamilyMatch:
        """Return the family of a job title; never fails, an unknown title is generic."""
        full = normal(role)
        bare = self._without_level(full)
        owners = {title: family for family in self.families for title in family.titles}
        exact = owners.get(full) or owners.get(bare)
        if exact is not None:
            return FamilyMatch(exact, None, "known")
        several = [title for title in owners if " " in title]
        phrase = longest_within(full, several)
        if phrase is not None:
            return FamilyMatch(owners[phrase], None, "known")
        near = misspelt(bare, owners) or longest_within(full, [title for title in owners if " " not in title])
        if near is not None:
            family = owners[near]
            note = f"Role {role[:80]!r} is not in the table: its nearest family, {family.name}, was used."
            return FamilyMatch(family, note, "near")
        note = f"Role {role[:80]!r} is not in the table: a generic band was used."
        return FamilyMatch(self.family(GENERIC), note, "none")

    def level_of(self, level: str, *, role: str = "", years: float = 0.0) -> LevelMatch:
        """Return the level that is meant; never fails.

        An unknown level is read from the title, else taken as the highest that `years` of experience allow for,
        Senior at most.
        """
        named = {alias: rung for rung in self.levels for alias in rung.aliases}
        text = normal(level)
        rung = named.get(text) or named.get(longest_within(text, named) or "")
        in_title = named.get(longest_within(normal(role), [alias for alias in named if len(alias) > 1]) or "")
        if rung is not None:
            if in_title is not None and in_title.name != rung.name:
                return LevelMatch(rung, f"Level {rung.name} was used, though the title says {in_title.name}.", True)
            return LevelMatch(rung, None, True)
        guess = named.get(misspelt(text, [alias for alias in named if len(alias) > 3]) or "")
        if guess is not None:
            return LevelMatch(guess, f"Level {level[:40]!r} was read as {guess.name}.", True)
        if in_title is not None:
            return LevelMatch(
                in_title, f"Level {level[:40]!r} is not in the table: {in_title.name} from the title.", False
            )
        reachable = [rung for rung in self.levels[1:4] if rung.years_expected <= years]
        nearest = reachable[-1] if reachable else self.levels[1]
        return LevelMatch(nearest, f"Level {level[:40]!r} is not in the table: {nearest.name} by experience.", False)

    def _without_level(self, title: str) -> str:
        words = {alias for rung in self.levels for alias in rung.aliases if " " not in alias}
        return " ".join(word for word in title.split() if word not in words)


def read_bands(file: Traversable) -> BandTable:
    """Read the table from its JSON file."""
    return BandTable.model_validate_json(file.read_bytes())
