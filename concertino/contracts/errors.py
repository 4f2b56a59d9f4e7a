"""Every deliberate error of Concertino.

    ConcertinoError
    ├── InputError(ValueError)            something from outside broke a rule: field, value, rule
    │   ├── PlanInvalid                   a plan with its list of faults
    │   ├── TaskConflict                  a known task id with another content
    │   └── FileInvalid                   a file of ours breaks a rule: file and line
    ├── SetupError(ValueError)            create_planner was given something unusable
    ├── BudgetExceeded(RuntimeError)      a reservation would pass a limit; nothing was spent
    ├── DeadlineExceeded(RuntimeError)    no time is left; nothing was started
    ├── BreakerOpen(RuntimeError)         a breaker refused the call before it left
    ├── ToolFailed(RuntimeError)          an outside call failed after its last attempt
    ├── GateRejected(RuntimeError)        a person refused what was asked
    ├── RunBusy(RuntimeError)             another process holds the run's lease
    ├── StaleLease(RuntimeError)          this process lost the lease and must not write
    ├── RunNotFound(ValueError)           no such task or run in this journal
    ├── RunStateError(RuntimeError)       the run's state does not allow what was asked
    ├── TapeMiss(RuntimeError)            a call was made that no tape has; nothing left the process
    ├── Offline(RuntimeError)             a replay tried to reach the outside, or to load what would
    ├── SecretFound(RuntimeError)         what was to be written holds a secret; nothing was written
    └── JournalError(RuntimeError)        the journal cannot be opened, read or written

All subclass ValueError or RuntimeError: LangGraph's server shows clients only such messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concertino.contracts.plan import Fault

MISS_LINES = 12
"""How many of the fields that differ the message of a `TapeMiss` lists; its `changes` are all of them."""
VALUE_CHARS = 120
"""How much of a refused value an error message quotes."""


def quote(value: object) -> str:
    """Return `value` as text for a message: its repr, shortened to `VALUE_CHARS`; its type where Python refuses to write it."""
    try:
        text = repr(value)
    except ValueError:  # an integer in it has more digits than Python writes out
        text = f"<{type(value).__name__} too long to write>"
    return text if len(text) <= VALUE_CHARS else f"{text[: VALUE_CHARS - 1]}…"


class ConcertinoError(Exception):
    """Base of all errors that Concertino raises on purpose."""

    def fields(self) -> Mapping[str, object]:
        """Return the error's data for JSON output."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class InputError(ConcertinoError, ValueError):
    """Something that came in from outside broke a rule."""

    def __init__(self, *, field: str, value: object, rule: str) -> None:
        self.field, self.value, self.rule = field, quote(value), rule
        super().__init__(f"{field}: {self.value} refused: {rule}")


