"""What a plan may cost, before anything runs: upper bounds, each with where it is from. Nothing here is a forecast.

A bound that nobody set is `null`. What a specialist may use is bounded by its subtask's budget, its own, the plan's and the
run's; how often it asks its model is its own affair, so of a model's requests the first is bounded, and money by the tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from concertino.contracts.budget import DIMENSIONS, Budget
from concertino.nodes.planning import paths

if TYPE_CHECKING:
    from pydantic import JsonValue

    from concertino.contracts.json import JsonObject
    from concertino.contracts.plan import Plan, Subtask
    from concertino.contracts.task import Task
    from concertino.service.cli.crew import Crew
    from concertino.tools.models.prices import Price
    from concertino.tools.registry import Tool

NANO = 1_000_000_000
FRAME_TOKENS = 2_000
"""Input tokens of a first request beside task, objective and inputs: a specialist's own prompt. Chosen by hand."""


class Led(NamedTuple):
    """The model that a specialist asks."""

    name: str
    output_tokens: int
    """Output cap of one request."""
    price: Price | None


def estimate(plan: Plan, task: Task, crew: Crew, *, models: Mapping[str, Led]) -> JsonObject:
    """Return the upper bounds of every subtask and of the whole; `models` is by specialist.

    A dimension's total is at most what the run, the plan, and each specialist over all its subtasks may use.
    """
    rows = [_row(subtask, task, crew, models.get(subtask.specialist or "")) for subtask in plan.subtasks]
    total = _sum(plan, crew, [row.bound for row in rows])
    asked = [row.request for row in rows if row.request is not None]
    return {
        "subtasks": [row.shown for row in rows],
        "total": {name: getattr(total, name) for name in (*DIMENSIONS, "seconds")},
        "first_requests": {
            "requests": len(asked),
            "tokens": sum(one.tokens for one in asked),
            "usd": None
            if any(one.nano_usd is None for one in asked)
            else sum(one.nano_usd or 0 for one in asked) / NANO,
        },
        "tools": cast("JsonValue", _tools(plan, crew)),
    }


def in_words(costs: Mapping[str, Any]) -> str:
    """Return an estimate's whole in one line; what has no bound says so."""
    total, first = costs["total"], costs["first_requests"]
    known = [f"{total[name]:,.6g} {name}" for name in (*DIMENSIONS, "seconds") if total[name] is not None]
    missing = [name for name in (*DIMENSIONS, "seconds") if total[name] is None]
    parts = [f"at most {', '.join(known)}"] if known else []
    parts += [f"no bound on {', '.join(missing)}"] if missing else []
    if first["requests"]:
        dollars = "unpriced" if first["usd"] is None else f"{first['usd']:.6g} usd"
        parts.append(f"first requests to models: {first['tokens']:,} tokens, {dollars}")
    return "; ".join(parts)


class _Request(NamedTuple):
    tokens: int
    nano_usd: int | None


class _Row(NamedTuple):
    bound: Budget
    shown: JsonObject
    request: _Request | None = None


def _row(subtask: Subtask, task: Task, crew: Crew, led: Led | None) -> _Row:
    card = crew.cards.get(subtask.specialist or "")
    bound = (subtask.budget or Budget()).within(card.budget if card is not None else Budget())
    shown: JsonObject = {"id": subtask.id, "specialist": subtask.specialist, "estimate_s": subtask.estimate_s}
    request = None
    if led is not None:
        inputs = _first_input(subtask, task)
        cost = None if led.price is None else led.price.bound(inputs, led.output_tokens)
        request = _Request(inputs + led.output_tokens, cost)
        shown["model"] = {
            "name": led.name,
            "first_request": {
                "input_tokens": inputs,
                "output_tokens": led.output_tokens,
                "usd": None if cost is None else cost / NANO,
            },
        }
        if led.price is not None and bound.tokens is not None:
            most = _dearest(led.price, bound.tokens) / NANO + _tool_usd(subtask, crew, bound)
            bound = bound.within(Budget(usd=most)) if most <= 1e9 else bound
    at_most: JsonObject = {name: getattr(bound, name) for name in (*DIMENSIONS, "seconds")}
    return _Row(bound, {**shown, "at_most": at_most}, request)


