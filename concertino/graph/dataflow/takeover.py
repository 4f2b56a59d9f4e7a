"""Who takes a subtask over from a specialist that could not do it: the next one able to, once people let it.

A specialist that the plan does not name is held to the gate policies like those it names. Where one of them speaks of it, a
gate of its own asks, `<subtask>.by.<specialist>`, and the subtask waits without a slot; the policies are asked with the
subtask's present inputs, and an acceptance is leave for these: where people change them later, it is asked again.
"""

from __future__ import annotations

from concertino.contracts.errors import GateRejected
from concertino.contracts.plan import Subtask
from concertino.graph.dataflow.dispatch import about, plan_of
from concertino.graph.dataflow.progress import Progress
from concertino.graph.runs.binding import binding
from concertino.graph.runs.board import Board, Turn
from concertino.graph.runs.gates import Question
from concertino.graph.runs.handover import Handover
from concertino.graph.runs.run import Run
from concertino.nodes.planning.cone import Refused
from concertino.nodes.planning.gate_policy import question_about
from concertino.nodes.planning.routing import alternatives


class Takeover:
    """Finds who works on one subtask next."""

    def __init__(self, run: Run, subtask_id: str, progress: Progress) -> None:
        self._run, self._id, self._progress = run, subtask_id, progress
        self._others: list[str] | None = None

    async def first(self, board: Board) -> str | Turn | None:
        """Return who begins: whoever the plan names, unless the record says that others are to go on; see `next`."""
        handed = self._run.history.handed.get(self._id)
        if handed is None:
            return self._progress.specialist
        self._progress.take_up(handed)
        if handed.to and handed.to not in self._able():
            self._progress.add(f"{handed.to}, who was to take it over, is not here any more or cannot do it")
        return await self.next(board)

    async def next(self, board: Board) -> str | Turn | None:
        """Return who takes over, what the board said instead of `go` while people were asked, or `None`: nobody is left."""
        run, progress = self._run, self._progress
        while (name := self._candidate()) is not None and run.has_time():
            if (turn := await self._let(name, board)) is not None and turn.kind != "go":
                return turn
            gate, answer = run.questions.takeover(self._id, name)
            if answer is not None and answer.decision == "reject":
                progress.refuse(name, str(GateRejected(gate=gate, reason=answer.reason)))
                continue
            handed = self._hand(name)
            run.emit(
                "TASK_REROUTED",
                subtask_id=self._id,
                agent=progress.specialist,
                payload={"dispatch": run.dispatch, "reason": progress.reason, **handed.as_json()},
            )
            return name
        return None

    def _candidate(self) -> str | None:
        gone = {*self._progress.tried, *self._progress.refused}
        return next((name for name in self._able() if name not in gone), None)

    def _able(self) -> list[str]:
        """Return who could take the subtask over, whoever the record names first."""
        run = self._run
        if self._others is None:
            able = alternatives(run.subtask(self._id), run.options.cards, run.standings, run.task_id)
            handed = run.history.handed.get(self._id)
            self._others = sorted(able, key=lambda name: handed is None or name != handed.to)  # else in their order
        return self._others

    async def _let(self, name: str, board: Board) -> Turn | None:
        """Ask people whether `name` may work on the subtask, where they have to be, and wait until they have answered."""
        run = self._run
        gate, answer = run.questions.takeover(self._id, name)
        if answer is not None or (question := self._question(name)) is None:
            return None
        handed, subtask = self._hand(name), run.subtask(self._id)
        details = {**about(run, subtask), "specialist": name, **handed.as_json()}
        run.questions.ask(Question(gate, question, self._id, details))
        turn: Turn | None = None
        while run.questions.book.answer_of(gate) is None:
            turn = await board.pause(self._id)
            if turn.kind != "go":
                return turn
        return turn

    def _question(self, name: str) -> str | None:
        """Return what people must be asked before `name` works on the subtask, unless they accepted that very question.

        They did where the subtask's own gate asked about its stand-in, by name, and nobody changed the inputs since. The same
        words about somebody else are no leave.
        """
        run = self._run
        planned, subtask = run.planned(self._id), run.subtask(self._id)
        try:
            policies = binding(run, plan_of(run)).gates
        except Refused as error:  # what cannot be decided is asked
            return f"Let {name} do {_called(subtask)}? Whether this has to be asked cannot be said: {error}"
        question = question_about(subtask, run.options.cards[name], policies, task=run.task)
        own, stand_in = run.questions.book.get(self._id), planned.on_failure
        if (
            own is None
            or own.answer is None
            or own.answer.decision != "accept"
            or not run.questions.holds(own, self._id)
        ):
            return question
        if stand_in is None or stand_in.specialist != name:
            return question
        is_foreseen = planned.gate is not None and planned.gate.question == question
        is_about_him = (
            question_about(planned, run.options.cards.get(planned.specialist or ""), policies, task=run.task) is None
        )
        return None if is_foreseen and is_about_him else question

    def _hand(self, name: str) -> Handover:
        """Return where the subtask stands, and remember it as the record does."""
        progress = self._progress
        handed = Handover(name, tuple(progress.tried), progress.attempts, progress.error)
        self._run.history.handed[self._id] = handed
        return handed


def _called(subtask: Subtask) -> str:
    return f"{subtask.name or subtask.id}" + (f" ({subtask.objective[:500]})" if subtask.objective else "")