class PlanInvalid(InputError):
    """A plan has faults; each names its place and a fix."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        super().__init__(field=first.place, value=first.value, rule=f"{first.message}; {first.fix}")
        if len(self.faults) > 1:
            listed = "\n".join(f"- {fault}" for fault in self.faults)
            self.args = (f"plan has {len(self.faults)} faults:\n{listed}",)

    def fields(self) -> Mapping[str, object]:
        """Return the faults as JSON objects."""
        return {"faults": [fault.model_dump() for fault in self.faults]}


class TaskConflict(InputError):
    """A task id is known already, with another content."""

    def __init__(self, *, task_id: str, known: str, given: str) -> None:
        self.task_id = task_id
        super().__init__(
            field="task.task_id",
            value=task_id,
            rule=f"this id was submitted before with another content (known {known[:12]}, given {given[:12]}); use a new id",
        )


class FileInvalid(InputError):
    """A tape, a case or a suite cannot be read as it stands."""

    def __init__(self, *, file: str, line: int | None, value: object, rule: str) -> None:
        self.file, self.line = file, line
        place = file if line is None else f"{file}:{line}"
        super().__init__(field=place, value=value, rule=rule)


class SetupError(ConcertinoError, ValueError):
    """The planner was put together wrongly; raised before anything runs."""

    def __init__(self, *, field: str, value: object, rule: str) -> None:
        self.field, self.value, self.rule = field, quote(value), rule
        super().__init__(f"{field}: {self.value} refused: {rule}")


class BudgetExceeded(ConcertinoError, RuntimeError):
    """A reservation would pass a limit. Nothing was spent."""

    def __init__(self, *, scope: str, dimension: str, asked: float, left: float) -> None:
        self.scope, self.dimension, self.asked, self.left = scope, dimension, asked, left
        super().__init__(f"{scope} budget: asked {asked:.15g} {dimension}, {left:.15g} left")


class DeadlineExceeded(ConcertinoError, RuntimeError):
    """There is no time left for what was asked."""

    def __init__(self, *, scope: str, limit_s: float) -> None:
        self.scope, self.limit_s = scope, limit_s
        super().__init__(f"{scope}: deadline of {limit_s:g} s passed")


class BreakerOpen(ConcertinoError, RuntimeError):
    """A circuit breaker refused the call; it did not leave the process."""

    def __init__(self, *, name: str, retry_after_s: float) -> None:
        self.name, self.retry_after_s = name, retry_after_s
        super().__init__(f"{name}: circuit breaker open, next probe in {retry_after_s:.3g} s")


class ToolFailed(ConcertinoError, RuntimeError):
    """An outside call failed for good. The last cause is `__cause__`.

    `is_final` says that another attempt of its subtask cannot mend it: the call has been retried already, or it was
    refused for what it asked.
    """

    def __init__(self, *, tool: str, attempts: int, reason: str, is_final: bool = True) -> None:
        self.tool, self.attempts, self.reason, self.is_final = tool, attempts, reason, is_final
        super().__init__(f"tool {tool} failed after {attempts} attempt(s): {reason}")


class GateRejected(ConcertinoError, RuntimeError):
    """A person refused what a gate asked."""

    def __init__(self, *, gate: str, reason: str | None) -> None:
        self.gate, self.reason = gate, reason
        super().__init__(f"gate {gate} rejected" + (f": {reason}" if reason else ""))


class RunBusy(ConcertinoError, RuntimeError):
    """Another live process works on this run."""

    def __init__(self, *, run_id: str, owner: str, expires_in_s: float) -> None:
        self.run_id, self.owner, self.expires_in_s = run_id, owner, expires_in_s
        super().__init__(f"run {run_id} is held by {owner}; its lease ends in {max(0.0, expires_in_s):.1f} s")


class StaleLease(ConcertinoError, RuntimeError):
    """Another process took the run over; what this one still had to write was refused."""

    def __init__(self, *, run_id: str, held: int, current: int) -> None:
        self.run_id, self.held, self.current = run_id, held, current
        super().__init__(f"run {run_id}: this process holds epoch {held}, the run is at epoch {current}")


class RunNotFound(ConcertinoError, ValueError):
    """The journal has no such task or run."""

    def __init__(self, *, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"task_id: {quote(task_id)} refused: no run of this task in the journal")


class RunStateError(ConcertinoError, RuntimeError):
    """The run is in a state that does not allow what was asked."""

    def __init__(self, *, task_id: str, state: str, asked: str) -> None:
        self.task_id, self.state, self.asked = task_id, state, asked
        super().__init__(f"task {task_id} is {state}: cannot {asked}")


class TapeMiss(ConcertinoError, RuntimeError):
    """A replayed run made a call that its tape does not have. Never retried: the tape will not know it better."""

    def __init__(self, *, kind: str, name: str, scope: str, nearest: str | None, changes: Sequence[str]) -> None:
        self.kind, self.name, self.scope = kind, name, scope
        self.nearest, self.changes = nearest, tuple(changes)
        listed = [*changes[:MISS_LINES], *([f"… and {len(changes) - MISS_LINES} more"] if changes[MISS_LINES:] else [])]
        known = (
            "nothing of this kind is on the tape"
            if nearest is None
            else f"the nearest recorded call is {nearest}, and differs in:\n" + "\n".join(f"- {one}" for one in listed)
        )
        super().__init__(f"{kind} {name} called by {scope} is not on the tape; {known}")


class Offline(ConcertinoError, RuntimeError):
    """A replay tried to reach the outside, or to import what talks to it."""

    def __init__(self, *, what: str, rule: str) -> None:
        self.what, self.rule = what, rule
        super().__init__(f"{what} refused: {rule}")


class SecretFound(ConcertinoError, RuntimeError):
    """Something that was to be written holds what looks like a secret. Says where it stands, never what it is."""

    def __init__(self, *, place: str, rule: str, count: int = 1) -> None:
        self.place, self.rule, self.count = place, rule, count
        more = f" (and {count - 1} more)" if count > 1 else ""
        super().__init__(f"{place}: {rule}{more}; nothing was written")


class JournalError(ConcertinoError, RuntimeError):
    """The journal's storage cannot be opened, read or written."""

    def __init__(self, *, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(f"journal {place}: {reason}")
