"""Dispatch: which subtasks go out now, and the board they meet on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from concertino.contracts.journal import SpecialistRecord
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan, Subtask
from concertino.contracts.specialist import Health, Standing
from concertino.graph.options import Options
from concertino.graph.runs.board import Board, SubtaskState
from concertino.graph.runs.refining import holds_back
from concertino.graph.runs.run import Run
from concertino.nodes.planning.paths import remaining_path

HEALTH_MIN_RUNS = 5
"""Subtasks a specialist must have finished before its record says anything of its health; chosen by hand."""
DEGRADED, FAILING = 0.1, 0.3
"""Failure rates from which a specialist is degraded or failing. Source: document 003, health thresholds."""


SPECIALIST = "specialist"
"""Endpoint under which a specialist's own breaker is kept, beside those of tools."""


def lay_board(run: Run, dispatch: JsonObject, *, absent: Sequence[str] = ()) -> None:
    """Put up the board for a dispatch that starts, or that a resume takes up again.

    `absent` are subtasks to do again whose nodes may have returned in this dispatch; else the next one brings them.
    """
    plan = plan_of(run)
    run.dispatch = str(dispatch["id"])
    going = set(cast("Sequence[str]", dispatch["subtasks"]))
    settled: dict[str, SubtaskState] = {
        sid: cast("SubtaskState", record["state"]) for sid, record in run.records.items()
    }
    cards = run.options.cards
    is_taken_up = run.dispatch == run.history.dispatch.get("id")
    run.money.reallocation.begin(plan, settled, quietly=is_taken_up)
    run.questions.withdraw(cards)
    run.lay_board(
        Board(
            [run.edited(subtask) for subtask in plan.subtasks if subtask.id in going or subtask.id in settled],
            slots=run.policy.concurrency,
            priority=remaining_path(plan),
            caps={name: card.max_concurrency for name, card in cards.items() if card.max_concurrency is not None},
            settled=settled,
            leaked=run.leaks,
            absent=[*absent, *(sid for sid, suspended in run.history.suspended.items() if suspended == run.dispatch)],
            gate_open=lambda subtask: (
                not holds_back(run, subtask.id) and run.questions.blocks(subtask, lambda: about(run, subtask))
            ),
        )
    )


def plan_of(run: Run) -> Plan:
    """Return the run's plan, which every node after planning has."""
    if run.plan is None:
        raise RuntimeError(f"run {run.run_id} has no plan yet")
    return run.plan


def about(run: Run, subtask: Subtask) -> JsonObject:
    """Return what a person needs to decide whether a subtask may be done."""
    found = {need: finding.output for need, finding in run.upstream(subtask).items()}
    return {
        "specialist": subtask.specialist,
        "objective": subtask.objective,
        "inputs": subtask.inputs,
        "upstream": found,
    }


def standings(options: Options, record: dict[str, SpecialistRecord]) -> dict[str, Standing]:
    """Return how each specialist is doing: its history, what it works on now in all runs, its breaker."""
    load = options.load.now()
    found = {}
    for name, specialist in options.specialists.items():
        known = record.get(name, SpecialistRecord())
        breaker = (
            options.breakers.get(name, SPECIALIST, policy=specialist.breaker)
            if specialist.breaker is not None
            else None
        )
        found[name] = Standing(
            health=_health(known),
            running=load[name],
            completed=known.completed,
            failed=known.failed,
            mean_s=known.seconds / known.completed if known.completed else 0.0,
            breaker_open=breaker is not None and breaker.is_open,
        )
    return found


def _health(record: SpecialistRecord) -> Health:
    ended = record.completed + record.failed
    if ended < HEALTH_MIN_RUNS:
        return "unknown"
    rate = record.failed / ended
    return "failing" if rate > FAILING else "degraded" if rate >= DEGRADED else "healthy"
