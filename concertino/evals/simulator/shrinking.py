"""Cutting a failing scenario down to a small one that breaks the same promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from concertino.evals.simulator.checking import Break
from concertino.evals.simulator.scenario import Answer, Scenario, TaskSetup, ToolSetup, Work
from concertino.evals.simulator.simulating import Report, judge

MAX_TRIES = 600
"""Scenarios played before the smallest so far is taken; chosen by hand."""


def shrink(report: Report, *, tries: int = MAX_TRIES) -> Report:
    """Return a smaller scenario's report that breaks the first promise that `report` breaks; itself, if none does."""
    first = report.breaks[0]
    left = tries
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for smaller in simpler(report.scenario):
            if left == 0:
                return report
            left -= 1
            made = judge(smaller)
            if any(_is_same(one, first) for one in made.breaks):
                report, is_smaller = made, True
                break
    return report


def simpler(scenario: Scenario) -> Iterator[Scenario]:
    """Yield scenarios that are simpler by one step, the largest steps first."""
    yield from _without_task(scenario)
    for at in range(len(scenario.faults)):
        yield replace(scenario, faults=(*scenario.faults[:at], *scenario.faults[at + 1 :]))
    for number, task in enumerate(scenario.tasks):
        for simple_task in _simpler_task(task):
            yield replace(scenario, tasks=(*scenario.tasks[:number], simple_task, *scenario.tasks[number + 1 :]))
    for number, tool in enumerate(scenario.tools):
        for simple in _simpler_tool(tool):
            yield replace(scenario, tools=(*scenario.tools[:number], simple, *scenario.tools[number + 1 :]))
    for number, one in enumerate(scenario.specialists):
        plain = replace(one, budget=None, max_concurrency=None, at_most_once=False, breaker=None)
        for each in (
            plain,
            replace(one, breaker=None),
            replace(one, max_concurrency=None),
            replace(one, is_async=True),
        ):
            if each != one:
                made_of = (*scenario.specialists[:number], each, *scenario.specialists[number + 1 :])
                yield replace(scenario, specialists=made_of)
    for made in (replace(scenario, floor={}), replace(scenario, work={}), replace(scenario, door="lean")):
        if made != scenario:
            yield made


def _without_task(scenario: Scenario) -> Iterator[Scenario]:
    for number in range(len(scenario.tasks) if len(scenario.tasks) > 1 else 0):
        faults = tuple(
            replace(fault, task=fault.task - (fault.task > number)) for fault in scenario.faults if fault.task != number
        )
        yield replace(scenario, tasks=(*scenario.tasks[:number], *scenario.tasks[number + 1 :]), faults=faults)


def _simpler_task(task: TaskSetup) -> Iterator[TaskSetup]:
    half = len(task.work) // 2
    if half > 1:
        yield _kept(task, task.work[:half])
        yield _kept(task, task.work[half:])
    for at in range(len(task.work) if len(task.work) > 1 else 0):
        yield _kept(task, (*task.work[:at], *task.work[at + 1 :]))
    if task.budget:
        yield replace(task, budget={})
    for name in task.budget if len(task.budget) > 1 else ():
        yield replace(task, budget={key: n for key, n in task.budget.items() if key != name})
    if task.concurrency is not None:
        yield replace(task, concurrency=None)
    if task.starts_s:
        yield replace(task, starts_s=0.0)
    for at, work in enumerate(task.work):
        for made in _simpler_work(work):
            yield replace(task, work=(*task.work[:at], made, *task.work[at + 1 :]))


def _kept(task: TaskSetup, work: tuple[Work, ...]) -> TaskSetup:
    ids = {one.id for one in work}
    kept = (replace(one, needs=tuple(need for need in one.needs if need in ids)) for one in work)
    return replace(task, work=tuple(kept))


def _simpler_work(work: Work) -> Iterator[Work]:
    plain = replace(work, gate=None, budget=None, sla_s=None, stage=None, by_capability=False)
    if plain != work:
        yield plain
    if work.ops:
        yield replace(work, ops=())
    for at in range(len(work.ops) if len(work.ops) > 1 else 0):
        yield replace(work, ops=(*work.ops[:at], *work.ops[at + 1 :]))
    for at in range(len(work.needs)):
        yield replace(work, needs=(*work.needs[:at], *work.needs[at + 1 :]))
    for made in (
        replace(work, gate=None), replace(work, budget=None), replace(work, sla_s=None), replace(work, stage=None),
        replace(work, by_capability=False), replace(work, gate=work.gate[:1] if work.gate else None),
    ):  # fmt: skip
        if made != work:
            yield made


def _simpler_tool(tool: ToolSetup) -> Iterator[ToolSetup]:
    if tool.answers != (Answer(),):
        yield replace(tool, answers=(Answer(),))
    for at in range(len(tool.answers) if len(tool.answers) > 1 else 0):
        yield replace(tool, answers=(*tool.answers[:at], *tool.answers[at + 1 :]))
    if tool.budget:
        yield replace(tool, budget=None)


def _is_same(one: Break, other: Break) -> bool:
    return (one.check, one.rule) == (other.check, other.rule)
