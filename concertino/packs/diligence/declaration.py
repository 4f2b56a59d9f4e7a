"""The diligence pack, put together from its manifests. Domain code loads when it first runs."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from concertino.packs.manifest import Pack, Runner, read_manifest

VERSION = "0.1.0"

_ROOT = files("concertino.packs.diligence")
_AGENTS = {
    slug: read_manifest(_ROOT / "agents" / f"{slug}.yaml")
    for slug in (
        "due-diligence-agent",
        "financial_agent",
        "legal_agent",
        "market_agent",
        "technical_agent",
        "regulatory_agent",
    )
}


@cache
def _runner() -> Runner:
    from concertino.packs.diligence.runner import DiligenceRunner

    return DiligenceRunner()


pack = Pack(name="diligence", version=VERSION, root=_ROOT, agents=_AGENTS, runners={"due-diligence-agent": _runner})
