"""Running a pack's agent: contract at the door in, run, contract at the door out."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import JsonValue

from concertino.contracts.clock import Clock, SystemClock
from concertino.contracts.errors import InputError, JournalError, SetupError, ToolFailed
from concertino.contracts.ids import ID_RULE, is_id
from concertino.contracts.json import JsonObject
from concertino.packs.door import Door
from concertino.packs.manifest import AgentRun, EventSink, Resumption, RunOptions
from concertino.packs.registry import Loaded, Registry, installed

T = TypeVar("T")

RUNS_DIR = ".runs/agents"
"""Where run artifacts go unless said otherwise. Source: document 000."""


DATABASE = "sqlite:///.runs/concertino.db"
"""The journal unless said otherwise, beside the artifacts: what waits for approval can be answered later, by anybody."""


def list_agents(registry: Registry | None = None) -> list[JsonObject]:
    """Return what every installed agent declares, by slug, with its pack and the optional skills it has to do without."""
    known = registry or installed()
    return [
        {
            **manifest.model_dump(mode="json", exclude_none=True, exclude={"depends_on"}),
            "pack": known.agent(manifest.slug).pack.name,
            "depends_on": {
                "sub_agents": [str(wanted) for wanted in manifest.depends_on.sub_agents],
                "skills": [str(wanted) for wanted in manifest.depends_on.skills],
            },
            "missing_skills": list(known.agent(manifest.slug).missing_skills),
        }
        for manifest in known.agents()
    ]


def agent_of(task: Mapping[str, JsonValue]) -> str | None:
    """Return the slug of the agent that a task was made by, `None` for any other task."""
    metadata = task.get("metadata")
    slug = metadata.get("agent") if isinstance(metadata, dict) else None
    return slug if isinstance(slug, str) else None


async def astart_agent(
    slug: str,
    payload: object,
    *,
    runs_dir: str | Path = RUNS_DIR,
    database: str | None = DATABASE,
    run_id: str | None = None,
    policy: Mapping[str, JsonValue] | None = None,
    model: Any = None,
    models: Mapping[str, Any] | None = None,
    on_event: EventSink | None = None,
    clock: Clock | None = None,
    registry: Registry | None = None,
) -> AgentRun:
    """Run an agent and return everything that came of it.

    Args:
        slug: Which agent, e.g. `offer-orchestrator-mag`.
        payload: What its input contract asks for.
        runs_dir: Directory of run artifacts.
        database: Journal as `sqlite:///path`. `None` keeps it in memory: a run that waits for approval is then lost with
            this call.
        run_id: Key of idempotency: a known one with the same payload is the same run. `None` makes a new one, `mag-` and
            8 hex digits.
        policy: Overrides of the pack's policy, section by section.
        model: For an agent that needs one: `"openai:NAME"`, or a LangChain chat model.
        models: Models by specialist, where one has its own.
        on_event: Called with every event of the run as it happens.
        clock: Where time comes from.
        registry: Which packs there are; `None` takes those installed.

    Raises:
        InputError: an unknown agent, or a payload that breaks the contract: field, value, rule. No run was made.
        SetupError: a pack's dependencies do not hold, the policy or another option is faulty, a model is missing or not wanted.
        ConcertinoError: the run could not be carried out; its artifacts were written.
    """
    loaded = (registry or installed()).agent(slug)
    runner = loaded.runner
    made = _models(loaded, model, models)
    profile = _check(loaded, loaded.manifest.contracts.input, payload, field="payload")
    options = _options(loaded, runs_dir, database, policy, on_event, clock, run_id=_run_id(slug, run_id), models=made)
    if database == DATABASE:
        _make_place(DATABASE)
    return await runner.run(loaded.manifest, profile, options)


async def aresume_agent(
    slug: str,
    run_id: str,
    *,
    database: str = DATABASE,
    gate: str | None = None,
    decision: JsonValue = None,
    restart: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    model: Any = None,
    models: Mapping[str, Any] | None = None,
    on_event: EventSink | None = None,
    clock: Clock | None = None,
    registry: Registry | None = None,
) -> AgentRun:
    """Carry on with a run that waited for an answer or was killed, under the policy that it began with.

    Args:
        slug: Which agent.
        run_id: Which run.
        database: The journal that has it.
        gate: A gate to answer first, with `decision` (`{"decision": "accept" | "reject" | "edit", ...}`).
        decision: See `gate`.
        restart: Begin again with a run that is over, from its last good state.
        runs_dir: Directory of run artifacts.
        model: As for `astart_agent`; no model is on the record.
        models: As for `astart_agent`.
        on_event: Called with every event of the run as it happens.
        clock: Where time comes from.
        registry: Which packs there are; `None` takes those installed.

    Raises:
        RunNotFound: the journal has no such run.
    """
    loaded = (registry or installed()).agent(slug)
    made = _models(loaded, model, models)
    options = _options(loaded, runs_dir, database, None, on_event, clock, run_id=_run_id(slug, run_id), models=made)
    how = Resumption(gate=gate, decision=decision, restart=restart)
    return await loaded.runner.resume(loaded.manifest, run_id, options, how)


async def arun_agent(slug: str, payload: object, **options: Any) -> JsonObject:
    """Run an agent and return its output; options and errors are those of `astart_agent`.

    An output that is not a plain success says so in its `status`.
    """
    return (await astart_agent(slug, payload, **_known(astart_agent, options, by="arun_agent"))).output


def start_agent(slug: str, payload: object, **options: Any) -> AgentRun:
    """Do what `astart_agent` does, from synchronous code."""
    return _wait(astart_agent(slug, payload, **_known(astart_agent, options, by="start_agent")))


def resume_agent(slug: str, run_id: str, **options: Any) -> AgentRun:
    """Do what `aresume_agent` does, from synchronous code."""
    return _wait(aresume_agent(slug, run_id, **_known(aresume_agent, options, by="resume_agent")))


def run_agent(slug: str, payload: object, **options: Any) -> JsonObject:
    """Do what `arun_agent` does, from synchronous code; inside a running event loop it blocks that loop."""
    return _wait(arun_agent(slug, payload, **_known(astart_agent, options, by="run_agent")))


def _known(function: Callable[..., object], options: dict[str, Any], *, by: str) -> dict[str, Any]:
    """Return `options` where `function` takes them all; else a TypeError names what the caller called."""
    known = signature(function).parameters
    for name in options:
        if name not in known:
            raise TypeError(f"{by}() got an unexpected keyword argument {name!r}")
    return options


def _make_place(database: str) -> None:
    folder = Path(database.removeprefix("sqlite:///")).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(place=database, reason=str(error.strerror or error)) from error


def _options(
    loaded: Loaded,
    runs_dir: str | Path,
    database: str | None,
    policy: Mapping[str, JsonValue] | None,
    on_event: EventSink | None,
    clock: Clock | None,
    *,
    run_id: str,
    models: Models,
) -> RunOptions:
    if not isinstance(runs_dir, str | Path):
        raise SetupError(field="runs_dir", value=runs_dir, rule="must be the path of a directory")
    return RunOptions(
        clock=clock or SystemClock(),
        runs_dir=str(runs_dir),
        database=database,
        run_id=run_id,
        policy=policy or {},
        model=models.default,
        models=models.own,
        on_event=on_event,
        skills={**loaded.beneath, **loaded.skills},
        check_output=_output_door(loaded, run_id),
    )


class Models(NamedTuple):
    """What an agent's specialists work with."""

    default: Any
    own: Mapping[str, Any]


