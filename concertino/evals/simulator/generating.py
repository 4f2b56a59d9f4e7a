"""From a seed to a scenario. The same seed makes the same scenario on any machine."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, Literal

from concertino.contracts.budget import DIMENSIONS
from concertino.evals.simulator.scenario import (
    Amounts,
    Answer,
    Door,
    Fault,
    Gating,
    Kind,
    Op,
    Scenario,
    SpecialistSetup,
    TaskSetup,
    ToolSetup,
    What,
    Work,
)

SIZE = 8
"""Most subtasks of a task, by default; a twentieth of the seeds have three times as many. Chosen by hand."""
NAMES = ("red", "blue", "green")
TOOLS = ("probe", "fetch")
KINDS: tuple[Kind, ...] = ("crash", "crash", "crash", "partition", "jump", "cancel", "cut", "resubmit")
UNITS = {"tokens": 1.0, "calls": 1.0, "usd": 0.001, "documents": 1.0}
"""What one unit of demand is of each currency."""


def scenario_of(seed: int, *, size: int = SIZE) -> Scenario:
    """Return the scenario of a seed; `size` bounds the subtasks of a task."""
    chance = random.Random(seed)  # noqa: S311  # reproducible, not secret
    mood = chance.choice(("calm", "faulty", "faulty", "broken"))
    """How often things go wrong."""
    tools = tuple(_tool(chance, name, mood) for name in TOOLS)
    specialists = tuple(_specialist(chance, name, mood) for name in NAMES)
    tasks = tuple(
        _task(chance, number, mood, specialists, tools, size=size * 3 if seed % 20 == 0 else size)
        for number in range(chance.choice((1, 1, 1, 2, 3)))
    )
    faults = _faults(chance, mood, tasks)
    cut_off = {fault.task for fault in faults if fault.kind == "partition"}
    tasks = tuple(_longer(task) if number in cut_off else task for number, task in enumerate(tasks))
    bounded = chance.random() < 0.3
    demand = _demand([one for task in tasks for one in task.work], tools)
    return Scenario(
        seed=seed,
        tasks=tasks,
        specialists=specialists,
        tools=tools,
        faults=faults,
        door=_door(chance.random()),
        floor={"tokens": 5} if chance.random() < 0.2 and all("tokens" in task.budget for task in tasks) else {},
        work=_limits(chance, demand, (0.5, 1.0), least=_promised(tasks)) if bounded else {},
    )


def _door(odds: float) -> Door:
    return "saved" if odds < 0.08 else "graph" if odds < 0.14 else "lean"


def _tool(chance: random.Random, name: str, mood: str) -> ToolSetup:
    cost: dict[str, float] = {"calls": 1}
    for dimension in chance.sample(DIMENSIONS, chance.randint(1, 3)):
        cost[dimension] = max(cost.get(dimension, 0), chance.randint(1, 10) * UNITS[dimension])
    timeout_s = chance.choice((0.5, 2.0, 5.0))
    answers = tuple(_answer(chance, mood, timeout_s) for _ in range(chance.randint(1, 12)))
    breaker: dict[str, Any] = {
        "failure_threshold": chance.choice((1, 2, 3)),
        "reset_timeout_s": chance.choice((0.3, 1.0, 4.0)),
        "probes": chance.choice((1, 1, 2, 3)),
    }
    if chance.random() < 0.3:
        breaker |= {"failure_threshold": None, "failure_rate": 0.5, "min_calls": 3, "window_calls": 6}
    elif chance.random() < 0.3:
        breaker |= {"slow_rate": 0.5, "slow_s": 0.4, "min_calls": 2, "window_s": 5.0}
    return ToolSetup(
        name, cost, answers, is_async=chance.random() < 0.7, timeout_s=timeout_s, attempts=chance.choice((1, 2, 3)),
        breaker=breaker,
    )  # fmt: skip


def _answer(chance: random.Random, mood: str, timeout_s: float) -> Answer:
    odds = {"calm": 0.03, "faulty": 0.25, "broken": 0.6}[mood]
    took_s = chance.choice((0.0, 0.1, 0.25, 0.25, 0.6, 1.5))
    used = chance.choice((0.0, 0.5, 1.0, 1.0))
    if chance.random() >= odds:
        return Answer("ok", min(took_s, timeout_s / 2), used)
    kinds: tuple[What, ...] = (
        "hang", "refused", "cut", "status 429", "status 500", "status 504", "status 400", "transient", "bad", "unusable", "ok",
    )  # fmt: skip
    return Answer(chance.choice(kinds), took_s, used)


def _specialist(chance: random.Random, name: str, mood: str) -> SpecialistSetup:
    budget = {"calls": chance.randint(2, 40)} if chance.random() < 0.12 else None
    has_breaker = mood != "calm" and chance.random() < 0.15
    return SpecialistSetup(
        name,
        is_async=name != "blue",
        budget=budget,
        max_concurrency=chance.choice((1, 2)) if chance.random() < 0.15 else None,
        at_most_once=chance.random() < 0.1,
        breaker={"failure_threshold": 2, "reset_timeout_s": 1.0} if has_breaker else None,
        can=name != "green" or chance.random() < 0.5,
    )


def _task(
    chance: random.Random,
    number: int,
    mood: str,
    specialists: tuple[SpecialistSetup, ...],
    tools: tuple[ToolSetup, ...],
    *,
    size: int,
) -> TaskSetup:
    has_deadline = chance.random() < 0.4
    count = chance.randint(1, size)
    is_wide = chance.random() < 0.25
    stages = chance.random() < 0.15
    work: list[Work] = []
    for at in range(count):
        before = [one.id for one in work[-6:]]
        needs = [] if is_wide or not before else chance.sample(before, min(len(before), chance.choice((0, 1, 1, 2, 3))))
        work.append(
            _work(chance, f"s{at}", tuple(needs), mood, has_deadline=has_deadline, stages=stages, at=at / count)
        )
    budget: dict[str, float] = {}
    if chance.random() < 0.7:
        demand = _demand(work, tools)
        budget |= _limits(chance, demand, (0.3, 0.7, 1.0, 2.0), least=_promised((TaskSetup("", tuple(work)),)))
    if has_deadline:
        budget["seconds"] = chance.choice((1.0, 3.0, 8.0, 20.0))
    return TaskSetup(
        f"task-{number}", tuple(work), starts_s=chance.choice((0.0, 0.0, 0.5)) if number else 0.0,
        concurrency=chance.choice((None, None, 1, 2, 3, 4)), budget=budget,
    )  # fmt: skip


def _work(
    chance: random.Random, name: str, needs: tuple[str, ...], mood: str, *, has_deadline: bool, stages: bool, at: float
) -> Work:
    sla_s = chance.choice((0.4, 1.0, 3.0)) if chance.random() < 0.15 else None
    ops = _ops(chance, mood, may_hang=sla_s is not None or has_deadline)
    stage: str | None = ("first" if at < 0.5 else "second") if stages else None
    answers: tuple[Gating, ...] | None = None
    if chance.random() < 0.07:
        decision: Literal["accept", "reject"] = "reject" if chance.random() < 0.25 else "accept"
        answers = (Gating(chance.choice((0.0, 0.2, 3.0, 15.0)), decision),)
        if chance.random() < 0.4:
            answers = (
                *answers,
                Gating(answers[0].after_s + chance.choice((0.0, 0.1)), chance.choice(("accept", "reject"))),
            )
    return Work(
        name,
        chance.choice(NAMES),
        needs,
        ops,
        is_lenient=chance.random() < 0.6,
        is_required=chance.random() < 0.8,
        gate=answers,
        budget={"tokens": chance.randint(1, 30)} if chance.random() < 0.15 else None,
        sla_s=sla_s,
        stage=stage,
        max_attempts=chance.choice((1, 2, 3)),
        by_capability=chance.random() < 0.2,
    )


def _ops(chance: random.Random, mood: str, *, may_hang: bool) -> tuple[Op, ...]:
    ops: list[Op] = []
    for _ in range(chance.randint(0, 4)):
        kind = chance.random()
        if kind < 0.3:
            ops.append(("wait", chance.choice((0.0, 0.1, 0.3, 1.0, 2.5))))
        elif kind < 0.5:
            dimension = chance.choice(DIMENSIONS)
            ops.append(("spend", {dimension: chance.randint(1, 6) * UNITS[dimension]}))
        elif kind < 0.9:
            ops.append(("call", chance.choice(TOOLS)))
        elif kind < 0.97:
            ops.append(("effect", chance.choice(("mail", "row"))))
        else:
            ops.append(("publish", "news"))
    if not ops:
        ops.append(("wait", chance.choice((0.1, 0.5, 1.0))))
    if mood != "calm" and chance.random() < (0.25 if mood == "faulty" else 0.5):
        faults: list[Op] = [("fail", chance.randint(1, 3)), ("decline",), ("bad answer", chance.randint(1, 3))]
        if may_hang:
            faults += [("hang", chance.randint(1, 3)), ("deaf", chance.choice((0.005, 0.5, 30.0)))]
        ops.insert(chance.randint(0, len(ops)), chance.choice(faults))
    return tuple(ops)


def _faults(chance: random.Random, mood: str, tasks: tuple[TaskSetup, ...]) -> tuple[Fault, ...]:
    if chance.random() < {"calm": 0.8, "faulty": 0.5, "broken": 0.4}[mood]:
        return ()
    faults: list[Fault] = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        kind = chance.choice(KINDS)
        at, task = round(chance.uniform(0.0, 4.0), 2), chance.randrange(len(tasks))
        if kind == "crash" and chance.random() < 0.8:
            process = chance.choice((0, 0, 0, 1, 2))
            most = 15 if process else 40
            faults.append(
                Fault("crash", append=chance.randint(1, most), is_written=chance.random() < 0.5, process=process)
            )
        elif kind == "partition":
            faults.append(Fault("partition", at=at, task=task, for_s=chance.choice((5.0, 15.0, 60.0))))
        elif kind == "jump":
            faults.append(Fault("jump", at=at, for_s=chance.choice((-3600.0, -1.0, 0.5, 5.0))))
        else:
            faults.append(Fault(kind, at=at, task=task))
    return tuple(faults)


def _longer(task: TaskSetup) -> TaskSetup:
    """Return a task that is still at work when the lease of a process that is cut off has run out."""
    first = task.work[0]
    return replace(task, work=(replace(first, ops=(*first.ops, ("wait", 20.0))), *task.work[1:]))


def _demand(work: list[Work], tools: tuple[ToolSetup, ...]) -> dict[str, float]:
    """Return what the work would use if nothing failed."""
    demand = dict.fromkeys(DIMENSIONS, 0.0)
    costs = {tool.name: tool.cost for tool in tools}
    for one in work:
        for op in one.ops:
            used: Amounts = op[1] if op[0] == "spend" else costs[op[1]] if op[0] == "call" else {}
            for dimension, n in used.items():
                demand[dimension] += n  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    return {str(dimension): n for dimension, n in demand.items()}


def _promised(tasks: tuple[TaskSetup, ...]) -> float:
    """Return the tokens that subtasks have as budgets of their own: a plan that cannot fit is refused at the door."""
    return max(sum((one.budget or {}).get("tokens", 0) for one in task.work) for task in tasks)


def _limits(chance: random.Random, demand: Amounts, tight: tuple[float, ...], *, least: float) -> dict[str, float]:
    """Bound some currencies to a share of the demand."""
    limits: dict[str, float] = {}
    for dimension in chance.sample(DIMENSIONS, chance.randint(1, 3)):
        n = demand[dimension] * chance.choice(tight)
        limits[dimension] = round(n, 6) if dimension == "usd" else int(n)
        if dimension == "tokens":
            limits[dimension] = max(limits[dimension], int(least) + 5)
    return limits
