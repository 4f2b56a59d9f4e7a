"""`mend`: validate, mend by rule, validate again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from concertino.contracts.budget import Budget
from concertino.contracts.errors import InputError, PlanInvalid
from concertino.contracts.json import clean
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Fault, Plan
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.mending.absent import leave_out
from concertino.nodes.planning.mending.arguments import settle
from concertino.nodes.planning.mending.fields import mend_coverage, mend_fields, mend_inputs
from concertino.nodes.planning.mending.identity import part_ids
from concertino.nodes.planning.mending.links import Links
from concertino.nodes.planning.mending.meant import Subtasks
from concertino.nodes.planning.mending.order import break_circles, settle_needs
from concertino.nodes.planning.mending.sharing import SHARED
from concertino.nodes.planning.mending.staffing import name_workers
from concertino.nodes.planning.mending.workpiece import Workpiece
from concertino.nodes.planning.validate import validate_draft


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a draft."""

    plan: Plan | None
    """`None` where it is refused."""
    status: Literal["valid", "repaired", "refused"]
    notes: tuple[str, ...]
    """What was changed, and how placeholders in inputs were understood, one sentence each."""
    faults: tuple[Fault, ...]
    """What is left, of a refused one."""
    draft: Draft
    """The draft as far as it was mended: what a model that mends the rest is shown."""


def mend(
    draft: Draft,
    *,
    task: Task,
    cards: Cards,
    limits: Limits | None = None,
    budget: Budget | None = None,
    standings: Standings | None = None,
    drop_unknown: bool = True,
) -> Mended:
    """Return the plan in `draft`, mended by rule alone where it is faulty. Never raises for what stands in the draft.

    No subtask of a known specialist is lost, and no need between two such, but for one in each circle. What cannot be mended
    without a guess stays a fault, and the draft is refused. Mending what was mended changes nothing.

    Args:
        draft: raw; beside `subtasks` its plan may have `links`, `[{"from": id or specialist, "to": ...}]`.
        task: whose plan it is.
        cards: the specialists there are.
        limits: bounds on size and depth.
        budget: what the run may use.
        standings: how the specialists are doing.
        drop_unknown: whether subtasks that nobody can do are left out where nothing else is lost by it; see `leave_out`.
    """
    bounds = limits or Limits()

    def judged(candidate: Draft) -> Plan | tuple[Fault, ...]:
        try:
            return validate_draft(candidate, task=task, cards=cards, limits=bounds, budget=budget, standings=standings)
        except PlanInvalid as error:
            return error.faults

    piece = _opened(draft, bounds)
    if piece is None or (piece.links is None and isinstance(judged(draft), Plan)):
        found = judged(draft)
        if isinstance(found, Plan):
            return Mended(found, "valid", (), (), draft)
        return Mended(None, "refused", (), found, draft)
    _mend(piece, cards, task, drop_unknown=drop_unknown)
    mended = replace(draft, plan=piece.result(), notes=tuple(dict.fromkeys((*draft.notes, *piece.notes))))
    found = judged(mended)
    notes = tuple(piece.notes)
    if isinstance(found, Plan):
        return Mended(found, "repaired" if piece.is_changed else "valid", notes, (), mended)
    return Mended(None, "refused", notes, found, mended)


def _mend(piece: Workpiece, cards: Cards, task: Task, *, drop_unknown: bool) -> None:
    names = SHARED.of(cards)
    part_ids(piece)
    links = Links(piece)
    links.resolve()
    name_workers(piece, cards, names)
    links.resolve(names)
    subtasks = Subtasks(piece, names)
    settle_needs(piece, subtasks)
    settle(piece, subtasks)
    break_circles(piece)
    if drop_unknown:
        leave_out(piece, cards)
    mend_fields(piece)
    mend_inputs(piece, cards, task)
    mend_coverage(piece, task)


def _opened(draft: Draft, limits: Limits) -> Workpiece | None:
    """Return the draft to work on, or `None` where there is nothing that could be mended."""
    given: Any = draft.plan
    rows = given.get("subtasks") if isinstance(given, dict) else None
    if (
        not isinstance(rows, list)
        or not 0 < len(rows) <= limits.subtasks
        or not all(isinstance(row, dict) for row in rows)
    ):
        return None
    try:
        plan: Any = clean(given, field="plan", nesting=limits.nesting + 8)
    except InputError:
        return None
    return Workpiece(plan)
