"""Questions to people as data: asked the moment they arise, answerable at any time, remembered for good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from concertino.contracts.errors import PlanInvalid
from concertino.contracts.gate import Answer
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Fault, Plan

PLAN_GATE = "plan"
"""Name of the gate on a whole plan. A subtask's gate has the subtask's id, a question that its graph asks `id.q1`, one
about its failure `id.review`, and one whether another specialist may take it over `id.by.specialist`, or `id.by.specialist.2`
and so on where it is asked again. Ids and names have no dot (`contracts/ids.py`)."""

_NESTED = re.compile(r"[^.]+\.q[0-9]+")


def gate_by(subtask_id: str, specialist: str, *, time: int = 1) -> str:
    """Return the name of the gate that asks, for the first or a later time, whether a specialist may take a subtask over."""
    return f"{subtask_id}.by.{specialist}" + (f".{time}" if time > 1 else "")


def review_gate(subtask_id: str) -> str:
    """Return the name of the gate that asks about a subtask that stayed failed."""
    return f"{subtask_id}.review"


def taker_of(gate: str) -> str | None:
    """Return who would take a subtask over if a gate is accepted; `None` for gates that do not ask that."""
    _, by, specialist = gate.partition(".by.")
    return specialist.partition(".")[0] if by else None


def subtask_of(gate: str) -> str:
    """Return the subtask that a gate other than the plan's is about."""
    return gate.partition(".")[0]


def is_nested(gate: str) -> bool:
    """Say whether a gate is a question that a specialist asked from inside."""
    return _NESTED.fullmatch(gate) is not None


def check_names(plan: Plan) -> None:
    """Refuse a plan in which a subtask's gate would be taken for the plan's own.

    Raises:
        PlanInvalid: a subtask has the id `plan`.
    """
    for number, subtask in enumerate(plan.subtasks):
        if subtask.id == PLAN_GATE:
            message, fix = "this is the name of the gate on the whole plan", "choose another id"
            place = f"plan.subtasks[{number}].id"
            raise PlanInvalid([Fault(code="bad_field", place=place, value=subtask.id, message=message, fix=fix)])


@dataclass(slots=True)
class Question:
    """One gate of one run."""

    gate: str
    question: str
    subtask_id: str | None = None
    details: JsonObject | None = None
    """What a person needs to decide: objective, inputs, upstream findings, or a nested graph's own question."""
    answer: Answer | None = None
    number: int = 0
    """Which of the run's answers it is, from 1; of two that say different things, the later one holds."""
    asked: bool = False

    def as_json(self) -> JsonObject:
        """Return the question as events, interrupts and status show it."""
        return {
            "gate": self.gate,
            "question": self.question,
            "subtask_id": self.subtask_id,
            "details": self.details or {},
            "answer": self.answer.model_dump(exclude_none=True) if self.answer else None,
        }


class GateBook:
    """All gates of one run. An answer may come before its question."""

    def __init__(self) -> None:
        self._questions: dict[str, Question] = {}
        self._answers = 0
        self.has_edits = False
        """Whether any answer changes inputs."""

    def __iter__(self) -> Iterator[Question]:
        return iter(self._questions.values())

    def get(self, gate: str) -> Question | None:
        """Return a gate's question, if it was asked or answered."""
        return self._questions.get(gate)

    def ask(self, question: Question) -> bool:
        """Register a question; True when it is new and has to be announced."""
        known = self._questions.get(question.gate)
        if known is None:
            self._questions[question.gate] = question
            question.asked = True
            return True
        known.question, known.subtask_id, known.details = question.question, question.subtask_id, question.details
        is_new, known.asked = not known.asked, True
        return is_new

    def answer(self, gate: str, answer: Answer) -> None:
        """Record an answer; the first one holds."""
        known = self._questions.setdefault(gate, Question(gate=gate, question=""))
        if known.answer is None:
            self._answers += 1
            known.answer, known.number = answer, self._answers
            self.has_edits |= answer.decision == "edit"

    def answer_of(self, gate: str) -> Answer | None:
        """Return the answer to a gate, if there is one."""
        known = self._questions.get(gate)
        return known.answer if known else None

    def asks_of(self, subtask_id: str, specialist: str) -> list[Question]:
        """Return the questions whether a specialist may take a subtask over."""
        return [one for one in self if subtask_of(one.gate) == subtask_id and taker_of(one.gate) == specialist]

    def withdraw(self, gate: str) -> None:
        """Do not ask any more what nobody has answered."""
        self._questions[gate].asked = False

    def open(self) -> list[Question]:
        """Return the questions that were asked and wait for an answer."""
        return [question for question in self._questions.values() if question.asked and question.answer is None]

    def tally(self) -> tuple[int, int]:
        """Return how many questions were asked and how many answers came."""
        return sum(question.asked for question in self._questions.values()), self._answers

    def take(self, other: GateBook, *, only_rejects: bool) -> None:
        """Take over another run's answers: a restart takes all, a fork the rejections alone."""
        for question in sorted(other, key=lambda known: known.number):
            answer = question.answer
            if answer is not None and (not only_rejects or answer.decision == "reject"):
                self.answer(question.gate, answer)
