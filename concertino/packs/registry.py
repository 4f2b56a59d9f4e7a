"""Which packs there are, and whether what their agents depend on is there in a version that fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from concertino.contracts.errors import InputError, SetupError
from concertino.packs.manifest import AgentManifest, Dependency, Pack, Runner, Skill

GROUP = "concertino.packs"
"""Entry point group; each entry names a `Pack`."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One agent with everything it depends on resolved."""

    manifest: AgentManifest
    pack: Pack
    skills: dict[str, Skill]
    """Slug → skill, for those declared skills that are there in a version that fits."""
    missing_skills: tuple[str, ...]
    """Optional skills that are not, as `slug@specifier`; the agent falls back and says so."""
    beneath: dict[str, Skill] = field(default_factory=dict)
    """Likewise, the skills that its sub-agents declare."""

    @property
    def runner(self) -> Runner:
        """Return what runs this agent.

        Raises:
            InputError: a sub-agent; those are run by the main agent that delegates to them.
        """
        runner = self.pack.runners.get(self.manifest.slug)
        if runner is None:
            rule = f"is a sub-agent; run one of {', '.join(sorted(self.pack.runners)) or 'no main agent in this pack'}"
            raise InputError(field="agent", value=self.manifest.slug, rule=rule)
        return runner()


class Registry:
    """All agents and skills of a set of packs."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        """Collect the packs and check every agent's dependencies.

        Raises:
            SetupError: two packs claim one slug; or a required dependency is missing or of a version that does not
                fit, naming the dependency, what was wanted and what was found.
        """
        self.packs = tuple(packs)
        self._agents: dict[str, tuple[AgentManifest, Pack]] = {}
        self._skills: dict[str, Skill] = {}
        for pack in self.packs:
            for manifest in pack.agents.values():
                if manifest.slug in self._agents:
                    raise SetupError(field=f"pack {pack.name}", value=manifest.slug, rule="another pack has this agent")
                self._agents[manifest.slug] = manifest, pack
            for skill in pack.skills.values():
                if skill.slug in self._skills:
                    raise SetupError(field=f"pack {pack.name}", value=skill.slug, rule="another pack has this skill")
                self._skills[skill.slug] = skill
        self._loaded = {slug: self._load(manifest, pack) for slug, (manifest, pack) in self._agents.items()}

    def agents(self) -> tuple[AgentManifest, ...]:
        """Return every agent's manifest, by slug."""
        return tuple(self._agents[slug][0] for slug in sorted(self._agents))

    def agent(self, slug: str) -> Loaded:
        """Return one agent.

        Raises:
            InputError: no pack has it.
        """
        if slug not in self._loaded:
            raise InputError(field="agent", value=slug, rule=f"must be one of {', '.join(sorted(self._loaded)) or '-'}")
        return self._loaded[slug]

    def _load(self, manifest: AgentManifest, pack: Pack) -> Loaded:
        beneath: dict[str, Skill] = {}
        for wanted in manifest.depends_on.sub_agents:
            known = self._agents.get(wanted.slug)
            if _fits(manifest, wanted, known[0].version if known else None) and known is not None:
                beneath |= self._of_sub_agent(known[0])
        present: dict[str, Skill] = {}
        missing: list[str] = []
        for wanted in manifest.depends_on.skills:
            skill = self._skills.get(wanted.slug)
            if _fits(manifest, wanted, skill.version if skill else None) and skill is not None:
                present[wanted.slug] = skill
            else:
                missing.append(str(wanted))
        return Loaded(manifest, pack, present, tuple(missing), beneath)

    def _of_sub_agent(self, manifest: AgentManifest) -> dict[str, Skill]:
        """Return the skills that a sub-agent works with; whether they must be there is checked with the sub-agent itself."""
        wanted = {one.slug: one for one in manifest.depends_on.skills}
        return {
            slug: skill for slug, skill in self._skills.items() if slug in wanted and wanted[slug].admits(skill.version)
        }


def _fits(manifest: AgentManifest, wanted: Dependency, found: str | None) -> bool:
    if found is not None and wanted.admits(found):
        return True
    if wanted.optional:
        return False
    raise SetupError(
        field=f"{manifest.slug}.depends_on",
        value=str(wanted),
        rule=f"wanted {wanted.slug} {wanted.specifier or 'of any version'}, found {found or 'none'}",
    )


def installed() -> Registry:
    """Return the registry of all installed packs.

    Raises:
        SetupError: an entry point that does not name a `Pack`, or as `Registry`.
    """
    packs: list[Pack] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            pack: object = entry.load()
        except (ImportError, AttributeError) as error:
            raise SetupError(
                field=f"pack {entry.name}", value=entry.value, rule=f"cannot be loaded: {error}"
            ) from error
        if not isinstance(pack, Pack):
            raise SetupError(field=f"pack {entry.name}", value=entry.value, rule="must name a concertino.packs Pack")
        packs.append(pack)
    return Registry(packs)