def _models(loaded: Loaded, model: Any, models: Mapping[str, Any] | None) -> Models:
    """Return the models of a run.

    Raises:
        SetupError: the agent works by rules alone, or `models` is no mapping.
    """
    if models is not None and not isinstance(models, Mapping):
        raise SetupError(field="models", value=models, rule="must be models by specialist")
    if loaded.manifest.model == "none" and (model is not None or models):
        rule = f"must be left out: {loaded.manifest.slug} works by rules alone"
        raise SetupError(field="model", value=model or dict(models or {}), rule=rule)
    return Models(model, models or {})


def _run_id(slug: str, given: str | None) -> str:
    """Return `given`, or a new id as document 000 has it: role, dash, 8 hex digits."""
    if given is None:
        return f"{slug.rsplit('-', 1)[-1]}-{uuid.uuid4().hex[:8]}"
    if not is_id(given):
        raise InputError(field="run_id", value=given, rule=f"must match {ID_RULE}")
    return given


def _check(loaded: Loaded, contract: str | None, value: object, *, field: str) -> JsonObject:
    if contract is None:
        if not isinstance(value, dict):
            raise InputError(field=field, value=value, rule="must be an object")
        return value
    return Door(loaded.pack.root / contract, field=field).check(value)


def _output_door(loaded: Loaded, run_id: str) -> Callable[[JsonObject], JsonObject]:
    def check(output: JsonObject) -> JsonObject:
        try:
            return _check(loaded, loaded.manifest.contracts.output, output, field="output")
        except InputError as error:
            reason = f"broke its output contract: {error}"
            raise ToolFailed(tool=f"{loaded.manifest.slug} {run_id}", attempts=1, reason=reason) from error

    return check


def _wait(work: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    # A loop runs in this thread already, so the work gets one of its own.
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - handed on to the caller
            done.set_exception(error)

    threading.Thread(target=run, name="concertino-agent", daemon=True).start()
    return done.result()
