"""Whether a subtask that could start is worth it, in a run: gathers what the rules of `nodes.refinement` need."""

from __future__ import annotations

from typing import cast

from concertino.graph.runs.run import Run
from concertino.nodes.planning import schemas
from concertino.nodes.refinement import ONWARD, Early, Judgement, Kind


def judge(run: Run, subtask_id: str) -> Judgement:
    """Decide whether a subtask whose prerequisites are over is done.

    From the ledger's wrap-up mark on no refinement starts; one that had started when its process died goes on.
    """
    refinement = run.refinement
    if refinement is None or not refinement.is_possible:
        return ONWARD
    subtask = run.planned(subtask_id)
    known = run.options.specialists.get(subtask.specialist or "")
    schema = known.card.input_schema if known is not None else None
    judged = refinement.judge(
        subtask,
        task=run.task_json,
        findings={sid: found for sid in refinement.known(subtask) if (found := run.finding(sid)) is not None},
        ended={need: cast("Kind", kind) for need in subtask.needs if (kind := ended_early(run, need)) is not None},
        must_have=schemas.required(schema) if schema is not None else (),
        wraps_up=run.money.ledger.is_wrapping_up and not run.history.started.get(subtask_id),
    )
    weighed = run.history.worth.get(subtask_id)
    if judged.early is not None or weighed is None or weighed["asked"] or run.history.started.get(subtask_id):
        return judged
    return Judgement(Early("low_value", str(weighed["reason"])), judged.note)


def holds_back(run: Run, subtask_id: str) -> bool:
    """End a subtask that is not worth starting, and say whether that was done; the board hears of it."""
    early = judge(run, subtask_id).early
    if early is None or run.board is None:
        return False
    run.board.end_early(subtask_id, early.kind, early.reason)
    return True


def ended_early(run: Run, subtask_id: str) -> object:
    """Return why a subtask's path ended early, `None` where it did not."""
    return run.records.get(subtask_id, {}).get("ended_early")
