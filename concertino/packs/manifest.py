"""What an agent and a pack declare about themselves, readable without running either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, Protocol

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError, field_validator

from concertino.contracts.budget import Budget
from concertino.contracts.clock import Clock
from concertino.contracts.errors import SetupError
from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""Name of an agent or a skill, e.g. `offer-orchestrator-mag`, `skill.task-decomposition`."""

Role = Literal["MAG", "SAG"]
"""Main agent, which plans and delegates, or sub-agent, which does one thing. Source: document 000."""

RiskClass = Literal["low", "medium", "high"]

Need = Literal["none", "required"]


class Dependency(BaseModel):
    """One thing that an agent needs, as `slug@specifier`, e.g. `compensation-advisor-sag@>=0.1.0`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: Slug
    specifier: str = ""
    """A PEP 440 version specifier; empty takes any version."""
    optional: bool = False
    """An optional dependency that is missing is replaced by the agent's own fallback."""

    @field_validator("specifier")
    @classmethod
    def _readable(cls, given: str) -> str:
        try:
            SpecifierSet(given)
        except InvalidSpecifier as error:
            raise ValueError(f"{given!r} is not a version specifier such as >=0.1.0") from error
        return given

    @classmethod
    def read(cls, text: str, *, optional: bool = False) -> Dependency:
        """Return the dependency that `slug@specifier` speaks of."""
        slug, _, specifier = text.partition("@")
        return cls(slug=slug.strip(), specifier=specifier.strip(), optional=optional)

    def admits(self, version: str) -> bool:
        """Say whether `version` satisfies the specifier; pre-releases count."""
        return SpecifierSet(self.specifier).contains(version, prereleases=True)

    def __str__(self) -> str:
        return f"{self.slug}@{self.specifier}" if self.specifier else self.slug


class DependsOn(BaseModel):
    """An agent's dependencies. Sub-agents are required unless they say otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sub_agents: tuple[Dependency, ...] = ()
    skills: tuple[Dependency, ...] = ()

    @field_validator("sub_agents", "skills", mode="before")
    @classmethod
    def _text_is_a_dependency(cls, given: object) -> object:
        if not isinstance(given, list | tuple):
            return given
        return [_dependency(item) for item in given]


def _dependency(item: object) -> object:
    if isinstance(item, str):
        return Dependency.read(item)
    if isinstance(item, dict) and set(item) <= {"needs", "optional"} and isinstance(item.get("needs"), str):
        return Dependency.read(item["needs"], optional=item.get("optional") is True)
    return item


class Retry(BaseModel):
    """How often the agent itself is tried; what it delegates to has its own policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: Annotated[int, Field(ge=1, le=3)] = 1


class Observability(BaseModel):
    """What an agent's run leaves behind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    logs: bool = True
    metrics: bool = True
    traces: Literal["none", "basic"] = "basic"
    """`basic` carries the run id into every delegation."""


class Contracts(BaseModel):
    """Paths, within the pack, of the JSON Schemas of what goes in and what comes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str | None = None
    output: str | None = None


