"""The sub-agents of the offers pack as specialists, and the band lookup as their tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import JsonValue

from concertino.contracts.brief import Brief
from concertino.contracts.budget import Budget
from concertino.contracts.errors import InputError
from concertino.contracts.finding import Declined, Evidence, Finding
from concertino.contracts.json import JsonObject
from concertino.nodes.specialists.declare import Specialist, specialist
from concertino.packs.manifest import AgentManifest
from concertino.packs.offers.aggregation import Opinion, merge_offers
from concertino.packs.offers.packet import Offer, amounts, with_amounts
from concertino.packs.offers.salary import Band, Variant, recommend, tables
from concertino.packs.offers.stages import Counter, Policy, negotiate, screen
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.registry import Tool, tool

ADVISOR = "compensation-advisor-sag"
EARLY_ADVISOR = "compensation-advisor-sag-early"
"""Variant of the advisor that places candidates by the square root of their years."""
SCREENER = "candidate-screening-sag"
NEGOTIATOR = "offer-negotiation-sag"
APPROVER = "offer-approval-sag"

ADVICE = "compensation-advice"
"""Capability that all variants of the advisor have."""

BREAKER = BreakerPolicy(failure_threshold=3, reset_timeout_s=300)
"""Fail fast when the advisor keeps failing. Source: document 004's preset."""

EarlyAdvisor = Literal["variant", "panel"]
"""What part the second advisor plays: to be chosen between by record, and asked when the first fails; or asked beside the
first where the plan says so. In a panel it is no variant, or both places might be routed to the same one."""

BAND_LOOKUP = "salary_band_lookup"

_DOLLARS: JsonObject = {"type": "integer", "minimum": 0, "maximum": 100_000_000}
AMOUNTS: JsonObject = {
    "type": "object",
    "properties": {"base_salary": _DOLLARS, "sign_on_bonus": _DOLLARS},
    "additionalProperties": False,
}
"""What an approver may change, in whole US dollars."""


@tool(BAND_LOOKUP, timeout_s=5)
async def salary_band_lookup(*, role: str, level: str, location: str, experience_years: float) -> JsonObject:
    """Look up the salary band of a role and level at a place, with the candidate's position in it."""
    band = tables().look_up(role=role, level=level, location=location, experience_years=experience_years)
    return band.model_dump(mode="json")


def lookup_by(look_up: Callable[..., object]) -> Tool:
    """Return the tool as another implementation of `skill.salary-band-lookup` does it; it may block."""

    @tool(BAND_LOOKUP, description=salary_band_lookup.description, timeout_s=salary_band_lookup.timeout_s)
    def looked_up(*, role: str, level: str, location: str, experience_years: float) -> JsonObject:
        found = look_up(role=role, level=level, location=location, experience_years=experience_years)
        return Band.model_validate(found).model_dump(mode="json")

    return looked_up


@cache
def _takes_profile() -> JsonObject:
    """Return the schema of inputs that hold a profile, by the contract at the pack's door."""
    contract = files("concertino.packs.offers") / "contracts" / "candidate_profile.schema.json"
    profile: JsonObject = json.loads(contract.read_text(encoding="utf-8"))
    return {"type": "object", "properties": {"profile": profile}, "additionalProperties": False}


def _advisor(
    manifest: AgentManifest, *, name: str, variant: Variant, lookup: Tool, variant_of: str | None = None
) -> Specialist:
    @specialist(
        name,
        capabilities={ADVICE} if variant_of or name == ADVISOR else (),
        domain="compensation",
        description=manifest.description,
        authority=0.8,
        budget=manifest.budgets,
        input_schema=_takes_profile(),
        version=f"{manifest.version}-{variant}",
        variant_of=variant_of,
        max_attempts=manifest.retry.max_attempts,
        tools=[lookup],
        breaker=BREAKER,
    )
    async def advise(brief: Brief) -> Finding:
        profile = _profile(brief.inputs)
        band = await _look_up(brief, profile)
        offer = recommend(band, variant=variant)
        said = Offer.of(
            role=str(profile["role"]),
            band=band,
            money=offer,
            notes=_notes(manifest.name, band, years=_years(profile), quoted=profile.get("notes"), variant=variant),
        )
        output: JsonObject = {"offer": said.as_json(), "warnings": list(band.notes), "confidence": band.confidence}
        return Finding(
            output=output,
            confidence=band.confidence,
            evidence=(Evidence(source=band.source, quote=f"{band.family}/{band.level} as of {band.as_of}"),),
        )

    return advise


def _screener(manifest: AgentManifest, *, lookup: Tool) -> Specialist:
    @specialist(
        SCREENER,
        domain="screening",
        description=manifest.description,
        budget=manifest.budgets,
        input_schema=_takes_profile(),
        version=manifest.version,
        max_attempts=manifest.retry.max_attempts,
        tools=[lookup],
    )
    async def check(brief: Brief) -> Finding:
        profile = _profile(brief.inputs)
        band = await _look_up(brief, profile)
        verdict = screen(band, experience_years=_years(profile), policy=_policy(brief).screening)
        return Finding(output=verdict.model_dump(mode="json"), confidence=band.confidence, evidence=(band.source,))

    return check


