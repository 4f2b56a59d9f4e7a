"""What would run for a task, a ready plan or a request in free words: plan, bounds of its cost, longest path."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from concertino.contracts.limits import Limits
from concertino.contracts.task import Task, read_task
from concertino.service.cli.output import emit, say
from concertino.service.cli.request import is_file, task_of
from concertino.service.cli.source import parse_object, read_object
from concertino.service.cli.wording import plain

if TYPE_CHECKING:
    from concertino.contracts.json import JsonObject
    from concertino.contracts.plan import Plan
    from concertino.service.cli.by_model import Planned
    from concertino.service.cli.crew import Crew
    from concertino.service.cli.estimate import Led
    from concertino.tools.models.sources import ModelSource


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    given: str
    workflows: tuple[str, ...] = ()
    specialists: str | None = None
    pack: str | None = None
    payload: str | None = None
    model: str | None = None
    tokens: int = 50_000


def preview(asked: Asked, *, as_json: bool, mermaid: bool) -> None:
    """Plan and show; nothing of the plan runs.

    Raises:
        InputError: the task, what goes with it, or the plan is faulty.
        SetupError: the model or a specialist cannot work as given.
    """
    from concertino.nodes.planning.complexity import assess
    from concertino.nodes.planning.paths import critical_path
    from concertino.service.cli.crew import crew_of
    from concertino.service.cli.drawing import as_mermaid, as_table
    from concertino.service.cli.estimate import estimate, in_words

    limits = Limits()
    task = _task(asked, limits)
    source = _source(asked.model)
    crew = crew_of(task, specialists=asked.specialists, pack=asked.pack, workflows=asked.workflows)
    if crew.prepare is not None:
        task = crew.prepare(task)
    plan, planned = _planned(task, crew, source, tokens=asked.tokens, limits=limits)
    if mermaid:
        typer.echo(as_mermaid(plan))
        return
    longest = critical_path(plan)
    costs = estimate(plan, task, crew, models=_led(crew, source))
    shown: JsonObject = {
        "plan": plan.model_dump(mode="json", exclude_none=True),
        "complexity": assess(task, plan, crew.cards).model_dump(mode="json"),
        "critical_path": {"seconds": longest.seconds, "subtasks": list(longest.ids)},
        "estimate": costs,
    }
    if planned is not None:
        shown["planning"] = planned.as_json()
    emit(shown)
    if not as_json:
        say(as_table(plan))
        say(f"longest path: {longest.seconds:g} s, {' → '.join(longest.ids)}")
        say(f"cost: {in_words(costs)}")
        if planned is not None:
            used = planned.used
            say(
                f"planned by {planned.origin}: {used['tokens']:,} of {planned.limit_tokens:,} tokens, {used['calls']} request(s)"
            )
    if not crew.is_real:
        say("specialists were taken as they are named; --specialists MODULE:NAME checks against real ones")


def _task(asked: Asked, limits: Limits) -> Task:
    if not is_file(asked.given):
        payload = parse_object(asked.payload, field="--payload", limits=limits) if asked.payload is not None else None
        return task_of(asked.given, payload=payload)
    if asked.payload is not None:
        from concertino.contracts.errors import InputError

        raise InputError(
            field="--payload", value=asked.payload, rule="goes with a request in free words; a file has its own"
        )
    given = read_object(asked.given, field="FILE", limits=limits)
    return read_task({"plan": given} if "subtasks" in given else given, limits=limits)


def _source(model: str | None) -> ModelSource | None:
    if model is None:
        return None
    from concertino.tools.models.sources import as_model

    return as_model(model, field="--model")


def _planned(
    task: Task, crew: Crew, source: ModelSource | None, *, tokens: int, limits: Limits
) -> tuple[Plan, Planned | None]:
    """Plan by what the task brings, by rules, by the model, or by the fallback, in this order."""
    from concertino.nodes.planning.first_draft import first_draft
    from concertino.nodes.planning.validate import validate_draft

    if source is not None:
        from concertino.contracts.clock import SystemClock
        from concertino.nodes.planning.rules import plan_by_rules
        from concertino.service.cli.by_model import needs_model, plan_by_model

        ruled = plan_by_rules(task, crew.rules, limits=limits)
        if needs_model(task, ruled):
            drafting = plan_by_model(
                task, crew, source, tokens=tokens, skeleton=ruled, limits=limits, clock=SystemClock(),
                fallback=lambda: first_draft(task, crew.rules, crew.cards, limits=limits),
                on_step=_told,
            )  # fmt: skip
            planned = asyncio.run(drafting)
            return planned.plan, planned
    draft = first_draft(task, crew.rules, crew.cards, limits=limits)
    return validate_draft(draft, task=task, cards=crew.cards, limits=limits), None


def _told(kind: str, payload: JsonObject) -> None:
    """Show a step of planning; what a model said may be in its reason."""
    say(" ".join(filter(None, (kind, plain(payload.get("reason") or "")))))


def _led(crew: Crew, source: ModelSource | None) -> dict[str, Led]:
    """Return who asks which model: a specialist's own, else the one that was named."""
    found = {name: known.model or source for name, known in crew.specialists.items()}
    found |= {name: source for name in crew.cards if name not in found}
    led = {name: one for name, one in found.items() if one is not None}
    if not led:
        return {}
    from concertino.service.cli.estimate import Led
    from concertino.tools.models.prices import price_of
    from concertino.tools.models.request import OUTPUT_TOKENS, cap_of

    made: dict[str, Led] = {}
    for name, one in led.items():
        cap = cap_of(one.build())
        made[name] = Led(one.name, OUTPUT_TOKENS if cap is None else cap, price_of(one.provider, one.model))
    return made
