"""The board: who may start next. Pure bookkeeping of one dispatch, owned by one event loop.

An instance of a specialist node arrives and waits for its turn. It gets one when its prerequisites are done, its
gate (if any) is accepted and a slot is free; slots go to the longest remaining path first. When nothing runs and
nothing can start before a person answers, everybody who waits is told to defer and the superstep ends.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from concertino.contracts.plan import Subtask

SubtaskState = Literal["pending", "running", "waiting", "completed", "failed", "blocked", "skipped", "cancelled"]
FINAL: frozenset[str] = frozenset({"completed", "failed", "blocked", "skipped", "cancelled"})


class Turn(NamedTuple):
    """What an instance that waits on the board is told."""

    kind: Literal["go", "skip", "defer", "cancel"]
    reason: str = ""
    early: str | None = None
    """Why its path ended early, of one that is skipped for that."""


class Board:
    """Readiness, slots and parking of one dispatch."""

    def __init__(
        self,
        subtasks: Sequence[Subtask],
        *,
        slots: int | None,
        priority: Mapping[str, float],
        caps: Mapping[str, int],
        settled: Mapping[str, SubtaskState],
        absent: Iterable[str] = (),
        leaked: Mapping[str, int] | None = None,
        gate_open: Callable[[Subtask], bool],
    ) -> None:
        """Lay out the board.

        Args:
            subtasks: The whole plan; those in `settled` are over already.
            slots: How many may run at once; `None` is unlimited.
            priority: Seconds from a subtask's start to the end of its longest path.
            caps: How many of a specialist's subtasks may run at once, where bounded.
            settled: Final states of subtasks that are over.
            absent: Subtasks whose instances may not come (they deferred in this dispatch before a crash).
            leaked: Slots that work given up in an earlier dispatch still keeps, by specialist.
            gate_open: Says whether a subtask's gate still waits for an answer; asks the question when first called.
        """
        self._subtasks = {subtask.id: subtask for subtask in subtasks}
        self._order = {subtask.id: index for index, subtask in enumerate(subtasks)}
        self._slots, self._priority, self._caps = slots, priority, caps
        self._gate_open = gate_open
        self._state: dict[str, SubtaskState] = dict(settled)
        self._unmet: dict[str, int] = {}
        self._dependents: dict[str, list[str]] = {}
        self._turns: dict[str, asyncio.Future[Turn]] = {}
        self._verdicts: dict[str, Turn] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._held: dict[str, list[tuple[float, int, str]]] = {}
        """Those that only their specialist's own bound keeps waiting."""
        self._queued: set[str] = set()
        self._running: dict[str, str] = {}
        self._used: dict[str, int] = dict(leaked or {})
        self._taken = sum(self._used.values())
        self._paused: set[str] = set()
        self._ending: set[str] = set()
        """Those that were told that they are not to be done, and have not finished: their dependents hear of it then."""
        self._stopped: Turn | None = None
        self._is_due = False
        """Whether slots are given out at the end of this turn of the loop."""
        live = [subtask for subtask in subtasks if subtask.id not in settled]
        self._expected = {subtask.id for subtask in live} - set(absent)
        for subtask in live:
            open_needs = [need for need in subtask.needs if self._state.get(need) != "completed"]
            self._unmet[subtask.id] = len(open_needs)
            for need in open_needs:
                self._dependents.setdefault(need, []).append(subtask.id)
        for subtask in subtasks:
            if settled.get(subtask.id) in FINAL - {"completed"}:
                self._drop_dependents(subtask.id, settled[subtask.id])

    def __len__(self) -> int:
        """Return how many subtasks are to come, those that wait or run included."""
        return len(self._unmet)

    def state(self, subtask_id: str) -> SubtaskState:
        """Return the state of a subtask as the board sees it."""
        return self._state.get(subtask_id, "pending")

    def load(self) -> Mapping[str, int]:
        """Return how many subtasks of each specialist run now."""
        return self._used

    def arrive(self, subtask_id: str) -> asyncio.Future[Turn]:
        """Register an instance and return its turn."""
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._expected.discard(subtask_id)
        known = self._stopped or self._verdicts.pop(subtask_id, None)
        if known is not None:
            turn.set_result(known)
            self._park()
            return turn
        self._turns[subtask_id] = turn
        self._consider(subtask_id)
        if self._expected and (self._slots is not None or self._caps):
            self._advance_soon()
        else:
            self._advance()
        return turn

    def leave(self, subtask_id: str) -> None:
        """Forget an instance that was cancelled from outside while it waited or ran."""
        self._turns.pop(subtask_id, None)
        self._paused.discard(subtask_id)
        self._ending.discard(subtask_id)
        self._free(subtask_id)
        self._advance()

    def finish(self, subtask_id: str, state: SubtaskState, *, keeps_slot: bool = False, is_early: bool = False) -> None:
        """Record the end of a subtask; with `keeps_slot` its slot stays taken until `free_slot`.

        One whose path ended early holds nobody up: its dependents decide for themselves.
        """
        self._state[subtask_id] = state
        self._paused.discard(subtask_id)
        self._ending.discard(subtask_id)
        if keeps_slot:
            self._running.pop(subtask_id, None)
        else:
            self._free(subtask_id)
        if state == "completed" or is_early:
            for dependent in self._dependents.pop(subtask_id, ()):
                self._unmet[dependent] -= 1
                self._consider(dependent)
        else:
            self._drop_dependents(subtask_id, state)
        self._advance()

    def free_slot(self, specialist: str) -> None:
        """Return the slot of work that was given up and has now really ended."""
        self._release(specialist)
        self._advance()

    def pause(self, subtask_id: str) -> asyncio.Future[Turn]:
        """Let a running subtask wait for a person without holding a slot; its turn comes again after `resume`."""
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        if self._stopped is not None:
            turn.set_result(self._stopped)
            return turn
        self._free(subtask_id)
        self._paused.add(subtask_id)
        self._turns[subtask_id] = turn
        self._state[subtask_id] = "waiting"
        self._advance()
        return turn

    def again(self, subtask_id: str) -> asyncio.Future[Turn]:
        """Queue a running subtask for a second slot, because what it could not stop keeps the first."""
        specialist = self._running.pop(subtask_id)
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        if self._stopped is not None:
            self._running[subtask_id] = specialist
            turn.set_result(self._stopped)
            return turn
        self._turns[subtask_id] = turn
        self._state[subtask_id] = "pending"
        self._consider(subtask_id)
        self._advance()
        return turn

    def answered(self, subtask_id: str) -> None:
        """Look again at a subtask whose question was answered."""
        self._paused.discard(subtask_id)
        self._consider(subtask_id)
        self._advance()

    def refuse(self, subtask_id: str, reason: str) -> None:
        """Tell a waiting subtask that its gate was rejected; it ends as skipped."""
        self._end(subtask_id, Turn("skip", reason))
        self._advance()

    def end_early(self, subtask_id: str, kind: str, reason: str) -> None:
        """Tell a waiting subtask that its path ends here; it ends as skipped."""
        self._end(subtask_id, Turn("skip", reason, kind))

    def stop(self, turn: Turn) -> None:
        """Tell everybody who waits or comes later the same: a cancellation or the end of the time."""
        self._stopped = turn
        for subtask_id in list(self._turns):
            self._tell(subtask_id, turn)

    def retire(self) -> None:
        """Ask nothing more: the run is over, and whoever comes late waits for nobody's answer."""
        self._gate_open = _is_open

    def _end(self, subtask_id: str, turn: Turn) -> None:
        if subtask_id in self._turns:
            self._ending.add(subtask_id)
        self._tell(subtask_id, turn)

    def _tell(self, subtask_id: str, turn: Turn) -> None:
        waiting = self._turns.pop(subtask_id, None)
        if waiting is None:
            self._verdicts[subtask_id] = turn
        elif not waiting.done():
            waiting.set_result(turn)

    def _free(self, subtask_id: str) -> None:
        specialist = self._running.pop(subtask_id, None)
        if specialist is not None:
            self._release(specialist)

    def _release(self, specialist: str) -> None:
        self._taken -= 1
        self._used[specialist] -= 1
        self._wake(specialist)

    def _wake(self, specialist: str) -> None:
        """Let the first of those that a specialist's bound held back try again."""
        held = self._held.get(specialist)
        if held:
            heapq.heappush(self._ready, heapq.heappop(held))

    def _consider(self, subtask_id: str) -> None:
        if subtask_id not in self._turns or self._unmet.get(subtask_id, 0) or subtask_id in self._paused:
            return
        if self._gate_open(self._subtasks[subtask_id]):
            self._state[subtask_id] = "waiting"
            return
        if subtask_id not in self._turns:  # the gate was rejected: it has been told
            return
        if subtask_id not in self._queued:
            self._queued.add(subtask_id)
            heapq.heappush(self._ready, (-self._priority.get(subtask_id, 0.0), self._order[subtask_id], subtask_id))

    def _advance_soon(self) -> None:
        """Give out slots once everybody who comes in this turn of the loop is here: the first to come may be the last in line."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        self._is_due = False
        while self._ready and (self._slots is None or self._taken < self._slots):
            entry = heapq.heappop(self._ready)
            subtask_id = entry[2]
            turn = self._turns.get(subtask_id)
            specialist = self._subtasks[subtask_id].specialist or ""
            if turn is None or turn.done():
                self._queued.discard(subtask_id)
                self._wake(specialist)
                continue
            cap = self._caps.get(specialist)
            if cap is not None and self._used.get(specialist, 0) >= cap:
                heapq.heappush(self._held.setdefault(specialist, []), entry)
                continue
            del self._turns[subtask_id]
            self._queued.discard(subtask_id)
            self._running[subtask_id] = specialist
            self._used[specialist] = self._used.get(specialist, 0) + 1
            self._taken += 1
            self._state[subtask_id] = "running"
            turn.set_result(Turn("go"))
        self._park()

    def _park(self) -> None:
        if self._running or self._ready or self._expected or self._ending or any(self._held.values()):
            return
        if self._turns:
            for subtask_id in list(self._turns):
                self._tell(subtask_id, Turn("defer", "waits for an answer"))

    def _drop_dependents(self, subtask_id: str, state: SubtaskState) -> None:
        queue = deque([(subtask_id, state)])
        while queue:
            source, why = queue.popleft()
            for dependent in self._dependents.pop(source, ()):
                if self._state.get(dependent) in FINAL:
                    continue
                dropped: SubtaskState = "cancelled" if why == "cancelled" else "skipped"
                self._state[dependent] = dropped
                self._tell(dependent, Turn("skip", f"needs {source}, which is {why}"))
                queue.append((dependent, dropped))


def _is_open(_: Subtask) -> bool:
    return True