def _negotiator(manifest: AgentManifest) -> Specialist:
    @specialist(
        NEGOTIATOR,
        domain="negotiation",
        description=manifest.description,
        budget=manifest.budgets,
        input_schema=_takes_profile(),
        version=manifest.version,
        max_attempts=manifest.retry.max_attempts,
    )
    async def answer(brief: Brief) -> Finding | Declined:
        found = upstream_offer(brief.upstream)
        if found is None:
            return Declined(reason="there is no offer to negotiate about")
        offer, warnings = found
        asked = _profile(brief.inputs).get("counter_offer")
        counter = Counter.model_validate(asked) if isinstance(asked, dict) else None
        answer = negotiate(amounts(offer), counter, band_max=offer.band.max, policy=_policy(brief).negotiation)
        changed = with_amounts(offer, answer.offer, note=" ".join(answer.reasons))
        output: JsonObject = {
            "offer": changed.as_json(),
            "warnings": list(warnings),
            "outcome": answer.outcome,
            "reasons": list(answer.reasons),
        }
        return Finding(output=output, confidence=0.9, evidence=("policy.yaml",))

    return answer


def _approver(manifest: AgentManifest) -> Specialist:
    @specialist(
        APPROVER,
        domain="approval",
        description=manifest.description,
        budget=Budget(seconds=10),
        input_schema=AMOUNTS,
        version=manifest.version,
        max_attempts=1,
    )
    async def release(brief: Brief) -> Finding | Declined:
        found = upstream_offer(brief.upstream)
        if found is None:
            return Declined(reason="there is no offer to approve")
        offer, warnings = found
        given = {str(name): brief.inputs[name] for name in ("base_salary", "sign_on_bonus") if name in brief.inputs}
        ours = amounts(offer)
        changed: dict[str, int] = {name: _dollars(name, value) for name, value in given.items()}
        reasons = ["A person agreed to this offer."]
        if changed:
            ours = ours.model_copy(update=changed)
            said = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in sorted(changed.items()))
            reasons = [f"A person agreed to this offer with changes: {said}."]
        output: JsonObject = {
            "offer": with_amounts(offer, ours, note=" ".join(reasons)).as_json(),
            "warnings": list(warnings),
            "reasons": list[JsonValue](reasons),
        }
        return Finding(output=output, confidence=1.0, evidence=("approval gate",))

    return release


def build_specialists(
    agents: Mapping[str, AgentManifest], *, lookup: Tool = salary_band_lookup, early: EarlyAdvisor = "panel"
) -> tuple[Specialist, ...]:
    """Return the pack's specialists for the sub-agents in `agents`."""
    made: list[Specialist] = []
    if ADVISOR in agents:
        made.append(_advisor(agents[ADVISOR], name=ADVISOR, variant="linear", lookup=lookup))
        of = ADVISOR if early == "variant" else None
        made.append(_advisor(agents[ADVISOR], name=EARLY_ADVISOR, variant="early", lookup=lookup, variant_of=of))
    if SCREENER in agents:
        made.append(_screener(agents[SCREENER], lookup=lookup))
    if NEGOTIATOR in agents:
        made.append(_negotiator(agents[NEGOTIATOR]))
    if APPROVER in agents:
        made.append(_approver(agents[APPROVER]))
    return tuple(made)


def upstream_offer(upstream: Mapping[str, Finding]) -> tuple[Offer, tuple[str, ...]] | None:
    """Return the offer that the prerequisites arrived at, with its warnings.

    A negotiated offer stands alone; several advisors' are merged by their weights.
    """
    found = [upstream[name] for name in upstream]
    negotiated = [finding for finding in found if isinstance(finding.output, dict) and "outcome" in finding.output]
    opinions = [
        opinion
        for finding in negotiated or found
        if (opinion := Opinion.of(finding.output, confidence=finding.confidence)) is not None
    ]
    return merge_offers(opinions) if opinions else None


async def _look_up(brief: Brief, profile: JsonObject) -> Band:
    wanted = {name: profile[name] for name in ("role", "level", "location", "experience_years")}
    found: Any = await brief.tools.call(BAND_LOOKUP, **wanted)
    return Band.model_validate(found)


def _profile(inputs: JsonObject) -> JsonObject:
    profile = inputs.get("profile")
    if not isinstance(profile, dict):
        raise InputError(field="inputs.profile", value=profile, rule="must be a candidate profile")
    return profile


def _policy(brief: Brief) -> Policy:
    payload = brief.task.get("payload")
    return Policy.model_validate(payload.get("policy") if isinstance(payload, dict) else None)


def _years(profile: JsonObject) -> float:
    years = profile["experience_years"]
    assert isinstance(years, int | float)
    return float(years)


def _dollars(name: str, value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e8:
        raise InputError(field=f"inputs.{name}", value=value, rule="must be US dollars from 0 to 100,000,000")
    return int(value)


def _notes(name: str, band: Band, *, years: float, quoted: JsonValue, variant: Variant) -> str:
    curve = " (early curve)" if variant == "early" else ""
    years_at = f"{years:g} years of experience at {band.position:.0%} of the level's range{curve}"
    where = f"{band.family}/{band.level}, {band.place} at {band.location_percent} % of the national level"
    said: list[str] = [
        f"Generated by {name} from {band.source} as of {band.as_of}: {where}, {years_at}.",
        f"Confidence {band.confidence:.2f}.",
        *band.notes,
    ]
    if isinstance(quoted, str) and quoted.strip():
        said.append(f"Candidate notes: {quoted[:500]}")
    return " ".join(said)
