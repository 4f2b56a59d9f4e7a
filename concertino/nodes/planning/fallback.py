"""The plan when nothing else plans: every fitting specialist looks at the whole task, side by side."""

from __future__ import annotations

from concertino.contracts.errors import VALUE_CHARS, PlanInvalid
from concertino.contracts.ids import is_id
from concertino.contracts.json import JsonObject, dump
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Fault
from concertino.contracts.requirements import Requirements
from concertino.contracts.specialist import Cards, SpecialistCard, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning import references, routing, schemas
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.requirements import requirements_of
from concertino.nodes.planning.shortening import fit_objectives, size_of
from concertino.nodes.planning.spreading import spread
from concertino.nodes.planning.suiting import suited

SHOWN = 8
"""Criteria of one specialist that a note names."""


def fallback_plan(
    task: Task,
    cards: Cards,
    *,
    standings: Standings | None = None,
    limits: Limits | None = None,
    constraints: Constraints | None = None,
) -> Draft:
    """Return one subtask for each specialist, none needing another.

    Restricted to specialists that have one of the task's `capabilities` or are of one of its `domains`, when it names any; of
    A/B variants one is taken. The payload becomes the inputs as far as a specialist's input schema accepts it; one whose schema
    asks for more is left out with a note. Without a schema the inputs are the payload, unless the copies would fill half of
    `limits.bytes`: every specialist sees the task in any case. Whom the constraints require works too, and whom they
    forbid does not; the draft carries them. Each acceptance criterion, the task's or its text's, is covered by the one specialist
    whose description fits it best. Whatever there is of texts and specialists, the plan keeps to `limits`: long
    objectives are shortened, and who is beyond what a plan may hold is left out, each with a note.

    Raises:
        PlanInvalid: no specialist is left.
    """
    bounds = limits or Limits()
    notes: list[str] = ["no rule and no ready plan: every fitting specialist works on the whole task"]
    chosen = _fitting(task, cards, notes)
    chosen = routing.one_per_family(chosen, cards, standings or {}, task_id=task.task_id)
    within = _within(constraints, bounds) if len(cards) > bounds.subtasks else constraints
    chosen = suited(chosen, within, task=task, cards=cards, standings=standings or {}, notes=notes)
    inline = fits_inline(task.payload, len(chosen), limits=bounds)
    if not inline:
        notes.append("the payload is too large to copy into every subtask; specialists find it in the task")
    objective = objective_of(task)
    subtasks: list[JsonObject] = []
    for name in chosen:
        inputs = inputs_for(cards[name], task.payload, inline=inline)
        if isinstance(inputs, str):
            notes.append(f"{name} is left out: {inputs}")
            continue
        # Whom a file only describes may be called what no subtask may.
        own = name if is_id(name) else f"s{len(subtasks) + 1}"
        subtasks.append({"id": own, "specialist": name, "objective": objective, "inputs": inputs})
    if not subtasks:
        raise PlanInvalid([_nobody(task, cards, notes)])
    asked = requirements_of(task)
    covering = _covering(_holdable(subtasks, cards, bounds, notes), asked, cards, notes)
    fitting = fit_objectives(covering, limits=bounds, notes=notes)
    return Draft({"subtasks": [*fitting]}, "fallback", None, tuple(notes), constraints=constraints, requirements=asked)


def objective_of(task: Task) -> str:
    """Return what a task asks for in words: its title and description."""
    return "\n\n".join(part for part in (task.title, task.description) if part)[:100_000]


def _within(constraints: Constraints | None, limits: Limits) -> Constraints:
    """Return constraints under which a plan has no more subtasks than one may have."""
    own = constraints or Constraints()
    most = limits.subtasks if own.max_subtasks is None else min(own.max_subtasks, limits.subtasks)
    return own.model_copy(update={"max_subtasks": most})


