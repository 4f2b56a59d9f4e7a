"""A plan by a model from the command line, under a ledger of its own: no request leaves that its tokens do not pay for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from concertino.contracts.budget import Budget
from concertino.contracts.clock import Clock

if TYPE_CHECKING:
    from concertino.contracts.event import EventType
    from concertino.contracts.json import JsonObject
    from concertino.contracts.limits import Limits
    from concertino.contracts.plan import Plan
    from concertino.contracts.task import Task
    from concertino.nodes.planning.draft import Draft
    from concertino.service.cli.crew import Crew
    from concertino.tools.models.sources import ModelSource

DEADLINE_S = 120.0
"""Seconds that planning may take before the fallback plan takes its place; chosen by hand."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was drafted, and what that took."""

    plan: Plan
    origin: str
    """`model`, or `fallback` or `rule` where no model's plan could be used."""
    repairs: int
    steps: tuple[JsonObject, ...]
    """What happened on the way: the events of planning, in order."""
    used: JsonObject
    limit_tokens: int
    prompts: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        return {
            "origin": self.origin, "repairs": self.repairs, "limit_tokens": self.limit_tokens, "used": self.used,
            "steps": [*self.steps], "prompts": {**self.prompts},
        }  # fmt: skip


async def plan_by_model(
    task: Task,
    crew: Crew,
    source: ModelSource,
    *,
    tokens: int,
    skeleton: Draft | None,
    fallback: Callable[[], Draft],
    limits: Limits,
    clock: Clock,
    on_step: Callable[[str, JsonObject], None],
) -> Planned:
    """Have a model draft the plan, for at most `tokens`; a failing model ends in the fallback plan.

    Raises:
        SetupError: the model cannot be built.
        PlanInvalid: no valid plan came of it, and none by rule either.
    """
    from concertino.budgets import Ledger
    from concertino.nodes.planning.drafting import draft_plan
    from concertino.tools.attempt import Desk
    from concertino.tools.breaker import Breakers
    from concertino.tools.guard import Guard
    from concertino.tools.models.governed import TOOL, govern
    from concertino.tools.models.prices import price_of
    from concertino.tools.models.tokens import load_counter
    from concertino.tools.retry import RetryBudget

    steps: list[JsonObject] = []

    def step(kind: EventType, payload: JsonObject) -> None:
        steps.append({"type": kind, **payload})
        on_step(kind, payload)

    await asyncio.to_thread(source.build)
    counter = await load_counter(source.provider, source.model)
    price = await asyncio.to_thread(price_of, source.provider, source.model)
    ledger = Ledger(Budget(tokens=tokens), clock=clock)
    guard = Guard(
        Desk(breakers=Breakers(clock=clock), clock=clock, emit=_unheard), retries=RetryBudget(), random=random.random
    )
    deadline = clock.monotonic() + DEADLINE_S
    model = govern(
        source, guard=guard, account=ledger.account(("plan", TOOL)), key="plan", counter=counter, price=price,
        deadline=deadline, caller="plan",
    )  # fmt: skip
    try:
        drafted = await draft_plan(
            task, model=model, cards=crew.cards, limits=limits, budget=crew.budget, skeleton=skeleton,
            fallback=fallback, on_step=step,
        )  # fmt: skip
    finally:
        ledger.close()
    used = ledger.account(("plan",)).usage()
    return Planned(
        plan=drafted.plan,
        origin=drafted.origin,
        repairs=drafted.repairs,
        steps=tuple(steps),
        used={"tokens": used.tokens, "calls": used.calls, "usd": used.usd if price is not None else None},
        limit_tokens=tokens,
        prompts=dict(drafted.prompts),
    )


def _unheard(kind: str, payload: Any) -> None:
    """Single requests are no news here; what planning came to is told as its steps."""


def needs_model(task: Task, ruled: Draft | None) -> bool:
    """Say whether anything is left to a model: there is no ready plan, and no rule that covers all."""
    return task.plan is None and (ruled is None or bool(ruled.open_holes))
