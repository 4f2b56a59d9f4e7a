"""The board: who starts when. Nothing runs on its loop but the board's own end of a turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertino.contracts.plan import Subtask
from concertino.graph.runs.board import Board, SubtaskState, Turn

Turns = dict[str, "asyncio.Future[Turn]"]


def _subtask(name: str, *needs: str, who: str = "worker") -> Subtask:
    return Subtask(id=name, specialist=who, needs=needs)


def _board(*subtasks: Subtask, slots: int | None = None, **given: Any) -> Board:
    defaults: dict[str, Any] = {"priority": {}, "caps": {}, "settled": {}, "gate_open": lambda subtask: False}
    return Board(subtasks, slots=slots, **{**defaults, **given})


def _arrive(board: Board, *names: str) -> Turns:
    return {name: board.arrive(name) for name in names}


def _going(turns: Turns) -> set[str]:
    return {name for name, turn in turns.items() if turn.done() and turn.result().kind == "go"}


def _told(turns: Turns) -> dict[str, str]:
    return {name: turn.result().kind for name, turn in turns.items() if turn.done()}


async def test_a_subtask_goes_when_all_it_needs_is_completed() -> None:
    """Neither arrival nor one of two prerequisites is enough."""
    board = _board(_subtask("a"), _subtask("b"), _subtask("c", "a", "b"))
    turns = _arrive(board, "c", "a", "b")
    board.finish("a", "completed")
    assert _going(turns) == {"a", "b"}
    board.finish("b", "completed")
    assert _going(turns) == {"a", "b", "c"}


async def test_slots_go_to_the_longest_remaining_path() -> None:
    """Who came first does not matter: the priority decides, and plan order between equals."""
    names = ("first", "short", "long", "long2")
    board = _board(*(_subtask(name) for name in names), slots=1, priority={"short": 1.0, "long": 9.0, "long2": 9.0})
    turns = _arrive(board, *names)
    order = list(_going(turns))
    for _ in range(3):
        board.finish(order[-1], "completed")
        order.extend(_going(turns) - set(order))
    assert order == ["long", "long2", "short", "first"]


async def test_slots_do_not_wait_for_who_does_not_come() -> None:
    """They are given out at the end of the turn in which somebody came, among those who came in it."""
    names = ("short", "long", "absent")
    board = _board(*(_subtask(name) for name in names), slots=1, priority={"long": 9.0, "absent": 99.0})
    turns = _arrive(board, "short", "long")
    assert _going(turns) == set()
    await asyncio.sleep(0)
    assert _going(turns) == {"long"}


async def test_a_specialists_own_bound_holds_back_nobody_else() -> None:
    """Those over the bound wait aside, in order, while others take the free slots."""
    many = [_subtask(f"m{n}", who="bounded") for n in range(4)]
    board = _board(*many, _subtask("other"), slots=3, caps={"bounded": 1}, priority={"m3": 5.0})
    turns = _arrive(board, "m0", "m1", "m2", "m3", "other")
    assert _going(turns) == {"m3", "other"}
    board.finish("m3", "completed")
    assert _going(turns) == {"m0", "other", "m3"}
    assert board.load() == {"bounded": 1, "worker": 1}


async def test_what_depends_on_a_failure_is_skipped_with_the_reason() -> None:
    """Skipping goes down the whole path, to those who wait and to those who come later."""
    board = _board(_subtask("a"), _subtask("b", "a"), _subtask("c", "b"), _subtask("d"))
    turns = _arrive(board, "a", "b", "d")
    board.finish("a", "failed")
    late = board.arrive("c")
    assert turns["b"].result() == Turn("skip", "needs a, which is failed")
    assert late.result() == Turn("skip", "needs b, which is skipped")
    assert board.state("c") == "skipped"
    assert _going(turns) == {"a", "d"}


async def test_work_that_could_not_be_stopped_keeps_its_slot() -> None:
    """The next one goes when the leaked work has really ended."""
    board = _board(_subtask("stuck"), _subtask("next"), slots=1)
    turns = _arrive(board, "stuck", "next")
    board.finish("stuck", "failed", keeps_slot=True)
    assert not turns["next"].done()
    board.free_slot("worker")
    assert _going(turns) == {"stuck", "next"}


async def test_a_leak_of_an_earlier_dispatch_keeps_its_slot_too() -> None:
    """A later board begins with the slots that are still held, and gains nothing but those when they come free."""
    board = _board(_subtask("a"), _subtask("b"), slots=1, leaked=Counter({"worker": 1}))
    turns = _arrive(board, "a", "b")
    assert not _going(turns)
    board.free_slot("worker")
    assert _going(turns) == {"a"}


async def test_an_attempt_that_leaked_queues_for_another_slot() -> None:
    """Its first slot stays taken; somebody else's slot takes it in."""
    board = _board(_subtask("a"), _subtask("b"), slots=2)
    _arrive(board, "a", "b")
    again = board.again("a")
    assert not again.done()
    board.finish("b", "completed")
    assert again.result().kind == "go"


