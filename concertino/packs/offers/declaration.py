"""The offers pack, put together from its manifests. Domain code loads when it first runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files

from concertino.packs.manifest import Pack, Runner, Skill, read_manifest

VERSION = "0.1.0"

_ROOT = files("concertino.packs.offers")
_AGENTS = {
    slug: read_manifest(_ROOT / "agents" / f"{slug}.yaml")
    for slug in (
        "offer-orchestrator-mag",
        "compensation-advisor-sag",
        "candidate-screening-sag",
        "offer-negotiation-sag",
        "offer-approval-sag",
    )
}


@cache
def _orchestrator() -> Runner:
    """Return the one orchestrator of this process, whose runs share their circuit breakers."""
    from concertino.packs.offers.orchestrator import OfferOrchestrator

    return OfferOrchestrator(_AGENTS)


def _decomposition() -> Callable[..., object]:
    from concertino.packs.offers.decomposition import decompose

    return decompose


def _aggregation() -> Callable[..., object]:
    from concertino.packs.offers.aggregation import merge_offers

    return merge_offers


def _band_lookup() -> Callable[..., object]:
    from concertino.packs.offers.salary import tables

    return tables().look_up


pack = Pack(
    name="offers",
    version=VERSION,
    root=_ROOT,
    agents=_AGENTS,
    skills={
        skill.slug: skill
        for skill in (
            Skill("skill.task-decomposition", VERSION, _decomposition),
            Skill("skill.result-aggregation", VERSION, _aggregation),
            Skill("skill.salary-band-lookup", VERSION, _band_lookup),
        )
    },
    runners={"offer-orchestrator-mag": _orchestrator},
)