def _holdable(subtasks: list[JsonObject], cards: Cards, limits: Limits, notes: list[str]) -> list[JsonObject]:
    """Return what a plan may hold with its inputs; who takes most of it goes first, and of these who has least authority."""
    sizes = [size_of(subtask) for subtask in subtasks]
    over = sum(sizes) - limits.bytes
    gone: set[int] = set()
    authority = [cards[str(subtask["specialist"])].authority for subtask in subtasks]
    for at in sorted(range(len(sizes)), key=lambda at: (-sizes[at], authority[at]))[:-1]:
        if over <= 0:
            break
        over -= sizes[at]
        gone.add(at)
        notes.append(f"{subtasks[at]['specialist']} is left out: with its inputs the plan would be too large")
    return [subtask for at, subtask in enumerate(subtasks) if at not in gone]


def _covering(
    subtasks: list[JsonObject], asked: Requirements | None, cards: Cards, notes: list[str]
) -> list[JsonObject]:
    """Return subtasks that cover the criteria, each once."""
    if asked is None or not asked.acceptance_criteria:
        return subtasks
    share = spread(asked.acceptance_criteria, [str(one["specialist"]) for one in subtasks], cards)
    told = "; ".join(f"{name} {', '.join(ids[:SHOWN])}{' …' if ids[SHOWN:] else ''}" for name, ids in share.items())
    notes.append(f"criteria go to whose description fits them best: {told}")
    return [{**one, "covers": [*share.get(str(one["specialist"]), ())]} for one in subtasks]


def _fitting(task: Task, cards: Cards, notes: list[str]) -> list[str]:
    if not task.capabilities and not task.domains:
        return list(cards)
    wanted, domains = set(task.capabilities), set(task.domains)
    found = [name for name, card in cards.items() if card.capabilities & wanted or card.domain in domains]
    if not found and not wanted:
        notes.append(f"no specialist is of the domains {', '.join(task.domains)}, so all are asked")
        return list(cards)
    missing = wanted - {capability for name in found for capability in cards[name].capabilities}
    if found and missing:
        notes.append(f"no specialist has {', '.join(sorted(missing))}")
    return found


def inputs_for(card: SpecialistCard, payload: JsonObject, *, inline: bool) -> JsonObject | str:
    """Return the payload as the inputs of one specialist, or why it does not fit.

    Not `inline`, whoever has no schema gets none of it.
    """
    schema = card.input_schema
    if schema is None:
        return {key: references.literal(value) for key, value in payload.items()} if inline else {}
    given = {key: value for key, value in payload.items() if schemas.accepts_property(schema, key)}
    missing = [name for name in schemas.required(schema) if name not in given]
    if missing:
        return f"its inputs require {', '.join(missing)}, which the payload has not"
    complaint = schemas.complaint_about(card, given, complete=True)
    if complaint is not None:
        return f"inputs{complaint.path}: {complaint.rule}"
    return {key: references.literal(value) for key, value in given.items()}


def fits_inline(payload: JsonObject, sharers: int, *, limits: Limits) -> bool:
    """Say whether copies of the payload for so many specialists leave half of a plan's bytes."""
    return len(dump(payload)) * max(1, sharers) <= limits.bytes // 2


def _nobody(task: Task, cards: Cards, notes: list[str]) -> Fault:
    if not cards:
        return Fault(
            code="unknown_specialist", place="plan.subtasks", message="there are no specialists", fix="register one"
        )
    if task.capabilities and len(notes) == 1:
        return Fault(
            code="unknown_capability",
            place="task.capabilities",
            value=list(task.capabilities),
            message="no specialist has any of these",
            fix=f"name one of {', '.join(routing.known_capabilities(cards)) or 'the specialists in a plan'}",
        )
    return Fault(
        code="missing_input",
        place="task.payload",
        value=", ".join(sorted(task.payload))[:VALUE_CHARS],
        message="; ".join(notes[1:]) or "the payload fits no specialist",
        fix="complete the payload, or hand in a plan",
    )