async def test_who_waits_for_a_person_holds_no_slot() -> None:
    """A paused subtask lets another one in and queues again when its answer is there."""
    board = _board(_subtask("asks"), _subtask("other"), slots=1)
    turns = _arrive(board, "asks", "other")
    again = board.pause("asks")
    assert _going(turns) == {"asks", "other"}
    assert board.state("asks") == "waiting"
    board.answered("asks")
    assert not again.done()
    board.finish("other", "completed")
    assert again.result().kind == "go"


async def test_everybody_defers_when_nothing_can_go_on_without_a_person() -> None:
    """Not while somebody runs, nor while an instance that can run has yet to arrive."""
    gated = {"gated"}
    board = _board(
        _subtask("gated"), _subtask("after", "gated"), _subtask("free"), gate_open=lambda subtask: subtask.id in gated
    )
    turns = _arrive(board, "gated", "after")
    assert not _told(turns)
    turns |= _arrive(board, "free")
    assert _told(turns) == {"free": "go"}
    board.finish("free", "completed")
    assert _told(turns) == {"free": "go", "gated": "defer", "after": "defer"}


async def test_an_answer_lets_its_subtask_go_and_a_rejection_skips_it() -> None:
    """Both take effect at once, while others run."""
    gated = {"yes", "no"}
    board = _board(*map(_subtask, ("yes", "no", "busy")), gate_open=lambda subtask: subtask.id in gated)
    turns = _arrive(board, "yes", "no", "busy")
    gated.remove("yes")
    board.answered("yes")
    board.refuse("no", "rejected")
    assert _told(turns) == {"yes": "go", "no": "skip", "busy": "go"}


async def test_a_stop_reaches_who_waits_and_who_comes_later() -> None:
    """Those that run are not the board's to stop."""
    board = _board(*map(_subtask, ("runs", "waits", "late")), slots=1)
    turns = _arrive(board, "runs", "waits")
    await asyncio.sleep(0)
    board.stop(Turn("cancel", "enough"))
    turns |= _arrive(board, "late")
    assert _told(turns) == {"runs": "go", "waits": "cancel", "late": "cancel"}
    assert board.pause("runs").result().kind == "cancel"


async def test_a_cancelled_instance_gives_its_slot_back() -> None:
    """Whether it ran or waited, it is forgotten."""
    board = _board(*map(_subtask, ("a", "b", "c")), slots=1)
    turns = _arrive(board, "a", "b", "c")
    board.leave("b")
    board.leave("a")
    assert _going(turns) == {"a", "c"}


async def test_one_who_left_passes_its_turn_on() -> None:
    """A specialist's bound is not lost on an instance that went away while it was held back."""
    board = _board(*(_subtask(name, who="bounded") for name in ("a", "b", "c")), caps={"bounded": 1})
    turns = _arrive(board, "a", "b", "c")
    board.leave("b")
    board.finish("a", "completed")
    assert _going(turns) == {"a", "c"}


async def test_what_depends_on_a_cancelled_one_is_cancelled() -> None:
    """A cancellation is not told as a skip further down."""
    board = _board(_subtask("a"), _subtask("b", "a"), _subtask("c", "b"))
    _arrive(board, "a", "b", "c")
    board.finish("a", "cancelled")
    assert (board.state("b"), board.state("c")) == ("cancelled", "cancelled")


async def test_what_is_settled_counts_and_its_failures_hold() -> None:
    """A board laid on resume knows completed prerequisites, and skips what failed ones leave behind."""
    settled: Mapping[str, SubtaskState] = {"done": "completed", "lost": "failed"}
    board = _board(
        _subtask("done"), _subtask("lost"), _subtask("a", "done"), _subtask("b", "lost", "done"), settled=settled
    )
    assert _told(_arrive(board, "a", "b")) == {"a": "go", "b": "skip"}


@st.composite
def _plans(draw: st.DrawFn) -> list[Subtask]:
    count = draw(st.integers(1, 24))
    return [
        _subtask(
            f"n{at}",
            *sorted(draw(st.sets(st.integers(0, at - 1), max_size=3).map(lambda found: {f"n{n}" for n in found})))
            if at
            else (),
            who=draw(st.sampled_from(("x", "y", "z"))),
        )
        for at in range(count)
    ]


