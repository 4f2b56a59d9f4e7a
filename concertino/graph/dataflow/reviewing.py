"""People asked about a subtask that stays failed: the moment it does, while its siblings run.

The gate is `<subtask>.review`. While the rest of the run goes on, the subtask waits without a slot and those that need it wait
with it; an edit sends it out again at once. Where nothing else can proceed it ends as failed, and the run parks with the question.
Replanning comes first: what another plan may still mend is asked about once the dispatch has come to rest.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Subtask
from concertino.graph.dataflow.dispatch import plan_of
from concertino.graph.dataflow.progress import Progress
from concertino.graph.replanning import may_be_replanned
from concertino.graph.runs.board import Board
from concertino.graph.runs.gates import Question, review_gate
from concertino.graph.runs.handover import Handover
from concertino.graph.runs.run import Run

NOBODY = ""
"""Who takes a subtask over that only a person's word can send out again."""


def question_about(subtask_id: str, told: JsonObject) -> Question:
    """Return the question about a subtask that stays failed; `told` is what a person needs to decide."""
    asked = f"{subtask_id} stayed failed. Accept to go on without it, edit its inputs to try again, reject to fail."
    return Question(review_gate(subtask_id), asked, subtask_id, told)


async def reviewed(run: Run, subtask: Subtask, progress: Progress, board: Board) -> Literal["again", "over", "cancel"]:
    """Ask people about a subtask that has just failed for good, where they are to be asked now, and wait for their word.

    Returns:
        `again` where an edit sends it out again, `cancel` where the run was cancelled before anybody answered.
    """
    gate, book = review_gate(subtask.id), run.questions.book
    if not _is_asked_now(run, subtask, progress) or book.answer_of(gate) is not None:
        return "over"
    handed = Handover(NOBODY, tuple(progress.tried), progress.attempts, progress.error)
    if handed.tried:
        run.history.handed[subtask.id] = handed
    run.questions.ask(question_about(subtask.id, {**handed.as_json(), "reason": progress.reason}))
    while (answer := book.answer_of(gate)) is None:
        turn = await board.pause(subtask.id)
        if turn.kind == "cancel":
            progress.reason = turn.reason
            return "cancel"
        if turn.kind != "go":
            return "over"
    if answer.decision != "edit":
        return "over"
    run.history.handed.pop(subtask.id, None)
    return "again"


def _is_asked_now(run: Run, subtask: Subtask, progress: Progress) -> bool:
    if run.options.escalate != "ask" or not subtask.required or progress.keeps_slot or not run.has_time():
        return False
    told: JsonObject = {
        "specialist": progress.specialist, "tried": cast("Any", [*progress.tried]), "attempts": progress.attempts,
        "refused": cast("Any", [*progress.refused]),
    }  # fmt: skip
    return not may_be_replanned(run, plan_of(run), subtask.id, told)
