"""`draft_plan`: a plan by a model where there is one, within what binds it; else the plan by rule.

Source: document 002, plan synthesis. Whatever the model does, there is a plan or the fallback's own refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from concertino.contracts.budget import Budget
from concertino.contracts.errors import PlanInvalid
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Origin, Plan
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.drafting.cache import Kept, PlanCache, key_of
from concertino.nodes.planning.drafting.judging import Bench
from concertino.nodes.planning.drafting.material import material
from concertino.nodes.planning.drafting.talk import REASON_CHARS, Model, OnStep, converse
from concertino.nodes.planning.filling import close_holes
from concertino.nodes.planning.first_draft import under
from concertino.nodes.planning.gate_policy import GatePolicy
from concertino.nodes.planning.requirements import requirements_of, with_criteria
from concertino.nodes.planning.validate import validate_draft
from concertino.prompts import load


@dataclass(frozen=True, slots=True)
class Drafted:
    """A valid plan, and how it came about."""

    plan: Plan
    """Of a workflow with holes its origin stays `rule`: the rule binds it whoever filled them."""
    origin: Origin
    """Who drafted: `model`, `cache`, `fallback`, or `rule` where a workflow's holes were closed by rule."""
    repairs: int = 0
    """Requests to the model for a repair, 0-2."""
    prompts: dict[str, str] = field(default_factory=dict)
    """Hashes of the prompts behind it, by name; empty where no model was asked."""
    reason: str | None = None
    """Why no model's plan was taken."""


async def draft_plan(
    task: Task,
    *,
    model: Model | None,
    cards: Cards,
    limits: Limits,
    budget: Budget | None = None,
    standings: Standings | None = None,
    skeleton: Draft | None = None,
    fallback: Callable[[], Draft],
    on_step: OnStep,
    cache: PlanCache | None = None,
    model_name: str = "",
    constraints: Constraints | None = None,
    gates: Sequence[GatePolicy] = (),
) -> Drafted:
    """Return a valid plan for `task`.

    A model may say who does what, on what, after whom, and which criteria that answers for; everything else it says is dropped
    with a note. What a skeleton has set stays as it is.

    Args:
        task: what is asked.
        model: who drafts, bound to the planning budget; `None` for the fallback at once.
        cards: the specialists there are.
        limits: bounds on size.
        budget: what the run may use.
        standings: how the specialists are doing.
        skeleton: a workflow's draft with open holes; only these are drafted. One without subtasks only binds by its
            constraints and policies.
        fallback: makes the draft that needs no model. Not called for a skeleton with subtasks, whose holes are closed by rule.
        on_step: told of PLAN_DRAFTED, PLAN_REJECTED, PLAN_REPAIRED and PLAN_FALLBACK as they happen.
        cache: where drafts are kept.
        model_name: part of the key under which they are.
        constraints: the planner's own, beside the skeleton's.
        gates: the planner's own policies, behind the skeleton's.

    Raises:
        PlanInvalid: there is no valid plan without a model either.
        StaleLease: another process took the run over.
        JournalError: the storage refused.
    """
    bound = under(skeleton or Draft({"subtasks": []}, "model"), constraints=constraints, gates=gates)
    has_rule = bool(bound.plan.get("subtasks") or bound.holes)
    bound = bound if has_rule else replace(bound, origin="model")
    bench = Bench(
        task if has_rule else with_criteria(task, requirements_of(task)),
        cards,
        limits,
        budget,
        standings,
        bound,
    )

    def spare(reason: str, repairs: int = 0, prompts: dict[str, str] | None = None) -> Drafted:
        on_step("PLAN_FALLBACK", {"reason": reason[:REASON_CHARS]})
        draft = bound if has_rule else under(fallback(), constraints=bound.constraints, gates=bound.gates)
        draft = close_holes(draft, task=task, cards=cards, standings=standings, limits=limits)
        return Drafted(_valid(draft, bench, task), draft.origin, repairs, prompts or {}, reason)

    if has_rule and not bound.open_holes:
        return Drafted(_valid(bound, bench, task), bound.origin)
    if model is None:
        return spare("there is no model")
    prompts = {name: load(name).hash for name in ("plan", "repair")}
    key = (
        key_of(task, cards=cards, limits=limits, bound=bound, prompts=prompts, model_name=model_name)
        if cache is not None
        else ""
    )
    if cache is not None and (found := _again(cache, key, bench, on_step)) is not None:
        return Drafted(found, "cache", 0, {"plan": prompts["plan"]})
    ended = await converse(model, _messages(bench), judge=bench.judge, on_step=on_step)
    used = {"plan": prompts["plan"], **({"repair": prompts["repair"]} if ended.repairs else {})}
    verdict = ended.verdict
    if verdict is None or verdict.plan is None:
        return spare(ended.reason, ended.repairs, used)
    if cache is not None and verdict.draft is not None and verdict.plan.requirements is not None:
        cache.put(key, Kept(verdict.draft, verdict.plan.requirements))
    return Drafted(verdict.plan, "model", ended.repairs, used)


def _messages(bench: Bench) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": load("plan").fill(most=str(bench.most))},
        {"role": "user", "content": material(bench.task, cards=bench.cards, bound=bench.bound, pattern=bench.pattern)},
    ]


def _again(cache: PlanCache, key: str, bench: Bench, on_step: OnStep) -> Plan | None:
    kept = cache.get(key)
    if kept is None:
        return None
    try:
        plan = bench.valid(kept.draft, kept.requirements)
    except PlanInvalid:
        cache.drop(key)
        return None
    on_step("PLAN_DRAFTED", {"form": "cache", "notes": [], "size": len(plan.subtasks)})
    return plan.model_copy(update={"origin": "cache"}) if plan.origin == "model" else plan


def _valid(draft: Draft, bench: Bench, task: Task) -> Plan:
    plan = validate_draft(
        draft, task=task, cards=bench.cards, limits=bench.limits, budget=bench.budget, standings=bench.standings
    )
    return plan if plan.requirements is not None else plan.model_copy(update={"requirements": requirements_of(task)})
