"""A run's questions to people: when they are asked, what their answers mean for the board."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from concertino.contracts.errors import GateRejected, InputError
from concertino.contracts.gate import Answer, is_answer, read_answer
from concertino.contracts.json import JsonObject, clean, dump
from concertino.contracts.plan import Subtask
from concertino.graph.runs.board import Board
from concertino.graph.runs.edits import Edits
from concertino.graph.runs.gates import (
    PLAN_GATE,
    GateBook,
    Question,
    gate_by,
    is_nested,
    review_gate,
    subtask_of,
    taker_of,
)

NESTING = 32
"""Deepest answer that the record takes."""


class Questions:
    """The gates of one live run."""

    def __init__(self, book: GateBook, emit: Callable[..., Future[list[int]]]) -> None:
        self.book, self._emit = book, emit
        self._board: Board | None = None
        self._delivered: set[str] = set()

    def watch(self, board: Board) -> None:
        """Tell `board` about answers from now on."""
        self._board = board

    def ask(self, question: Question) -> None:
        """Put a question on the record and on the stream, once."""
        if self.book.ask(question):
            self._emit("GATE_OPENED", subtask_id=question.subtask_id, payload=question.as_json())

    def take(self, gate: str, answer: Answer) -> None:
        """Take an answer that is on the record already; on the run's loop."""
        self.book.answer(gate, answer)
        question = self.book.get(gate)
        subtask_id = question.subtask_id if question else None
        if self._board is not None and subtask_id is not None:
            self._board.answered(subtask_id)

    def blocks(self, subtask: Subtask, details: Callable[[], JsonObject]) -> bool:
        """Say whether a subtask that could start must wait for a person; asks its question when first reached.

        A rejected gate ends the subtask: the board is told, and the subtask does not block any more.
        """
        if subtask.gate is not None:
            answer = self.book.answer_of(subtask.id)
            if answer is None:
                self.ask(Question(subtask.id, subtask.gate.question, subtask.id, details()))
                return True
            if answer.decision == "reject":
                if self._board is not None:
                    self._board.refuse(subtask.id, str(GateRejected(gate=subtask.id, reason=answer.reason)))
                return False
        return any(question.subtask_id == subtask.id for question in self.book.open())

    def edited_inputs(self, subtask_id: str, *, by: str | None = None) -> JsonObject:
        """Return what people changed in a subtask's inputs: on the plan's gate, then on its own and its review.

        With `by` also what they changed when they let that specialist take the subtask over: nobody else gets it.
        """
        edited: JsonObject = {}
        if not self.book.has_edits:
            return edited
        known = [*self._edits(subtask_id), *(self.book.asks_of(subtask_id, by) if by else ())]
        for question in sorted(known, key=lambda one: (one.gate != PLAN_GATE, one.number)):
            if question.answer is not None and question.answer.decision == "edit":
                given: Any = question.answer.inputs or {}
                edited.update(given[subtask_id] if question.gate == PLAN_GATE else given)
        return edited

    def _edits(self, subtask_id: str) -> list[Question]:
        """Return the questions that people answered with other inputs for a subtask, whoever works on it."""
        found = []
        for gate in (PLAN_GATE, subtask_id, review_gate(subtask_id)):
            question = self.book.get(gate)
            if question is None or question.answer is None or question.answer.decision != "edit":
                continue
            if gate != PLAN_GATE or isinstance((question.answer.inputs or {}).get(subtask_id), dict):
                found.append(question)
        return found

    # Whether another specialist may take a subtask over.

    def holds(self, question: Question, subtask_id: str) -> bool:
        """Say whether a person's leave covers the inputs that a subtask has now: nobody changed them since, but with it."""
        return all(edit.number <= question.number for edit in self._edits(subtask_id))

    def takeover(self, subtask_id: str, specialist: str) -> tuple[str, Answer | None]:
        """Return the gate that lets a specialist take a subtask over with its present inputs, and the answer.

        A rejection holds. What was accepted before people changed the inputs is asked again, under another name.
        """
        known = [one for one in self.book.asks_of(subtask_id, specialist) if one.answer is not None]
        for question in known:
            if question.answer is not None and (
                question.answer.decision == "reject" or self.holds(question, subtask_id)
            ):
                return question.gate, question.answer
        answered, time = {question.gate for question in known}, 1
        while (gate := gate_by(subtask_id, specialist, time=time)) in answered:
            time += 1
        return gate, None

    def withdraw(self, cards: Collection[str]) -> None:
        """Ask no more about specialists that are not among `cards`, as they were when the run was here before."""
        for question in self.book.open():
            if (taker := taker_of(question.gate)) is not None and taker not in cards:
                self.book.withdraw(question.gate)
                reason = f"there is no specialist {taker} any more"
                told: JsonObject = {"gate": question.gate, "reason": reason}
                self._emit("GATE_WITHDRAWN", subtask_id=question.subtask_id, payload=told)

    # Questions that a compiled graph asks from inside.

    def ask_nested(self, subtask_id: str, asked: Sequence[JsonObject]) -> list[str]:
        """Make a gate of each of a graph's interrupts and return their names."""
        gates = []
        for details in asked:
            known = next(
                (q for q in self._nested(subtask_id) if q.details == details and q.gate not in self._delivered), None
            )
            gate = known.gate if known else f"{subtask_id}.q{len(self._nested(subtask_id)) + 1}"
            if known is None or not known.asked:
                self.ask(Question(gate, _wording(details), subtask_id, details))
            gates.append(gate)
        return gates

    def nested_answer(self, subtask_id: str, details: JsonObject) -> Answer | None:
        """Return the answer to a graph's interrupt, and count it as delivered.

        Raises:
            GateRejected: it was refused, and the graph is not to go on.
        """
        for question in self._nested(subtask_id):
            if question.answer is not None and question.details == details and question.gate not in self._delivered:
                if (rejected := self.rejection([question.gate])) is not None:
                    raise rejected
                self._delivered.add(question.gate)
                return question.answer
        return None

    def rejection(self, gates: Sequence[str]) -> GateRejected | None:
        """Return the first rejection among `gates`; one that carries a value of its own goes to the graph instead."""
        for gate in gates:
            answer = self.book.answer_of(gate)
            details = (self.book.get(gate) or Question(gate, "")).details or {}
            value = details.get("value")
            is_review = isinstance(value, dict) and "action_requests" in value
            if answer is not None and answer.decision == "reject" and answer.value is None and not is_review:
                return GateRejected(gate=gate, reason=answer.reason)
        return None

    def _nested(self, subtask_id: str) -> list[Question]:
        return [question for question in self.book if question.gate.startswith(f"{subtask_id}.q")]

    # Answers from outside.

    def read(self, gate: str, given: object, edits: Edits) -> Answer:
        """Read an answer and check it against the plan.

        Raises:
            InputError: an unknown gate, a malformed answer, inputs that the plan's subtasks could not run with, or that
                no edit brings: they would be dropped without a word.
        """
        nested = self.book.get(gate) is not None and is_nested(gate)
        if nested and not is_answer(given) and given not in ("accept", "reject"):
            return _bounded(Answer(decision="accept", value=clean(given, field="answer", nesting=NESTING)), edits)
        known = {PLAN_GATE, *edits.subtasks, *(question.gate for question in self.book)}
        by = taker_of(gate)
        may_come = (
            by is not None and gate == gate_by(subtask_of(gate), by) and edits.may_take_over(subtask_of(gate), by)
        )
        if gate not in known and not may_come:
            raise InputError(
                field="gate", value=gate, rule=f"must be one of: {', '.join(sorted(known))}{edits.takers()}"
            )
        if isinstance(given, Answer):
            given = given.model_dump(exclude_none=True)
        answer = _bounded(read_answer(given, nesting=min(NESTING, edits.limits.nesting)), edits)
        if nested:
            return answer
        if answer.decision != "edit":
            if answer.inputs:
                rule = f"go with edit alone; {answer.decision} leaves the inputs as they are"
                raise InputError(field="answer.inputs", value=answer.inputs, rule=rule)
            return answer
        changed = answer.inputs or {}
        if gate != PLAN_GATE:
            self._check(subtask_of(gate), changed, edits, field="answer.inputs", by=by)
            return answer
        for subtask_id, inputs in changed.items():
            if subtask_id not in edits.subtasks or not isinstance(inputs, dict):
                rule = "on the plan's gate, inputs are objects by subtask id"
                raise InputError(field=f"answer.inputs.{subtask_id}", value=inputs, rule=rule)
            self._check(subtask_id, inputs, edits, field=f"answer.inputs.{subtask_id}")
        return answer

    def _check(self, subtask_id: str, changed: JsonObject, edits: Edits, *, field: str, by: str | None = None) -> None:
        edits.check(subtask_id, changed, before=self.edited_inputs(subtask_id), field=field, by=by)

    def read_all(self, given: object, edits: Edits) -> dict[str, Answer]:
        """Read what `Command(resume=...)` brought: answers by gate name, or one answer for every open gate."""
        gates = [question.gate for question in self.book.open()]
        asked = {question.gate for question in self.book if question.asked}
        named = {edits.gate_of(str(key)): key for key in given} if isinstance(given, Mapping) else {}
        if isinstance(given, Mapping) and named and all(gate in asked for gate in named):
            # One that was answered already is no fault: this may be read again after a crash.
            return {gate: self.read(gate, given[named[gate]], edits) for gate in gates if gate in named}
        strange = [gate for gate in named if gate not in asked]
        if not is_answer(given) and 0 < len(strange) < len(named):
            rule = f"must be one of the gates that were asked: {', '.join(sorted(asked))}"
            raise InputError(field="gate", value=strange[0], rule=rule)
        return {gate: self.read(gate, given, edits) for gate in gates}


def _bounded(answer: Answer, edits: Edits) -> Answer:
    size, most = len(dump(answer.model_dump(exclude_none=True)).encode()), edits.limits.bytes
    if size > most:
        raise InputError(field="answer", value=f"{size} bytes", rule=f"at most {most} bytes")
    return answer


def _wording(details: JsonObject) -> str:
    value = details.get("value")
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        for key in ("question", "description", "message"):
            if isinstance(value.get(key), str):
                return str(value[key])
    return "The specialist asks for a decision."
