"""The one door for plans, whoever made them."""

from __future__ import annotations

from collections.abc import Sequence

from concertino.contracts.budget import Budget
from concertino.contracts.errors import PlanInvalid
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Origin, Plan
from concertino.contracts.requirements import Requirements
from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning import paths
from concertino.nodes.planning.binding import bind, check_ends, stops
from concertino.nodes.planning.coverage import check_coverage
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.faults import Faults
from concertino.nodes.planning.gate_policy import place_gates
from concertino.nodes.planning.hole_bounds import Rules, check_holes, refuse_open
from concertino.nodes.planning.literals import check_literals
from concertino.nodes.planning.numbering import number
from concertino.nodes.planning.preflight import check_budget, check_deadline
from concertino.nodes.planning.reading import read
from concertino.nodes.planning.requirements import with_criteria
from concertino.nodes.planning.sketch import Sketch
from concertino.nodes.planning.staffing import staff
from concertino.nodes.planning.stages import set_stages
from concertino.nodes.planning.stand_ins import check_stand_ins
from concertino.nodes.planning.wiring import check_aside, wire


def validate_draft(
    draft: Draft,
    *,
    task: Task,
    cards: Cards,
    limits: Limits | None = None,
    budget: Budget | None = None,
    standings: Standings | None = None,
) -> Plan:
    """Validate a draft with all that it came with, its holes' bounds included, and place the gates its policies ask for; see `validate`."""
    if draft.open_holes:
        faults = Faults()
        refuse_open(draft.open_holes, faults)
        raise PlanInvalid(faults.found)
    rules = Rules(draft.constraints, draft.holes, draft.parts)
    plan = validate(
        draft.plan, task=task, cards=cards, limits=limits, budget=budget, origin=draft.origin, workflow=draft.workflow,
        notes=draft.notes, standings=standings, rules=rules, requirements=draft.requirements,
    )  # fmt: skip
    return place_gates(plan, draft.gates, task=task, cards=cards)


def validate(
    draft: object,
    *,
    task: Task,
    cards: Cards,
    limits: Limits | None = None,
    budget: Budget | None = None,
    origin: Origin,
    workflow: str | None = None,
    notes: Sequence[str] = (),
    standings: Standings | None = None,
    rules: Rules | None = None,
    requirements: Requirements | None = None,
) -> Plan:
    """Return `draft` as a plan that can run: routed, wired, numbered, in topological order.

    Args:
        draft: raw JSON in the form of `Draft.plan`, or a `Plan`; nothing in it is trusted.
        task: whose plan it is.
        cards: the specialists there are.
        limits: bounds on size and depth.
        budget: what the run may use.
        origin: who made it; ids are kept for a caller and made for others.
        workflow: the rule it comes from.
        notes: what its maker had to say.
        standings: how the specialists are doing, for routing.
        rules: what its workflow or the planner holds it to.
        requirements: what was read from the task's text; where there is none, what the draft itself says. Its criteria are to be
            covered where the task states none.

    Raises:
        PlanInvalid: with all faults that can be seen; of a plan with a cycle, order, depth and time are not judged.
    """
    bounds, money, faults = limits or Limits(), budget or Budget(), Faults()
    if isinstance(draft, Plan):
        draft = draft.model_dump(mode="json", exclude_unset=True)
    reading = read(draft, limits=bounds, task_id=task.task_id, origin=origin, faults=faults)
    if reading is None:
        raise PlanInvalid(faults.found)
    asked = requirements or reading.header.requirements
    sketch = Sketch.of(
        reading, task=with_criteria(task, asked), cards=cards, standings=standings or {}, origin=origin, faults=faults,
        notes=[*reading.header.notes, *notes],
    )  # fmt: skip
    staff(sketch)
    wire(sketch)
    check_aside(sketch)
    bound = rules or Rules()
    if bound.holes:
        check_holes(sketch, bound.holes, bound.parts)
    if bound.constraints is not None:
        bind(sketch, bound.constraints, bound.parts)
    check_literals(sketch)
    check_coverage(sketch)
    check_budget(sketch, money)
    _check_answer(sketch)
    check_stand_ins(sketch)
    ranks = set_stages(sketch)
    depth = bounds.depth
    if bound.constraints is not None:
        check_ends(sketch, bound.constraints, bound.parts, ranks)
        depth = min(depth, bound.constraints.max_depth or depth)
    ordered = _ordered(sketch, ranks, depth)
    if ordered is not None:
        check_deadline(sketch, money, ordered, ranks)
    if faults or ordered is None:
        raise PlanInvalid(faults.found)
    finished, names = number(sketch, ordered)
    answer = sketch.header.answer
    return Plan(
        task_id=task.task_id,
        origin=origin,
        workflow=workflow or sketch.header.workflow,
        subtasks=tuple(finished),
        answer=tuple(dict.fromkeys(names[name] for name in answer)) if answer else None,
        gate=sketch.header.gate,
        budget=sketch.header.budget,
        stop_when=stops(sketch, bound.constraints),
        refine=sketch.header.refine,
        requirements=asked,
        notes=tuple(dict.fromkeys(sketch.notes)),
    )


def _ordered(sketch: Sketch, ranks: Sequence[int], depth: int) -> list[int] | None:
    """Return the positions in topological order, or `None` when there is a cycle."""
    needs = [list(found) for found in sketch.needs]
    ordered = paths.order(needs, rank=ranks)
    if len(ordered) < len(needs):
        for cycle in paths.cycles(needs):
            ids = [sketch.id(at) for at in cycle]
            shown = [*ids[:12], "…"] if len(ids) > 12 else ids
            sketch.faults.add(
                "cycle", f"{sketch.places[cycle[0]]}.needs", ids[1 % len(ids)], f"{' needs '.join((*shown, ids[0]))}",
                "remove one of these needs or references", subtasks=ids,
            )  # fmt: skip
        return None
    total, before = paths.longest(needs, [1.0] * len(needs), ordered)
    deepest = max(range(len(total)), key=lambda at: total[at], default=None)
    if deepest is not None and total[deepest] > depth:
        chain = [sketch.id(at) for at in paths.chain(deepest, before)]
        sketch.faults.add(
            "too_deep", f"{sketch.places[deepest]}.needs", len(chain),
            f"a chain of {len(chain)} subtasks ends here, at most {depth} are allowed",
            "join some of them, or raise Limits.depth or the constraints' max_depth", subtasks=chain,
        )  # fmt: skip
    return ordered


def _check_answer(sketch: Sketch) -> None:
    for at, name in enumerate(sketch.header.answer or ()):
        if name not in sketch.position and name not in sketch.faulty:
            sketch.faults.add(
                "unknown_reference", f"plan.answer[{at}]", name, f"no subtask {name[:64]!r} in the plan",
                sketch.faults.nearest(name, sketch.position),
            )  # fmt: skip
