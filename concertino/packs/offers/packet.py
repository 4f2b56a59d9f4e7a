"""The offer packet: the offer in document 000's shape, and what is wrapped around it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from concertino.contracts.json import JsonObject
from concertino.packs.offers.salary import Band, Recommendation


class Money(BaseModel):
    """An amount of US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = "USD"
    amount: Annotated[int, Field(ge=0)]


class OfferBand(BaseModel):
    """The band an offer stands in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = "USD"
    min: int
    max: int
    source: str


class Offer(BaseModel):
    """One offer, field for field as document 000 shows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    base_salary: Money
    band: OfferBand
    sign_on_bonus: Money
    notes: str

    @classmethod
    def of(cls, *, role: str, band: Band, money: Recommendation, notes: str) -> Offer:
        """Put a recommendation into the document's shape."""
        return cls(
            role=role,
            base_salary=Money(amount=money.base_salary),
            band=OfferBand(min=band.min, max=band.max, source=band.source),
            sign_on_bonus=Money(amount=money.sign_on_bonus),
            notes=notes,
        )

    def as_json(self) -> JsonObject:
        """Return the offer as plain JSON."""
        return self.model_dump(mode="json")


def amounts(offer: Offer) -> Recommendation:
    """Return the two amounts of an offer."""
    return Recommendation(base_salary=offer.base_salary.amount, sign_on_bonus=offer.sign_on_bonus.amount)


def with_amounts(offer: Offer, money: Recommendation, *, note: str) -> Offer:
    """Return the offer with other amounts and one more note."""
    return offer.model_copy(
        update={
            "base_salary": Money(amount=money.base_salary),
            "sign_on_bonus": Money(amount=money.sign_on_bonus),
            "notes": f"{offer.notes} {note}".strip(),
        }
    )
