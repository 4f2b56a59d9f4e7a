"""What is known of a subtask while it is worked on, and the record it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from concertino.contracts.budget import Usage
from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Subtask
from concertino.graph.runs.board import SubtaskState
from concertino.graph.runs.gates import review_gate
from concertino.graph.runs.handover import Handover
from concertino.graph.runs.run import Run


@dataclass(slots=True)
class Progress:
    """What is known of a subtask while it is worked on."""

    specialist: str
    hash: str = ""
    attempts: int = 0
    before: int = 0
    """Of these attempts, those of an earlier dispatch or process."""
    tried: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    """Who was tried before a person sent it out again."""
    refused: list[str] = field(default_factory=list)
    """Who might have taken over, but people said no."""
    started_at: float | None = None
    active_s: float = 0.0
    finding: Finding | None = None
    error: JsonObject | None = None
    reason: str | None = None
    keeps_slot: bool = False
    sla_missed: bool = False
    early: str | None = None
    """Why its path ended here, if it did."""
    note: str | None = None
    """Which condition could not be decided."""

    def take_up(self, handed: Handover) -> None:
        """Begin where the specialists so far have failed."""
        self.tried, self.specialist = list(handed.tried), handed.tried[-1]
        self.attempts = self.before = handed.attempts
        self.error = handed.error
        self.reason = str(handed.error["message"]) if handed.error else None

    def begin_again(self, specialist: str) -> None:
        """Forget who has failed, but not what it took: a person sends the subtask out again."""
        self.earlier += self.tried
        self.specialist, self.tried, self.refused = specialist, [], []
        self.error = self.reason = None

    def refuse(self, specialist: str, why: str) -> None:
        """Note that a person does not let a specialist take over."""
        self.refused.append(specialist)
        self.add(why)

    def add(self, why: str) -> None:
        """Note one more reason."""
        self.reason = f"{self.reason}; {why}" if self.reason else why

    def record(self, run: Run, subtask: Subtask, state: SubtaskState, usage: Usage) -> JsonObject:
        """Return the record of the subtask, which is over."""
        card = run.options.cards.get(self.specialist)  # whoever tried last may be gone since
        record: JsonObject = {
            "subtask_id": subtask.id,
            "specialist": self.specialist,
            "state": state,
            "dispatch": run.dispatch,
            "hash": self.hash,
            "version": card.version if card is not None else None,
            "attempts": self.attempts,
            "tried": list(self.tried),
            "started_at": self.started_at,
            "finished_at": run.clock.now(),
            "usage": usage.model_dump(),
            "error": self.error if state in ("failed", "blocked") else None,
            "reason": self.reason,
            "finding": self.finding.model_dump(mode="json") if self.finding else None,
            "required": subtask.required,
            "sla_missed": self.sla_missed,
            "reviewed": run.questions.book.answer_of(review_gate(subtask.id)) is not None,
            "final": True,
        }
        if self.early is not None:
            record |= {"ended_early": self.early, "is_lost": self.early == "budget"}
        if run.plan is not None and run.plan.answer is not None and subtask.id not in run.plan.answer:
            record["answers"] = False  # a track record leaves it out
        if self.refused:
            record["refused"] = list(self.refused)
        if self.note is not None:
            record["note"] = self.note
        return record
