"""What becomes of a text that a model wrote, by rule alone: read, mended, validated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from concertino.contracts.errors import InputError, PlanInvalid
from concertino.contracts.limits import Limits
from concertino.contracts.task import Task
from concertino.service.cli.source import TooLarge, read_bytes

if TYPE_CHECKING:
    from concertino.contracts.json import JsonObject
    from concertino.contracts.plan import Plan, Subtask
    from concertino.contracts.specialist import Cards
    from concertino.nodes.planning.mending import Mended
    from concertino.nodes.planning.reader import Reading

NOT_PLANNED = "NOT PLANNED"
"""How notes on steps that were left out begin."""
NO_PLAN = "there is no plan in the text"


class Verdict(NamedTuple):
    """What became of one text."""

    status: Literal["valid", "repaired", "fallback", "refused"]
    plan: JsonObject | None
    """`{"subtasks": [...]}`, as a ready plan is handed in; `None` where it was refused."""
    notes: tuple[str, ...]
    """What was read, mended or left out; where it was refused, its faults."""

    def made(self, task: Task) -> Plan:
        """Return the plan for drawing; there must be one."""
        from concertino.contracts.plan import Plan

        return Plan.model_validate({"task_id": task.task_id, "origin": "caller", **(self.plan or {})})

    def as_json(self) -> JsonObject:
        return {"status": self.status, "plan": self.plan, "notes": list(self.notes)}


def judge(text: str, cards: Cards, *, task: Task, limits: Limits) -> Verdict:
    """Return what rules make of a text: its plan as it is or mended, the fallback plan where it has none, or a refusal."""
    from concertino.nodes.planning.reader import read_plan

    reading = read_plan(text, specialists=cards)
    if reading.plan is None:
        return _without(reading, cards, task=task, limits=limits)
    mended = _mended(reading, cards, task=task, limits=limits)
    notes = dict.fromkeys((*reading.notes, *mended.notes))
    if mended.plan is None:
        return Verdict("refused", None, (*notes, *map(str, mended.faults)))
    notes |= dict.fromkeys(mended.plan.notes)
    is_valid = mended.status == "valid" and not reading.is_changed
    return Verdict("valid" if is_valid else "repaired", shown(mended.plan), loudest_first(notes))


def loudest_first(notes: Iterable[str]) -> tuple[str, ...]:
    """Return notes in their order, but first those that say what is not planned."""
    return tuple(sorted(notes, key=lambda note: not note.startswith(NOT_PLANNED)))


def judge_file(place: str, cards: Cards, *, field: str, task: Task, limits: Limits) -> Verdict:
    """Return what rules make of the text in a file; one that is too large is refused.

    Raises:
        InputError: it cannot be read.
    """
    try:
        data = read_bytes(place, field=field, limits=limits)
    except TooLarge:
        return Verdict("refused", None, (f"the text has over {limits.bytes:,} bytes, the most that are read",))
    return judge(decoded(data), cards, task=task, limits=limits)


def decoded(data: bytes) -> str:
    """Return a text; bytes that are no UTF-8 become replacement characters, for a plan may stand around them."""
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")


def texts(folder: Path, *, field: str) -> list[Path]:
    """Return the files of a folder by name; hidden ones and folders are left out.

    Raises:
        InputError: no such folder, it cannot be read, or it has no file.
    """
    try:
        found = sorted(
            (file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")),
            key=lambda file: file.name,
        )
    except FileNotFoundError as error:
        raise InputError(field=field, value=str(folder), rule="no such folder") from error
    except NotADirectoryError as error:
        raise InputError(field=field, value=str(folder), rule="must be a folder") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(field=field, value=str(folder), rule=f"cannot be read: {reason}") from error
    if not found:
        raise InputError(field=field, value=str(folder), rule="has no files")
    return found


def judge_all(
    files: list[Path], cards: Cards, *, task: Task, limits: Limits
) -> Iterator[tuple[Path, Verdict | InputError]]:
    """Yield what became of each file, in order; the error of one that cannot be read."""
    for file in files:
        try:
            found: Verdict | InputError = judge_file(str(file), cards, field="--batch", task=task, limits=limits)
        except InputError as error:
            found = error
        yield file, found


def shown(plan: Plan) -> JsonObject:
    """Return a plan as one that can be handed in again: what is not said is what nobody set."""
    beside = plan.model_dump(
        mode="json", exclude_defaults=True, include={"answer", "gate", "budget", "stop_when", "refine"}
    )
    return {"subtasks": [_shown(subtask) for subtask in plan.subtasks], **beside}


def _shown(subtask: Subtask) -> JsonObject:
    always: JsonObject = {
        "id": subtask.id, "specialist": subtask.specialist, "objective": subtask.objective, "needs": list(subtask.needs),
        "inputs": subtask.model_dump(mode="json", include={"inputs"})["inputs"],
    }  # fmt: skip
    return always | subtask.model_dump(mode="json", exclude_defaults=True, exclude=set(always))


def _mended(reading: Reading, cards: Cards, *, task: Task, limits: Limits) -> Mended:
    """Mend a plan under the criteria that stand beside it, else, where that cannot be, without any."""
    from concertino.nodes.planning.draft import Draft
    from concertino.nodes.planning.mending import mend

    assert reading.plan is not None
    draft = Draft(reading.plan, "caller")
    asked = reading.requirements
    if asked is not None and asked.acceptance_criteria and not task.acceptance_criteria:
        held = task.model_copy(update={"acceptance_criteria": asked.acceptance_criteria})
        found = mend(draft, task=held, cards=cards, limits=limits)
        if found.plan is not None:
            return found
    return mend(draft, task=task, cards=cards, limits=limits)


def _without(reading: Reading, cards: Cards, *, task: Task, limits: Limits) -> Verdict:
    from concertino.nodes.planning.fallback import fallback_plan
    from concertino.nodes.planning.validate import validate_draft

    try:
        spare = fallback_plan(task, cards, limits=limits)
        # As a caller's own, so that its ids stay as short as they are.
        draft = replace(spare, origin="caller")
        plan = validate_draft(draft, task=task, cards=cards, limits=limits)
    except PlanInvalid as error:
        return Verdict("refused", None, tuple(dict.fromkeys((*reading.notes, NO_PLAN, *map(str, error.faults)))))
    return Verdict("fallback", shown(plan), tuple(dict.fromkeys((*reading.notes, NO_PLAN, *plan.notes))))
