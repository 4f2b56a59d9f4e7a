"""Talking to whoever drafts: one request, and at most two more with the diagnostics while that helps.

What is done with the answer is for a judge to say; what cannot be had is a reason, not an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from concertino.contracts.errors import JournalError, StaleLease
from concertino.contracts.event import EventType
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Fault, Plan
from concertino.contracts.requirements import Requirements
from concertino.nodes.planning.draft import Draft
from concertino.prompts import fence, is_apology, is_empty, load, refusal_in, was_cut

REPAIRS = 2
"""Most requests for a repair. Source: the planner's promise of at most 2 model repair calls."""
FAULTS_SHOWN = 30
"""Faults told to a model, or to the record, at once."""
SHOWN_CHARS = 60_000
REASON_CHARS = 500
CUT = Fault(
    code="too_large", place="plan", message="the answer was cut off at its length",
    fix="answer with the whole plan in fewer words, without thinking aloud",
)  # fmt: skip

Message = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`, as every chat model takes it."""
OnStep = Callable[[EventType, JsonObject], None]


class Judge(Protocol):
    """Says what an answer is worth, held to what the answers before it understood."""

    def __call__(self, answer: object, held: Requirements | None, /) -> Verdict: ...


class Model(Protocol):
    """What drafts: a chat model."""

    async def ainvoke(self, messages: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer is worth."""

    form: str
    size: int
    """Subtasks that were read."""
    read: tuple[str, ...]
    """What reading had to say."""
    mended: tuple[str, ...]
    """What was mended by rule."""
    faults: tuple[Fault, ...]
    shown: str
    """The plan as far as it was mended, as JSON for a model to correct; empty where there is none."""
    plan: Plan | None = None
    draft: Draft | None = None
    """What can be kept for the next time."""
    asked: Requirements | None = None
    """What the task was understood to ask for, which a repair cannot take back."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a talk ended."""

    verdict: Verdict | None
    """With a plan; `None` where there is none."""
    repairs: int
    """Requests for a repair."""
    reason: str = ""
    """Why there is no plan."""


async def converse(model: Model, messages: Sequence[Message], *, judge: Judge, on_step: OnStep) -> Ended:
    """Ask for a plan until one is accepted, the same faults return, or `REPAIRS` repairs were asked for.

    Faults are the same if they have the same codes, places and values. A refusal and an empty answer end it at once; one that was
    cut off is no plan, whatever can be read of it.

    Raises:
        StaleLease: another process took the run over.
        JournalError: the storage refused.
    """
    said = list(messages)
    seen: set[frozenset[tuple[str, str, str]]] = set()
    faults: tuple[Fault, ...] = ()
    held: Requirements | None = None
    for repairs in range(REPAIRS + 1):
        try:
            answer = await model.ainvoke(said)
        except (StaleLease, JournalError):
            raise
        except Exception as error:  # noqa: BLE001 - a model may raise anything, and its failure is data
            return Ended(None, repairs, f"the model failed ({type(error).__name__}: {error})"[:REASON_CHARS])
        if (refusal := refusal_in(answer)) is not None:
            return Ended(None, repairs, f"the model refused: {refusal}"[:REASON_CHARS])
        if is_empty(answer):
            return Ended(None, repairs, "the model's answer is empty")
        verdict = judge(answer, held)
        if was_cut(answer):  # what was read is a part, and may look whole
            verdict = replace(
                verdict, read=(*verdict.read, CUT.message), faults=(CUT,), plan=None, draft=None, asked=None
            )
        held = verdict.asked or held
        on_step("PLAN_DRAFTED", {"form": verdict.form, "notes": [*verdict.read], "size": verdict.size})
        if verdict.plan is not None:
            if repairs:
                on_step("PLAN_REPAIRED", {"by": "model", "notes": [str(fault)[:REASON_CHARS] for fault in faults]})
            if verdict.mended:
                on_step("PLAN_REPAIRED", {"by": "rule", "notes": [*verdict.mended]})
            return Ended(verdict, repairs)
        faults = verdict.faults[:FAULTS_SHOWN]
        on_step("PLAN_REJECTED", {"faults": [fault.model_dump(mode="json") for fault in faults]})
        if not verdict.size and is_apology(answer):
            return Ended(None, repairs, "the model refused in words")
        key = frozenset((fault.code, fault.place, repr(fault.value)) for fault in verdict.faults)
        if key in seen:
            return Ended(None, repairs, f"the same faults returned: {_first(verdict.faults)}")
        seen.add(key)
        said = [*messages, *_repair(verdict)]
    return Ended(None, REPAIRS, f"still faulty after {REPAIRS} repairs: {_first(faults)}")


def _repair(verdict: Verdict) -> list[Message]:
    listed = "\n".join(
        f"- {fault}" + (f" (subtasks {', '.join(fault.subtasks[:8])})" if fault.subtasks else "")
        for fault in verdict.faults[:FAULTS_SHOWN]
    )
    asked = load("repair").fill(faults=fence(listed, source="the validator"))
    # Places in the faults are those of the mended plan, so this is what the model is shown as its own.
    shown = verdict.shown[:SHOWN_CHARS] or "(no plan)"
    return [{"role": "assistant", "content": shown}, {"role": "user", "content": asked}]


def _first(faults: Sequence[Fault]) -> str:
    return str(faults[0])[:REASON_CHARS] if faults else "no reason given"
