"""Graceful degradation: what a run says when not everything worked.

Source of the shape and the wording: document 004, graceful degradation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from pydantic import JsonValue
from typing_extensions import TypeIs

State = Literal["pending", "running", "waiting", "completed", "failed", "blocked", "skipped", "cancelled"]
Status = Literal["success", "partial_success", "failed"]

MESSAGE_CHARS = 200

_TIMEOUTS = frozenset({"DeadlineExceeded", "TimeoutError", "CancelledByDeadline", "TimeoutExpired"})
_CODES = {
    "BudgetExceeded": "budget_exceeded",
    "BreakerOpen": "circuit_breaker_open",
    "GateRejected": "rejected",
    "Declined": "declined",
    "AnswerRefused": "invalid_output",
    "InputError": "invalid_input",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one subtask ended."""

    subtask_id: str
    specialist: str
    state: State
    output: JsonValue = None
    attempts: int = 1
    required: bool = True
    objective: str = ""
    covers: tuple[str, ...] = ()
    """Acceptance criteria that it answers for."""
    skipped: tuple[str, ...] = ()
    """Subtasks skipped because this one did not complete."""
    error_type: str | None = None
    """Class name of the error. A skipped subtask without one was not needed: a stage ended the run early."""
    error_message: str = ""
    error_data: Mapping[str, object] = field(default_factory=dict)
    """`ConcertinoError.fields()` of the error."""

    @property
    def is_unneeded(self) -> bool:
        """Whether it was left out on purpose."""
        return self.state == "skipped" and self.error_type is None

    @property
    def is_lost(self) -> bool:
        """Whether its part of the answer is missing."""
        return self.state != "completed" and not self.is_unneeded


class FailedAgent(TypedDict):
    """One subtask that did not complete."""

    agent: str
    error: str
    """A code such as `timeout_after_3_attempts`, then where it says more `: ` and the message."""
    impact: str


class Parts(TypedDict):
    """Document 004's parts of a result."""

    completed_agents: list[str]
    """Agents all of whose subtasks completed, in the order of the outcomes."""
    failed_agents: list[FailedAgent]
    results: dict[str, JsonValue]
    """Output by agent; an object by subtask id where one agent completed several subtasks."""
    recommendations: list[str]


def status(outcomes: Sequence[Outcome]) -> Status:
    """Return success when all required subtasks completed, failed when none completed at all, else partial_success."""
    if not any(outcome.state == "completed" for outcome in outcomes):
        return "failed"
    lost = any(outcome.required and outcome.is_lost for outcome in outcomes)
    return "partial_success" if lost else "success"


def parts(outcomes: Sequence[Outcome]) -> Parts:
    """Return document 004's parts of a result."""
    lost = [outcome for outcome in outcomes if outcome.is_lost]
    broken = {outcome.specialist for outcome in lost}
    done: dict[str, dict[str, JsonValue]] = {}
    for outcome in outcomes:
        if outcome.state == "completed":
            done.setdefault(outcome.specialist, {})[outcome.subtask_id] = outcome.output
    return {
        "completed_agents": [agent for agent in done if agent not in broken],
        "failed_agents": [
            {"agent": outcome.specialist, "error": error(outcome), "impact": impact(outcome)} for outcome in lost
        ],
        "results": {
            agent: next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)
            for agent, outputs in done.items()
        },
        "recommendations": recommendations(outcomes),
    }


def error(outcome: Outcome) -> str:
    """Return why a subtask's part is missing, code first."""
    message = _short(outcome.error_message)
    if outcome.error_type is None or outcome.state in ("skipped", "cancelled"):
        code = {"pending": "not_started", "running": "not_finished", "waiting": "not_answered"}.get(
            outcome.state, outcome.state
        )
        return f"{code}: {message}" if message else code
    attempts = f"after_{outcome.attempts}_attempt{'s' if outcome.attempts != 1 else ''}"
    if outcome.error_type in _TIMEOUTS:
        return f"timeout_{attempts}"
    code = _CODES.get(outcome.error_type) or f"{_snake(outcome.error_type)}_{attempts}"
    return f"{code}: {message}" if message else code


def impact(outcome: Outcome) -> str:
    """Return what the answer lacks, for a reader who does not know the plan."""
    said: list[str] = []
    if outcome.covers:
        noun = "criterion" if len(outcome.covers) == 1 else "criteria"
        said.append(f"Cannot confirm acceptance {noun} {', '.join(outcome.covers)}")
    if outcome.objective:
        said.append(f"Not done: {_short(outcome.objective)}")
    if not said:
        said.append(f"No {_work(outcome.specialist)} in the answer")
    if outcome.skipped:
        said.append(f"Skipped in consequence: {', '.join(outcome.skipped)}")
    if not outcome.required:
        said.append("Optional: the answer counts as complete without it")
    return ". ".join(said)


def recommendations(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what an operator can do next, each advice once; those skipped in consequence need none of their own."""
    advice: dict[str, None] = {}
    for outcome in outcomes:
        if outcome.is_lost and outcome.state != "skipped":
            advice.setdefault(_remedy(outcome))
            if outcome.required and outcome.state in ("failed", "blocked"):
                advice.setdefault(f"Manual {_subject(outcome.specialist)} review recommended")
    return list(advice)


def _remedy(outcome: Outcome) -> str:
    work, data = _work(outcome.specialist), outcome.error_data
    if outcome.state == "cancelled":
        return f"Restart the run to have the {work} done"
    if outcome.state == "waiting":
        return f"Answer the open question of the {work}, then resume"
    if outcome.state in ("pending", "running"):
        return f"Resume the run to have the {work} done"
    match outcome.error_type:
        case kind if kind in _TIMEOUTS:
            return f"Retry {work} with extended timeout"
        case "BudgetExceeded":
            dimension = {"tokens": "token", "calls": "call", "usd": "US dollar", "documents": "document"}
            named = dimension.get(str(data.get("dimension")), "run")
            asked, left = data.get("asked"), data.get("left")
            short = f" by at least {asked - left:g}" if _is_real(asked) and _is_real(left) and asked > left else ""
            return f"Raise the {named} budget of {data.get('scope') or outcome.specialist}{short}, then resume"
        case "BreakerOpen":
            wait = data.get("retry_after_s")
            after = f" in {wait:.0f} s" if _is_real(wait) else ""
            return (
                f"Resume once {data.get('name') or 'the tool'} has recovered; its breaker lets a probe through{after}"
            )
        case "ToolFailed":
            return f"Check the tool {data.get('tool') or 'that failed'}, then retry {work}"
        case "GateRejected":
            return f"Revise what was rejected for {work} and submit it as a new task"
        case "Declined":
            return f"Give {work} to another specialist: {outcome.specialist} declined"
        case "AnswerRefused":
            return f"Correct the output of {outcome.specialist}, which broke its contract, then retry"
        case _:
            return f"Look into the error of {outcome.specialist}, then retry {work}"


def _is_real(value: object) -> TypeIs[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _subject(specialist: str) -> str:
    """Return a specialist's name as words: `legal_agent` is `legal`, `legal_review` is `legal`."""
    words = [word for word in re.split(r"[_\-\s]+", specialist) if word]
    kept = [word for word in words if word.lower() not in ("agent", "specialist", "review", "analysis")]
    return " ".join(kept or words)


def _work(specialist: str) -> str:
    subject = _subject(specialist)
    return subject if " " in subject else f"{subject} analysis"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return (line if len(line) <= MESSAGE_CHARS else f"{line[: MESSAGE_CHARS - 1]}…").rstrip(".")
