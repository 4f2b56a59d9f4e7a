"""`create_planner`: from specialists, rules and bounds to a compiled LangGraph graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from concertino.contracts.budget import Budget
from concertino.contracts.clock import Clock, SystemClock
from concertino.contracts.errors import SetupError
from concertino.contracts.event import Event
from concertino.contracts.journal import Journal
from concertino.contracts.limits import Limits
from concertino.contracts.task import input_error
from concertino.graph.compiled import PlannerGraph
from concertino.graph.door.conductor import Conductor
from concertino.graph.load import Load
from concertino.graph.options import Aggregate, Options, Prepare
from concertino.graph.runs.models import check_prices
from concertino.graph.setup import (
    budgets,
    check_foreign,
    check_parts,
    constraints_of,
    count,
    dollars_limited,
    flag,
    gates_of,
    journal_of,
    prices_of,
    rules,
    shares_of,
    staff,
)
from concertino.graph.setup import model as bounds_of
from concertino.graph.state import Policy
from concertino.graph.trust import trust_of
from concertino.graph.wiring import wire
from concertino.nodes.planning.cone import Replan
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.drafting import PlanCache
from concertino.nodes.planning.gate_policy import GatePolicy
from concertino.nodes.planning.workflows import Workflow
from concertino.nodes.synthesis import TrackRecord
from concertino.tools.breaker import Breakers
from concertino.tools.models.roster import roster
from concertino.tools.registry import collect

MAX_CACHED = 10_000
"""Most plans that may be kept; chosen by hand."""
MAX_REPLANS = 10
"""Most replans of a run that may be asked for; chosen by hand."""


def create_planner(
    *,
    specialists: Sequence[Any],
    workflows: Sequence[str | Path | Mapping[str, Any] | Workflow] | str | Path | Mapping[str, Any] | Workflow = (),
    tools: Sequence[Any] | Mapping[str, Any] = (),
    model: Any = None,
    models: Mapping[str, Any] | None = None,
    budget: Budget | Mapping[str, Any] | None = None,
    node_budgets: Mapping[str, Budget] | None = None,
    floor: Budget | None = None,
    shares: Mapping[str, float] | None = None,
    prices: Mapping[str, Any] | None = None,
    plan_cache: int = 64,
    allow_uncapped: bool = False,
    constraints: Constraints | Mapping[str, Any] | None = None,
    gates: Sequence[GatePolicy | Mapping[str, Any]] = (),
    concurrency: int | None = None,
    authority: Mapping[str, float] | None = None,
    track_record: TrackRecord | str | Path | Literal[True] | None = None,
    limits: Limits | None = None,
    journal: str | Journal | None = None,
    checkpointer: Any = None,
    require_approval: bool = False,
    escalate: Literal["flag", "ask"] = "flag",
    replans: int = 1,
    replan: Replan | None = None,
    reallocate: Literal["shares", "budgets", "nothing"] = "shares",
    aggregate: Aggregate | None = None,
    prepare: Prepare | None = None,
    breakers: Breakers | None = None,
    on_event: Callable[[Event], None] | None = None,
    clock: Clock | None = None,
    name: str = "concertino",
) -> PlannerGraph:
    """Return a planner as a compiled LangGraph graph.

    Args:
        specialists: Declared ones, functions, Runnables, agents or compiled graphs.
        workflows: Rules: YAML files or objects, one or several. Every specialist and capability in them must be here.
        tools: What every specialist may call through `brief.tools`: functions or LangChain tools.
        model: Chat model, `"provider:name"` or a LangChain one: plans what no rule covers, merges texts, and is every
            specialist's `brief.model`. Every request of it is charged before it leaves. Rules alone need none.
        models: Other models by role: `plan`, `synthesize`, a tier of subtasks (`simple`, `standard`, `complex`), or a specialist.
        budget: Bounds of one run.
        node_budgets: Bounds of the ledger's nodes: `plan`, `work` (all specialists together) and `synthesize`.
        floor: What is kept for synthesis from the start.
        shares: Parts of the run's budget by specialist, 0-1, at most 1 together; `orchestrator` is planning, `synthesis`
            the merging. Each is a cap, not a reservation. Source: document 004, token budget allocation.
        prices: Prices of models that the offline snapshot has not, by model name: `{"input_usd_per_m", "output_usd_per_m"}`.
        plan_cache: Plans of the model that are kept in memory by the task's signature (its content without its id, the
            specialists, rules and prompts), to be validated and used again; 0 keeps none.
        allow_uncapped: Let specialists call LangChain models of their own that set no output cap; what such a call uses
            beyond what was held for it is then a recorded breach. Where neither tokens nor dollars are limited, they may.
        constraints: What holds for every plan, a model's too: required steps, forbidden combinations, prerequisites, ends.
        gates: Policies that place gates: `{"when": CEL over subtask, card and task, "question"}`.
        concurrency: Subtasks that may run at the same time; unlimited where left out. A smaller `max_concurrency` in
            the config of an invocation goes first.
        authority: Trust by specialist name, 0-1; goes before what a specialist declares. A hierarchy may name more
            specialists than are here.
        track_record: What the synthesis learns from: a `TrackRecord`, the path of a saved one, or `"journal"` for the one that
            the journal's runs make. What runs find is added to it; nothing settled in it, the formula merges as without it.
        limits: Bounds on what comes in.
        journal: `sqlite:///file.db`, a `Journal`, or nothing for one in memory.
        checkpointer: A LangGraph saver; a server brings its own.
        require_approval: Ask for approval of every plan.
        escalate: Whether a required subtask that stays failed is flagged in the result or a person is asked first.
        replans: How often the plan of a run may be changed for required subtasks that stay failed; 0 leaves it as it is.
        replan: `async (plan, failed ids, findings by id) -> object with a .plan, or None`: drafts what takes their place
            where no rule says it. Held to the plan's rights, gates and budget.
        reallocate: What specialists that have nothing left to do did not use flows to those that still work, by weight:
            their shares of the run's budget; with "budgets" also what they declared as their own; or nothing.
        aggregate: `(findings by name, task) -> answer`, a merging of one's own; when it fails the first successful
            finding stands.
        prepare: `Task -> Task`, a pack's own completion of a task at the door, before its identity is taken and before
            anything is planned; also of one that a fork changed. Must give the same for what it gave, and not block.
        breakers: Circuit breakers to share with other planners of this process; its own where left out.
        on_event: Called with every event, from any thread; must not block.
        clock: Where time comes from.
        name: The graph's name.

    Raises:
        SetupError: something cannot work as given.
        InputError: a workflow is faulty.
    """
    if escalate not in ("flag", "ask"):
        raise SetupError(field="escalate", value=escalate, rule='must be "flag" or "ask"')
    if reallocate not in ("shares", "budgets", "nothing"):
        raise SetupError(field="reallocate", value=reallocate, rule='must be "shares", "budgets" or "nothing"')
    check_parts(
        checkpointer=checkpointer, name=name, aggregate=aggregate, prepare=prepare, on_event=on_event, replan=replan
    )
    named, given = staff(specialists, authority)
    led = roster(model, models, ((who, one.model) for who, one in named.items()))
    priced = prices_of(prices)
    now = clock or SystemClock()
    try:
        policy = Policy.model_validate(
            {"budget": budget or {}, "concurrency": concurrency, "require_approval": require_approval}
        )
    except ValidationError as error:
        raise input_error(error, field="create_planner") from error
    kept, nodes = budgets(policy.budget, floor, node_budgets)
    kept_in = journal_of(journal, clock=now)
    options = Options(
        specialists=named,
        tools=collect(tools),
        workflows=rules(workflows, named),
        policy=policy,
        limits=bounds_of(Limits, limits, field="limits"),
        journal=kept_in,
        trust=trust_of(track_record, journal=kept_in),
        clock=now,
        breakers=breakers or Breakers(clock=now),
        load=Load(),
        authority=given,
        floor=kept,
        node_budgets=nodes,
        shares=shares_of(shares, named),
        models=led,
        prices=priced,
        plan_cache=PlanCache(count(plan_cache, field="plan_cache", most=MAX_CACHED)) if plan_cache else None,
        constraints=constraints_of(constraints, named),
        gates=gates_of(gates),
        allow_uncapped=flag(allow_uncapped, field="allow_uncapped"),
        aggregate=aggregate,
        prepare=prepare,
        escalate=escalate,
        replans=count(replans, field="replans", most=MAX_REPLANS),
        replan=replan,
        reallocate=reallocate,
        listeners=(on_event,) if on_event is not None else (),
        name=name,
    )
    check_foreign(options)
    check_prices(led, priced, are_limited=dollars_limited(options), now=now.now, field="model")
    compiled = wire(options).compile(checkpointer=checkpointer, name=name)
    parts = {key: value for key, value in compiled.__dict__.items() if key != "__orig_class__"}
    return PlannerGraph(conductor=Conductor(options), **parts).placed()