def _first_input(subtask: Subtask, task: Task) -> int:
    """Return input tokens of a first request: bytes bound tokens, for no encoding makes more of them."""
    told = (
        subtask.objective,
        subtask.model_dump_json(include={"inputs"}),
        task.model_dump_json(include={"title", "description", "payload"}),
    )
    return FRAME_TOKENS + sum(len(text.encode()) for text in told)


def _dearest(price: Price, tokens: int) -> int:
    """Return nano-dollars that so many tokens cost at most, however they divide into input and output."""
    return max(price.bound(tokens, 0), price.bound(0, tokens), price.bound(tokens, tokens) - price.bound(tokens, 0))


def _tool_usd(subtask: Subtask, crew: Crew, bound: Budget) -> float:
    """Return dollars that a subtask's tools cost at most; infinity where they cost anything and nothing bounds the calls."""
    dearest = max(
        (tool.cost.usd / max(tool.cost.calls, 1) for tool in _tools_of(subtask.specialist, crew)), default=0.0
    )
    if not dearest:
        return 0.0
    return dearest * bound.calls if bound.calls is not None else float("inf")


def _sum(plan: Plan, crew: Crew, bounds: list[Budget]) -> Budget:
    by_specialist: dict[str, list[Budget]] = {}
    for subtask, bound in zip(plan.subtasks, bounds, strict=True):
        by_specialist.setdefault(subtask.specialist or "", []).append(bound)
    sums: dict[str, float | None] = {}
    for name in DIMENSIONS:
        parts = [_of_specialist(who, name, own, crew) for who, own in by_specialist.items()]
        sums[name] = None if None in parts else sum(part for part in parts if part is not None)
    sums["seconds"] = _longest(plan, bounds)
    made = Budget.model_validate({name: value for name, value in sums.items() if value})
    made = made.model_copy(update={name: 0 for name, value in sums.items() if value == 0 and name != "seconds"})
    return made.within(plan.budget or Budget()).within(crew.budget)


def _of_specialist(who: str, dimension: str, bounds: list[Budget], crew: Crew) -> float | None:
    card = crew.cards.get(who)
    own: float | None = getattr(card.budget, dimension) if card is not None else None
    each: list[float | None] = [getattr(bound, dimension) for bound in bounds]
    together = None if None in each else sum(part for part in each if part is not None)
    known = [value for value in (own, together) if value is not None]
    return min(known) if known else None


def _longest(plan: Plan, bounds: list[Budget]) -> float | None:
    """Return the seconds of the longest chain, each subtask taking all it may; `None` where one has no bound."""
    if any(bound.seconds is None for bound in bounds):
        return None
    given = {subtask.id: bound.seconds for subtask, bound in zip(plan.subtasks, bounds, strict=True)}
    slow = [subtask.model_copy(update={"estimate_s": given[subtask.id]}) for subtask in plan.subtasks]
    return min(paths.critical_path(plan.model_copy(update={"subtasks": tuple(slow)})).seconds, 1e9)


def _tools(plan: Plan, crew: Crew) -> dict[str, JsonObject]:
    """Return the cost of one attempt at each tool that somebody in the plan may call."""
    found: dict[str, JsonObject] = {}
    for who in dict.fromkeys(subtask.specialist for subtask in plan.subtasks):
        for tool in _tools_of(who, crew):
            found.setdefault(tool.name, {
                **{name: getattr(tool.cost, name) for name in DIMENSIONS}, "attempts": tool.attempts, "timeout_s": tool.timeout_s,
            })  # fmt: skip
    return found


def _tools_of(who: str | None, crew: Crew) -> list[Tool]:
    known = crew.specialists.get(who or "")
    return [*(known.tools if known is not None else ()), *crew.tools.values()]
