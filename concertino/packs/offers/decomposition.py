"""From a profile to a task: which stages are wanted, who must agree, and the task-decomposition skill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from concertino.contracts.json import JsonObject
from concertino.packs.offers.salary import Band, Variant, recommend, tables
from concertino.packs.offers.stages import Counter, Policy, needs_approval, negotiate

TASK_TYPE = "offer"
"""What `workflow.yaml` matches on."""

Stage = Literal["screening", "offer", "negotiation"]
STAGES: tuple[Stage, ...] = ("screening", "offer", "negotiation")
"""In the order in which they are gone through, whatever order a profile names them in."""

LookUp = Callable[..., object]
"""What `skill.salary-band-lookup` does: role, level, location and experience_years by name in, a `Band` or its fields out."""

ADVISOR_SLUG = "compensation-advisor-sag"


class Route(BaseModel):
    """Which parts of the workflow a profile goes through; the workflow's conditions read it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    screening: bool = False
    negotiation: bool = False
    second_opinion: bool = False
    by_record: bool = False
    """Whether the advisor is chosen between its variants by their record."""


def decompose(profile: JsonObject, policy: Policy) -> Route:
    """Return the parts that a profile asks for: what `skill.task-decomposition` does unless replaced."""
    stages = profile.get("stages")
    wanted = set(stages) if isinstance(stages, list) else {"offer"}
    second = profile.get("second_opinion") is True
    return Route(
        screening="screening" in wanted,
        negotiation="negotiation" in wanted or "counter_offer" in profile,
        second_opinion=second,
        by_record=policy.variants and not second,
    )


def expects_approval(profile: JsonObject, policy: Policy, *, variants: bool, look_up: LookUp | None = None) -> bool:
    """Say, before anything runs, whether the offer can reach a value that a person must agree to.

    Looks at what every variant in play would offer and where a negotiation from there would end; without variants and
    negotiation that is the very offer. `look_up` takes the place of the pack's own tables; where it fails, a person is asked.
    """
    years = profile["experience_years"]
    assert isinstance(years, int | float)
    wanted: dict[str, Any] = {name: str(profile[name]) for name in ("role", "level", "location")}
    wanted["experience_years"] = float(years)
    if look_up is None:
        band = tables().look_up(**wanted)
    else:
        try:
            band = Band.model_validate(look_up(**wanted))
        except Exception:  # noqa: BLE001 - the skill is not ours; the advisor will say what is wrong with it
            return True
    ways: tuple[Variant, ...] = ("linear", "early") if variants else ("linear",)
    offers = [recommend(band, variant=way) for way in ways]
    asked = profile.get("counter_offer")
    if isinstance(asked, dict):
        counter = Counter.model_validate(asked)
        terms = policy.negotiation
        offers += [negotiate(offer, counter, band_max=band.max, policy=terms).offer for offer in offers]
    return any(needs_approval(offer, policy.approval) for offer in offers)


def make_task(
    profile: JsonObject, *, run_id: str, slug: str, version: str, route: Route, approval: bool, policy: Policy
) -> JsonObject:
    """Return the task that the workflow plans.

    The policy travels in it: whoever takes the run up later is bound by the policy that it began with.
    """
    return {
        "task_id": run_id,
        "title": f"Offer for {profile['role']}"[:500],
        "task_type": TASK_TYPE,
        "payload": {
            "profile": profile,
            "route": {**route.model_dump(), "approval": approval},
            "policy": policy.model_dump(mode="json"),
        },
        "metadata": {"agent": slug, "agent_version": version},
    }


def single_task_plan(profile: JsonObject, *, approval: bool) -> JsonObject:
    """Return the plan that the main agent falls back to: one task for the advisor. Source: document 000.

    An offer of high value keeps its gate, here on the advisor itself.
    """
    subtask: JsonObject = {
        "id": f"{ADVISOR_SLUG}-1",
        "specialist": ADVISOR_SLUG,
        "objective": "Recommend compensation for the candidate.",
        "inputs": {"profile": {"$literal": profile}},
        "max_attempts": 1,
    }
    if approval:
        subtask["gate"] = {"question": "This offer may be of high value. Should it be made?"}
    return {"subtasks": [subtask]}