class AgentManifest(BaseModel):
    """One agent, as its `agent.yaml` declares it. Source of the fields: document 000."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: Slug
    name: str
    role: Role
    version: str
    description: str = ""
    risk_class: RiskClass = "low"
    model: Need = "none"
    """Whether it works with a chat model; one that needs none is not given any."""
    budgets: Budget = Field(default_factory=Budget)
    retry: Retry = Field(default_factory=Retry)
    observability: Observability = Field(default_factory=Observability)
    depends_on: DependsOn = Field(default_factory=DependsOn)
    contracts: Contracts = Field(default_factory=Contracts)

    @field_validator("version")
    @classmethod
    def _a_version(cls, given: str) -> str:
        try:
            Version(given)
        except InvalidVersion as error:
            raise ValueError(f"{given!r} is not a version such as 0.1.0") from error
        return given


@dataclass(frozen=True, slots=True)
class Skill:
    """A named, versioned function of a pack that another implementation may replace."""

    slug: str
    version: str
    load: Callable[[], Callable[..., object]]
    """Returns the function itself, whose signature is the business of the agent that uses it. Called when first needed:
    listing agents loads no domain code."""


RunStatus = Literal["success", "partial_success", "failed", "cancelled", "waiting", "running"]
"""How a run stands. `running` is only what a second submission of its task hears, of a run that another process works on, or
that was killed."""

EXIT_CODES: Mapping[RunStatus, int] = {
    "success": 0,
    "partial_success": 3,
    "failed": 4,
    "cancelled": 4,
    "waiting": 5,
    "running": 4,
}
"""Exit code of a process whose only work was this run. Source: DESIGN §10."""


@dataclass(frozen=True, slots=True)
class AgentRun:
    """What came of running an agent."""

    slug: str
    run_id: str
    """Also the planner's task id, so that status, events, answer and resume take it."""
    status: RunStatus
    output: JsonObject
    """Valid under the agent's output contract."""
    artifacts: str
    """Directory that holds `logs.jsonl` and `metrics.json`."""
    result: JsonObject = field(default_factory=dict)
    """The planner's own result, as DESIGN §10 has it."""

    @property
    def exit_code(self) -> int:
        """Return the process exit code that this outcome deserves."""
        return EXIT_CODES[self.status]


class EventSink(Protocol):
    """Takes every journal event of a run as it happens."""

    def __call__(self, event: Event, /) -> None: ...


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How an agent is run, apart from what it is asked."""

    clock: Clock
    runs_dir: str = ".runs/agents"
    """Directory of run artifacts; each run makes its own directory in it."""
    database: str | None = None
    """Journal as `sqlite:///path`; `None` keeps it in memory, and then a parked run is lost with the process."""
    run_id: str | None = None
    """`None` makes a new one."""
    policy: Mapping[str, JsonValue] = field(default_factory=dict)
    """Overrides of the pack's own policy."""
    model: Any = None
    """The model that an agent with `model: required` works with: `"openai:NAME"` or a chat model."""
    models: Mapping[str, Any] = field(default_factory=dict)
    """Models by specialist, where one has its own; as `create_planner` takes them."""
    on_event: EventSink | None = None
    skills: Mapping[str, Skill] = field(default_factory=dict)
    """The skills that satisfied the dependencies of the agent and its sub-agents."""
    check_output: Callable[[JsonObject], JsonObject] = lambda output: output
    """Returns an output that satisfies the output contract; raises `ToolFailed` for any other."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What comes before a run goes on."""

    gate: str | None = None
    """Gate that is answered first."""
    decision: JsonValue = None
    """The answer: `{"decision": "accept" | "reject" | "edit", "reason"?, "inputs"?}`."""
    restart: bool = False
    """Whether a run that is over begins again from its last good state."""


class Runner(Protocol):
    """Runs one main agent of a pack."""

    async def run(self, manifest: AgentManifest, payload: JsonObject, options: RunOptions) -> AgentRun:
        """Run on a payload that satisfies the input contract."""
        ...

    async def resume(self, manifest: AgentManifest, run_id: str, options: RunOptions, how: Resumption) -> AgentRun:
        """Carry on with a run that was parked or killed, or begin again with one that is over."""
        ...


@dataclass(frozen=True, slots=True)
class Pack:
    """One domain, ready to be used."""

    name: str
    version: str
    root: Traversable
    """Where the pack's contracts and data files lie."""
    agents: Mapping[str, AgentManifest]
    skills: Mapping[str, Skill] = field(default_factory=dict)
    runners: Mapping[str, Callable[[], Runner]] = field(default_factory=dict)
    """Slug of a main agent → what makes its runner; called when it first runs."""


def read_manifest(file: Traversable) -> AgentManifest:
    """Read an `agent.yaml`.

    Raises:
        SetupError: not YAML, or a field that breaks a rule, by name.
    """
    try:
        data: object = yaml.safe_load(file.read_text(encoding="utf-8"))
        return AgentManifest.model_validate(data)
    except yaml.YAMLError as error:
        raise SetupError(field=file.name, value=str(error), rule="must be YAML") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join((file.name, *(str(part) for part in first["loc"])))
        raise SetupError(field=place, value=first["input"], rule=first["msg"]) from error
