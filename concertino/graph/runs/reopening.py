"""What a person's edit sends out again after its failure."""

from __future__ import annotations

from concertino.graph.runs.gates import review_gate
from concertino.graph.runs.run import Run


def reopened(run: Run) -> list[str]:
    """Return failed subtasks that a person's edit sends out again, with the dependents skipped for them."""
    planned = run.plan.subtasks if run.plan is not None else ()
    found = [subtask.id for subtask in planned if _is_edited(run, subtask.id)]
    for subtask in planned if found else ():
        if any(need in found for need in subtask.needs) and subtask.id not in found:
            found.append(subtask.id)
    return found


def _is_edited(run: Run, subtask_id: str) -> bool:
    record = run.records.get(subtask_id)
    if record is None or record["state"] not in ("failed", "blocked") or record.get("reviewed"):
        return False
    answer = run.questions.book.answer_of(review_gate(subtask_id))
    return answer is not None and answer.decision == "edit"
