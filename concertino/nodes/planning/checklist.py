"""Document 004's decision framework, "Single vs Multi-Agent": every line of its checklist, decided from facts where there are any.

What counts as a yes was chosen by hand, except for one agent's share of work, which is the document's own `agent_budget`.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from concertino.contracts.budget import Budget
from concertino.contracts.json import dump
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import Cards
from concertino.contracts.task import Task
from concertino.nodes.planning import paths, schemas

Side = Literal["single_agent", "multi_agent", "readiness"]

ONE_AGENT = Budget(tokens=50_000, documents=100, calls=200, seconds=1_800)
"""What one agent gets. Source: document 004, `agent_budget`."""
BYTES_PER_TOKEN = 4
"""English text, by OpenAI's rule of thumb; good enough to tell a page from a library."""
WORTH_PARALLEL = 1.5
"""Work over longest path from which side by side saves time."""
DEEP = 3
"""Subtasks one after another from which dependencies are complex; so is one subtask that needs two."""


class Line(BaseModel):
    """One line of the checklist."""

    model_config = ConfigDict(frozen=True)

    side: Side
    """What it speaks for when it holds."""
    text: str
    """The document's words."""
    holds: bool | None
    """`None` where nothing that is known decides it."""
    because: str
    """The facts that decided it, or what is missing."""

    def __str__(self) -> str:
        return f"{self.text}: {self.because}"


def check(task: Task, plan: Plan | None, cards: Cards, *, budget: Budget | None = None) -> tuple[Line, ...]:
    """Return the checklist in the document's order.

    Args:
        task: what is asked.
        plan: how it is done; without one what depends on it stays open.
        cards: the specialists there are.
        budget: the run's.
    """
    facts = _Facts(task, plan, cards, budget or Budget())
    return (*_for_one(facts), *_for_several(facts), *_readiness(facts))


class _Facts:
    """What the lines are decided from."""

    def __init__(self, task: Task, plan: Plan | None, cards: Cards, budget: Budget) -> None:
        self.task, self.plan, self.cards, self.budget = task, plan, cards, budget
        subtasks = plan.subtasks if plan is not None else ()
        self.staff = list(dict.fromkeys(subtask.specialist for subtask in subtasks if subtask.specialist in cards))
        at_work = [cards[name] for name in self.staff if name is not None]
        self.domains = sorted({*task.domains, *(card.domain for card in at_work if card.domain)})
        planned = {str(item.capability or item.specialist) for item in subtasks}
        self.skills = sorted(planned or task.capabilities)
        self.tokens = (len(dump(task.payload).encode()) + len(task.description.encode())) // BYTES_PER_TOKEN
        self.inputs_are_clear = bool(task.payload) or (bool(at_work) and all(card.input_schema for card in at_work))
        self.outputs_are_clear = bool(task.acceptance_criteria) or (
            bool(at_work) and all(card.output_schema for card in at_work)
        )
        self.work_s = math.fsum(subtask.estimate_s for subtask in subtasks)
        self.path_s = paths.critical_path(plan).seconds if plan is not None and subtasks else 0.0
        self.gain = self.work_s / self.path_s if self.path_s > 0 else 1.0
        self.depth = paths.depth(plan) if plan is not None else 0
        self.joins = sum(len(subtask.needs) > 1 for subtask in subtasks)

    @property
    def single_domain(self) -> bool | None:
        if self.domains:
            return len(self.domains) == 1
        return True if len(self.staff) == 1 else None

    @property
    def domains_named(self) -> str:
        return _counted(self.domains, "domain") if self.domains else "no domain is named"

    @property
    def parallel(self) -> bool | None:
        return None if self.plan is None else self.gain >= WORTH_PARALLEL

    @property
    def parts(self) -> str:
        if self.plan is None:
            return "there is no plan yet"
        return f"{self.work_s:g} s of work on a longest path of {self.path_s:g} s"