class _Rules:
    """What must hold on a board after every move, known from outside alone."""

    def __init__(self, plan: list[Subtask], *, slots: int | None, caps: Mapping[str, int], priority: Any) -> None:
        self.plan = {subtask.id: subtask for subtask in plan}
        self.slots, self.caps, self.priority = slots, caps, priority
        self.board = _board(*plan, slots=slots, caps=caps, priority=priority)
        self.turns: Turns = {}
        self.ended: dict[str, str] = {}
        self.leaked: Counter[str] = Counter()
        self.went: set[str] = set()

    def running(self) -> list[str]:
        return [name for name in self.plan if name in _going(self.turns) and name not in self.ended]

    def used(self) -> Counter[str]:
        return self.leaked + Counter(self.plan[name].specialist or "" for name in self.running())

    def has_room(self, who: str, used: Counter[str]) -> bool:
        return (self.slots is None or used.total() < self.slots) and (
            who not in self.caps or used[who] < self.caps[who]
        )

    async def move(self, act: Callable[[], object]) -> None:
        before = set(_going(self.turns))
        act()
        await asyncio.sleep(0)
        started = _going(self.turns) - before
        for name, turn in self.turns.items():  # a real instance records the skip that it is told
            if turn.done() and turn.result().kind == "skip":
                self.ended.setdefault(name, "skipped")
        used = self.used()
        assert self.slots is None or used.total() <= max(self.slots, self.leaked.total())
        assert all(used[who] <= max(cap, self.leaked[who]) for who, cap in self.caps.items())
        for name in started:
            assert all(self.ended.get(need) == "completed" for need in self.plan[name].needs)
        waiting = [name for name, turn in self.turns.items() if not turn.done()]
        ready = [n for n in waiting if all(self.ended.get(need) == "completed" for need in self.plan[n].needs)]
        assert not any(self.has_room(self.plan[name].specialist or "", used) for name in ready)
        for name in started:
            mine = self.plan[name].specialist
            assert all(
                self.priority[other] <= self.priority[name] for other in ready if self.plan[other].specialist == mine
            )

    def end(self, name: str, state: SubtaskState, *, leaks: bool) -> None:
        self.ended[name] = state
        if leaks:
            self.leaked[self.plan[name].specialist or ""] += 1
        self.board.finish(name, state, keeps_slot=leaks)

    def free(self, who: str) -> None:
        self.leaked[who] -= 1
        self.board.free_slot(who)


@settings(max_examples=150)
@given(plan=_plans(), data=st.data())
def test_any_order_of_arrivals_ends_and_leaks_keeps_the_rules(plan: list[Subtask], data: st.DataObject) -> None:
    """No slot too many, none idle, no start before its needs, the best of each specialist first, and an end for all."""
    priority = {subtask.id: float(data.draw(st.integers(0, 5))) for subtask in plan}
    slots = data.draw(st.none() | st.integers(1, 4))
    caps = data.draw(st.dictionaries(st.sampled_from(("x", "y")), st.integers(1, 2)))

    async def play() -> None:
        rules = _Rules(plan, slots=slots, caps=caps, priority=priority)
        coming = data.draw(st.permutations(sorted(rules.plan)))
        while coming or rules.running() or rules.leaked.total():
            moves = ["arrive"] * bool(coming) + ["end"] * bool(rules.running()) + ["free"] * bool(rules.leaked.total())
            match data.draw(st.sampled_from(moves)):
                case "arrive":
                    name = coming.pop()

                    def arrive(name: str = name) -> None:
                        rules.turns[name] = rules.board.arrive(name)

                    await rules.move(arrive)
                case "end":
                    name = data.draw(st.sampled_from(rules.running()))
                    state: SubtaskState = data.draw(st.sampled_from(("completed", "completed", "failed")))
                    leaks = state == "failed" and data.draw(st.booleans())

                    def end(name: str = name, state: SubtaskState = state, leaks: bool = leaks) -> None:
                        rules.end(name, state, leaks=leaks)

                    await rules.move(end)
                case _:
                    who = data.draw(st.sampled_from(sorted(+rules.leaked)))

                    def free(who: str = who) -> None:
                        rules.free(who)

                    await rules.move(free)
        assert set(_told(rules.turns)) == set(rules.plan)
        assert set(rules.ended) == set(rules.plan)
        for name, ended in rules.ended.items():
            lost = [need for need in rules.plan[name].needs if rules.ended[need] != "completed"]
            assert (ended == "skipped") == bool(lost)

    asyncio.run(play())


@pytest.mark.parametrize("kind", ["cancel", "skip"])
@given(plan=_plans(), at=st.integers(0, 24))
def test_a_stop_at_any_moment_leaves_nobody_waiting(kind: Any, plan: list[Subtask], at: int) -> None:
    """Whoever has arrived or will arrive is told, whatever was under way."""

    async def play() -> None:
        board, turns = _board(*plan, slots=2), {}
        for number, subtask in enumerate(plan):
            if number == at:
                board.stop(Turn(kind, "stopped"))
            turns[subtask.id] = board.arrive(subtask.id)
        board.stop(Turn(kind, "stopped"))
        assert all(turn.done() for turn in turns.values())

    asyncio.run(play())
