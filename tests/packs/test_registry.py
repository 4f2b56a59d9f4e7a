"""Packs, manifests and dependency constraints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from concertino.contracts.errors import InputError, SetupError
from concertino.packs.agents import list_agents
from concertino.packs.manifest import Dependency, Pack, read_manifest
from concertino.packs.offers import pack
from concertino.packs.registry import Registry

MAG, SAG = "offer-orchestrator-mag", "compensation-advisor-sag"


def with_version(slug: str, version: str) -> Pack:
    agents = dict(pack.agents)
    agents[slug] = agents[slug].model_copy(update={"version": version})
    return replace(pack, agents=agents)


def test_the_manifest_is_the_documents() -> None:
    """Name, role, slug, version, risk class, budgets, retries and observability are as document 000 states them."""
    manifest = pack.agents[MAG]
    assert (manifest.name, manifest.role, manifest.slug) == ("OfferOrchestratorMAG", "MAG", MAG)
    assert (manifest.version, manifest.risk_class) == ("0.1.0", "low")
    assert (manifest.budgets.tokens, manifest.budgets.seconds) == (200_000, 60)
    assert manifest.retry.max_attempts == 1
    assert manifest.observability.model_dump() == {"logs": True, "metrics": True, "traces": "basic"}
    assert str(manifest.depends_on.sub_agents[0]) == "compensation-advisor-sag@>=0.1.0"
    assert [str(skill) for skill in manifest.depends_on.skills] == [
        "skill.task-decomposition@>=0.1.0",
        "skill.result-aggregation@>=0.1.0",
    ]
    assert all(skill.optional for skill in manifest.depends_on.skills)


def test_all_dependencies_of_the_pack_are_met() -> None:
    """The pack as it ships needs no fallback."""
    registry = Registry([pack])
    assert all(registry.agent(manifest.slug).missing_skills == () for manifest in registry.agents())


def test_a_required_dependency_that_is_too_old_is_refused() -> None:
    """The error names the dependency, what was wanted and what was found."""
    with pytest.raises(SetupError) as caught:
        Registry([with_version(SAG, "0.0.9")])
    text = str(caught.value)
    assert MAG in text
    assert "compensation-advisor-sag@>=0.1.0" in text
    assert "wanted compensation-advisor-sag >=0.1.0, found 0.0.9" in text


def test_a_missing_required_dependency_is_refused() -> None:
    """Without the advisor there is nobody to delegate to."""
    agents = {slug: manifest for slug, manifest in pack.agents.items() if slug != SAG}
    with pytest.raises(SetupError, match="found none"):
        Registry([replace(pack, agents=agents)])


def test_a_newer_dependency_is_taken() -> None:
    """`>=0.1.0` admits later versions, pre-releases of them too."""
    Registry([with_version(SAG, "2.0.0rc1")])


@pytest.mark.parametrize("found", [None, "0.0.1"])
def test_an_optional_skill_that_does_not_fit_is_noted(found: str | None) -> None:
    """The agent loads and says which skill it has to do without."""
    skills = dict(pack.skills)
    old = skills.pop("skill.result-aggregation")
    if found:
        skills[old.slug] = replace(old, version=found)
    loaded = Registry([replace(pack, skills=skills)]).agent(MAG)
    assert loaded.missing_skills == ("skill.result-aggregation@>=0.1.0",)
    assert set(loaded.skills) == {"skill.task-decomposition"}


def test_a_missing_required_skill_is_refused() -> None:
    """The advisor cannot do without the band lookup."""
    skills = {slug: skill for slug, skill in pack.skills.items() if slug != "skill.salary-band-lookup"}
    with pytest.raises(SetupError, match="salary-band-lookup"):
        Registry([replace(pack, skills=skills)])


def test_two_packs_cannot_claim_one_agent() -> None:
    """Which of them would run must never depend on the order of installation."""
    with pytest.raises(SetupError, match="another pack"):
        Registry([pack, replace(pack, name="other")])


def test_an_unknown_agent_is_named_with_the_known_ones() -> None:
    """The error says what could have been asked for."""
    with pytest.raises(InputError, match="offer-orchestrator-mag"):
        Registry([pack]).agent("nobody")


def test_a_sub_agent_is_not_run_by_itself() -> None:
    """Sub-agents are run by the agent that delegates to them."""
    with pytest.raises(InputError, match="sub-agent"):
        _ = Registry([pack]).agent(SAG).runner


def test_agents_are_listed_with_what_they_declare() -> None:
    """The list is plain JSON, sorted by slug."""
    listed = list_agents(Registry([pack]))
    assert [entry["slug"] for entry in listed] == sorted(pack.agents)
    orchestrator = next(entry for entry in listed if entry["slug"] == MAG)
    assert orchestrator["name"] == "OfferOrchestratorMAG"
    assert orchestrator["pack"] == "offers"


@pytest.mark.parametrize("text", ["x@>=not.a.version", "UPPER@>=1", "@>=1"])
def test_a_faulty_dependency_is_refused(text: str) -> None:
    """A constraint that cannot be read must not pass as no constraint."""
    with pytest.raises(ValueError, match=r"slug|specifier"):
        Dependency.read(text)


@pytest.mark.parametrize(
    ("text", "field"),
    [("slug: x\nname: X\nrole: MAG\nversion: one\n", "version"), ("slug: x\nrole: BOSS\n", "name"), ("- 1\n", "")],
)
def test_a_faulty_manifest_names_its_field(tmp_path: Path, text: str, field: str) -> None:
    """Whoever writes a pack is told where to look."""
    file = tmp_path / "agent.yaml"
    file.write_text(text)
    with pytest.raises(SetupError) as caught:
        read_manifest(file)
    assert caught.value.field.startswith("agent.yaml")
    assert field in caught.value.field