def _for_one(facts: _Facts) -> tuple[Line, ...]:
    clear = facts.inputs_are_clear and facts.outputs_are_clear
    unclear = [
        name
        for name, is_clear in (("inputs", facts.inputs_are_clear), ("outputs", facts.outputs_are_clear))
        if not is_clear
    ]
    room = min(ONE_AGENT.tokens or 0, facts.budget.tokens if facts.budget.tokens is not None else 10**15)
    limit, parallel = facts.budget.seconds, facts.parallel
    urgent = facts.task.priority == "critical"
    if limit is not None and facts.plan is not None:
        sequential, why = facts.work_s <= limit, f"{facts.work_s:g} s one after another, {limit:g} s are allowed"
    else:
        sequential = not urgent
        why = "the task is critical" if urgent else "no deadline asks for more" if limit is None else facts.parts
    return (
        Line(
            side="single_agent", text="Task has clear input/output boundaries", holds=clear,
            because="payload or schemas say what comes in, criteria or schemas what goes out" if clear
            else f"nothing states its {' and '.join(unclear)}",
        ),
        Line(
            side="single_agent", text="Single domain expertise required", holds=facts.single_domain,
            because=facts.domains_named,
        ),
        Line(
            side="single_agent", text="No need for parallel processing",
            holds=None if parallel is None else not parallel, because=facts.parts,
        ),
        Line(
            side="single_agent", text="Context can be managed in one prompt", holds=facts.tokens <= room,
            because=f"about {facts.tokens:,} tokens of data, one agent has {room:,}",
        ),
        Line(side="single_agent", text="Sequential processing is acceptable", holds=sequential, because=why),
    )  # fmt: skip


def _for_several(facts: _Facts) -> tuple[Line, ...]:
    known = facts.plan is not None
    passed = _beyond_one(facts)
    return (
        Line(
            side="multi_agent", text="Multiple domains of expertise needed",
            holds=None if facts.single_domain is None else not facts.single_domain, because=facts.domains_named,
        ),
        Line(
            side="multi_agent", text="Parallel processing provides time benefits", holds=facts.parallel, because=facts.parts,
        ),
        Line(
            side="multi_agent", text="Complex dependencies between subtasks",
            holds=(facts.depth >= DEEP or facts.joins > 0) if known else None,
            because=f"{facts.depth} subtasks deep, {facts.joins} of them bring several together" if known else facts.parts,
        ),
        Line(
            side="multi_agent", text="Different analytical frameworks required", holds=len(facts.skills) > 1,
            because=_counted(facts.skills, "skill"),
        ),
        Line(
            side="multi_agent", text="Scale requires distributed processing", holds=bool(passed),
            because=", ".join(passed) or "within what one agent may use",
        ),
    )  # fmt: skip


def _readiness(facts: _Facts) -> tuple[Line, ...]:
    bounds = [name for name in ("tokens", "calls", "usd") if getattr(facts.budget, name) is not None]
    alone = [
        name
        for name, card in facts.cards.items()
        if set(schemas.required(card.input_schema or {})) <= set(facts.task.payload)
    ]
    worth = [
        *([f"priority {facts.task.priority}"] if facts.task.priority in ("high", "critical") else []),
        *([f"{len(facts.task.acceptance_criteria)} acceptance criteria"] if facts.task.acceptance_criteria else []),
        *(["a person approves"] if facts.plan is not None and _is_gated(facts.plan) else []),
    ]
    return (
        Line(
            side="readiness", text="Team has distributed systems experience", holds=None,
            because="nothing that a planner sees tells",
        ),
        Line(
            side="readiness", text="Monitoring and debugging infrastructure exists", holds=True,
            because="everything that happens in a run is an event on record",
        ),
        Line(
            side="readiness", text="Clear cost budget and monitoring", holds=bool(bounds),
            because=f"the run's {', '.join(bounds)} are bounded" if bounds else "no bound on tokens, calls or dollars",
        ),
        Line(
            side="readiness", text="Fallback to single agent possible", holds=bool(alone),
            because=f"{_some(alone)} can take the whole task" if alone else "the payload fits no specialist as it is",
        ),
        Line(
            side="readiness", text="Business value justifies complexity", holds=bool(worth),
            because=", ".join(worth) or "the task says nothing of its value",
        ),
    )  # fmt: skip


def _beyond_one(facts: _Facts) -> list[str]:
    """Return where the work passes what one agent may use."""
    subtasks = facts.plan.subtasks if facts.plan is not None else ()
    found: list[str] = []
    if facts.tokens > (ONE_AGENT.tokens or 0):
        found.append(f"about {facts.tokens:,} tokens of data, one agent has {ONE_AGENT.tokens:,}")
    for name in ("tokens", "documents", "calls"):
        asked = sum((getattr(item.budget, name) or 0) for item in subtasks if item.budget is not None)
        if asked > (bound := getattr(ONE_AGENT, name)):
            found.append(f"the subtasks ask for {asked:,} {name}, one agent has {bound:,}")
    if facts.work_s > (ONE_AGENT.seconds or 0):
        found.append(f"{facts.work_s:g} s of work, one agent has {ONE_AGENT.seconds:g} s")
    return found


def _is_gated(plan: Plan) -> bool:
    return plan.gate is not None or any(subtask.gate is not None for subtask in plan.subtasks)


def _counted(names: list[str], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}{f': {_some(names)}' if names else ''}"


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:6])}{' …' if len(names) > 6 else ''}"
