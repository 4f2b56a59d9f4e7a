"""The rules before and after the offer itself: screening, approval, negotiation. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from concertino.packs.offers.salary import BASE_STEP, Band, Recommendation
from concertino.packs.policies import merged

Percent = Annotated[float, Field(ge=0, le=100)]


class ApprovalPolicy(BaseModel):
    """From where on a person must agree, US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_salary: Annotated[float, Field(ge=0, le=1e9)]
    sign_on_bonus: Annotated[float, Field(ge=0, le=1e9)]


class ScreeningPolicy(BaseModel):
    """When screening ends the run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_share: Annotated[float, Field(ge=0, le=1)]
    """Share of the level's expected years below which a candidate is not offered it."""


class NegotiationPolicy(BaseModel):
    """How far a counter-offer is met."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accept_percent: Percent
    meet_percent: Percent
    sign_on_cap_percent: Percent
    """Highest sign-on bonus in percent of base salary."""


class Policy(BaseModel):
    """The pack's policy, as `policy.yaml` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approval: ApprovalPolicy
    screening: ScreeningPolicy
    negotiation: NegotiationPolicy
    variants: bool = False


def read_policy(overrides: Mapping[str, JsonValue]) -> Policy:
    """Return the pack's policy with a caller's overrides, merged section by section.

    Raises:
        SetupError: an override that the policy does not know or allow, by name.
    """
    text = (files("concertino.packs.offers") / "policy.yaml").read_text(encoding="utf-8")
    return merged(Policy, text, overrides)


def needs_approval(offer: Recommendation, policy: ApprovalPolicy) -> bool:
    """Say whether an offer is one of high value."""
    return offer.base_salary >= policy.base_salary or offer.sign_on_bonus >= policy.sign_on_bonus


class Screening(BaseModel):
    """What screening says of a candidate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["proceed", "stop"]
    reasons: tuple[str, ...]


def screen(band: Band, *, experience_years: float, policy: ScreeningPolicy) -> Screening:
    """Stop where the experience is far below the level; with an uncertain level nobody is turned away."""
    floor = band.years_expected * policy.minimum_share
    said = f"{experience_years:g} years; {band.level} expects {band.years_expected:g}, at least {floor:g}"
    return Screening(decision="stop" if experience_years < floor else "proceed", reasons=(said,))


class Counter(BaseModel):
    """What a candidate asks for, US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_salary: float
    sign_on_bonus: float | None = None


class Negotiated(BaseModel):
    """The answer to a counter-offer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["held", "met", "split", "capped"]
    """`held`: ours stands; `met`: the candidate's; `split`: between; `capped`: at the top of the band."""
    offer: Recommendation
    reasons: tuple[str, ...]


def negotiate(
    offer: Recommendation, counter: Counter | None, *, band_max: int, policy: NegotiationPolicy
) -> Negotiated:
    """Answer a counter-offer; never below our own offer, base salary never over `band_max`.

    What base salary cannot give is made up for by half the rest as sign-on bonus, within its cap.
    """
    if counter is None:
        return Negotiated(outcome="held", offer=offer, reasons=("No counter-offer was made.",))
    asked = counter.base_salary
    ceiling = max(band_max, offer.base_salary)
    if asked <= offer.base_salary:
        outcome, base = "held", offer.base_salary
    elif asked <= min(ceiling, offer.base_salary * (1 + policy.accept_percent / 100)):
        outcome, base = "met", int(asked)
    else:
        target = offer.base_salary + (asked - offer.base_salary) * policy.meet_percent / 100
        base = max(offer.base_salary, int(target // BASE_STEP * BASE_STEP))
        outcome = "split"
        if base >= ceiling:
            outcome, base = "capped", ceiling
    bonus = _bonus(offer, counter, base=base, policy=policy)
    reason = f"Asked {asked:,.0f} base, offered {offer.base_salary:,}, band up to {band_max:,}: {outcome} at {base:,}."
    return Negotiated.model_validate(
        {
            "outcome": outcome,
            "offer": {"base_salary": base, "sign_on_bonus": bonus},
            "reasons": (reason, f"Sign-on bonus {bonus:,}, before {offer.sign_on_bonus:,}."),
        }
    )


def _bonus(offer: Recommendation, counter: Counter, *, base: int, policy: NegotiationPolicy) -> int:
    wanted = counter.sign_on_bonus or 0.0
    made_up = offer.sign_on_bonus + max(0.0, counter.base_salary - base) / 2
    cap = base * policy.sign_on_cap_percent / 100
    raised = min(cap, max(wanted, made_up) if counter.base_salary > base or wanted else 0.0)
    return max(offer.sign_on_bonus, int(raised // BASE_STEP * BASE_STEP))
