"""Bugs planted into production code, one at a time, to see whether the simulator finds them.

Each is what somebody might write by mistake: a check forgotten, a sum taken twice, a state not restored.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

import concertino.budgets.account as account
import concertino.graph.door.past as past
import concertino.tools.outcome as outcome
from concertino.budgets.amounts import NOTHING
from concertino.budgets.books import Books, Reservation
from concertino.budgets.cells import hold, settle
from concertino.contracts.errors import BreakerOpen
from concertino.evals.simulator.simulating import Report, simulate
from concertino.graph.runs.board import Board
from concertino.graph.runs.gates import GateBook, Question
from concertino.graph.runs.questions import Questions
from concertino.graph.runs.run import Run
from concertino.journal.memory import MemoryJournal
from concertino.nodes.specialists.brief import Assignment
from concertino.tools.breaker import Breaker, Permit
from concertino.tools.registry import NOTHING as NO_COST
from concertino.tools.retry import Retry


class Bug(NamedTuple):
    """One mistake."""

    room: Literal["ledger", "breaker", "scheduler", "journal"]
    owner: Any
    name: str
    """What of `owner` is replaced."""
    wrong: Callable[[Any], Any]
    """Given what stands there, returns what takes its place."""


def _only_its_own_limit(take: Any) -> Any:
    def wrong(chain: Any, asked: Any) -> bool:
        fits = take(tuple(cells[:1] for cells in chain), asked)
        if fits:
            hold(tuple(cells[1:] for cells in chain), asked)
        return bool(fits)

    return wrong


def _refunded_when_cancelled(judge_error: Any) -> Any:
    def wrong(tool: Any, error: BaseException) -> Any:
        verdict = judge_error(tool, error)
        return verdict._replace(charge=NO_COST) if isinstance(error, asyncio.CancelledError | TimeoutError) else verdict

    return wrong


def _charged_twice(turn: Any) -> Any:
    def wrong(books: Books, reservation: Any, used: Any) -> Any:
        news = turn(books, reservation, used)
        settle(reservation.chain, NOTHING, used)
        return news

    return wrong


def _kept_when_refunded(_: Any) -> Any:
    return lambda reservation: NOTHING


def _probes_not_counted(enter: Any) -> Any:
    def wrong(breaker: Breaker) -> Any:
        permit = enter(breaker)
        breaker._probing = 0
        return permit

    return wrong


def _open_lets_some_through(enter: Any) -> Any:
    def wrong(breaker: Breaker) -> Any:
        try:
            return enter(breaker)
        except BreakerOpen:
            if breaker.state != "OPEN" or breaker._refused % 2:
                raise
            return Permit(breaker, number=breaker._number, change=None)

    return wrong


def _reset_early(wait_s: Any) -> Any:
    def wrong(breaker: Breaker, now: float) -> Any:
        return wait_s(breaker, now + breaker.policy.reset_timeout_s / 2)

    return wrong


def _one_need_ignored(init: Any) -> Any:
    def wrong(board: Board, subtasks: Any, **given: Any) -> None:
        init(board, subtasks, **given)
        board._unmet = {name: max(0, n - 1) for name, n in board._unmet.items()}

    return wrong


def _slot_freed_twice(release: Any) -> Any:
    def wrong(board: Board, specialist: str) -> None:
        release(board, specialist)
        board._taken -= 1

    return wrong


def _slot_never_freed(release: Any) -> Any:
    def wrong(board: Board, specialist: str) -> None:
        release(board, specialist)
        board._taken += board._slots is not None and board._slots > 1 and board._taken + 1 < board._slots

    return wrong


def _gates_ignored(_: Any) -> Any:
    return lambda questions, subtask, details: False


def _deadlines_ignored(_: Any) -> Any:
    return lambda run, deadline: None


def _effects_by_attempt(effect_key: Any) -> Any:
    return lambda facts, name: f"{effect_key(facts, name)}:{facts.attempt}"


def _probe_not_given_back(_: Any) -> Any:
    return lambda permit: None


def _failures_never_counted(count: Any) -> Any:
    def wrong(breaker: Breaker, failed: bool, duration_s: float, now: float) -> Any:
        breaker._row = 0
        return count(breaker, failed, duration_s, now)

    return wrong


def _one_attempt_more(stops: Any) -> Any:
    def wrong(retry: Retry, *, attempt: int, **given: Any) -> Any:
        return stops(retry, attempt=max(1, attempt - 1), **given)

    return wrong


def _last_answer_holds(_: Any) -> Any:
    def wrong(book: GateBook, gate: str, answer: Any) -> None:
        book._questions.setdefault(gate, Question(gate=gate, question="")).answer = answer

    return wrong


def _started_forgotten(fold: Any) -> Any:
    def wrong(events: Any, **given: Any) -> Any:
        history = fold(events, **given)
        history.started.clear()
        history.begun.clear()
        return history

    return wrong


def _result_lost(fold: Any) -> Any:
    def wrong(events: Any, **given: Any) -> Any:
        history = fold(events, **given)
        if history.records:
            history.records.popitem()
        return history

    return wrong


def _open_charges_forgotten(fold: Any) -> Any:
    def wrong(events: Any, **given: Any) -> Any:
        history = fold(events, **given)
        history.charges = {key: charge for key, charge in history.charges.items() if charge.settled}
        return history

    return wrong


def _number_used_again(append: Any) -> Any:
    def wrong(journal: MemoryJournal, *given: Any) -> Any:
        numbers = append(journal, *given)
        for events in journal._events.values():
            if len(events) % 16 == 0:
                events[-1] = (events[-1][0], events[-2][1], *events[-1][2:])
        return numbers

    return wrong


def _epoch_not_checked(_: Any) -> Any:
    return lambda journal, lease: None


BUGS: dict[str, Bug] = {
    "a parent's limit is not asked": Bug("ledger", account, "take", _only_its_own_limit),
    "a call that was cut short is refunded": Bug("ledger", outcome, "judge_error", _refunded_when_cancelled),
    "a reservation is charged twice": Bug("ledger", Books, "turn", _charged_twice),
    "a refund gives nothing back": Bug("ledger", Reservation, "refund", _kept_when_refunded),
    "probes are not counted": Bug("breaker", Breaker, "enter", _probes_not_counted),
    "an open breaker lets some through": Bug("breaker", Breaker, "enter", _open_lets_some_through),
    "a breaker is tried too early": Bug("breaker", Breaker, "_wait_s", _reset_early),
    "a probe that is given up keeps its place": Bug("breaker", Permit, "abandon", _probe_not_given_back),
    "failures in a row are not counted": Bug("breaker", Breaker, "_count", _failures_never_counted),
    "one attempt more is made": Bug("breaker", Retry, "stops", _one_attempt_more),
    "one prerequisite is ignored": Bug("scheduler", Board, "__init__", _one_need_ignored),
    "a slot is freed twice": Bug("scheduler", Board, "_release", _slot_freed_twice),
    "a slot is not freed": Bug("scheduler", Board, "_release", _slot_never_freed),
    "gates are ignored": Bug("scheduler", Questions, "blocks", _gates_ignored),
    "the last answer to a gate holds": Bug("scheduler", GateBook, "answer", _last_answer_holds),
    "deadlines are ignored": Bug("scheduler", Run, "not_after", _deadlines_ignored),
    "an effect's key has the attempt in it": Bug("scheduler", Assignment, "effect_key", _effects_by_attempt),
    "a finished result is lost on restore": Bug("journal", past, "fold", _result_lost),
    "what was started is forgotten on restore": Bug("journal", past, "fold", _started_forgotten),
    "open reservations are forgotten on restore": Bug("journal", past, "fold", _open_charges_forgotten),
    "an event's number is used again": Bug("journal", MemoryJournal, "_append", _number_used_again),
    "a lease's epoch is not checked": Bug("journal", MemoryJournal, "_fence", _epoch_not_checked),
}


@contextlib.contextmanager
def planted(name: str) -> Iterator[None]:
    """Have a bug in production code meanwhile."""
    bug = BUGS[name]
    with patch.object(bug.owner, bug.name, bug.wrong(getattr(bug.owner, bug.name))):
        yield


def first_found(name: str, *, seeds: range) -> Report | None:
    """Return the report of the first seed that finds a bug."""
    with planted(name):
        return next((report for seed in seeds if (report := simulate(seed)).breaks), None)
