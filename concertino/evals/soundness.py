"""Whether a recording may become a tape: one that broke off on the way to the world is no record of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from concertino.contracts.errors import ConcertinoError, Offline, SetupError
from concertino.evals.cases import Case
from concertino.evals.staging import Staged
from concertino.tools.tape.failures import HANGS
from concertino.tools.tape.lines import Line

ENDED_WELL = ("success", "waiting")


class RecordingBroken(ConcertinoError, RuntimeError):
    """The world did not answer while a case was recorded. No tape was written, and an old one stays."""

    def __init__(self, *, case: str, call: str, reason: str, stays: bool) -> None:
        self.case, self.call, self.reason, self.stays = case, call, reason, stays
        kept = (
            "its old tape stays; remove it first where this is what the case is about"
            if stays
            else "no tape was written"
        )
        super().__init__(f"recording of {case} broke at {call}: {reason}; {kept}")


def is_expected(case: Case, error: BaseException) -> bool:
    """Say whether a case is about a run that this error ends."""
    return case.expect.get("status") == type(error).__name__


def stops_recording(case: Case, error: BaseException, lines: Sequence[Line]) -> bool:
    """Say whether an error that ended a run says nothing of the case: its code raised, or it was not set up."""
    if not isinstance(error, ConcertinoError):
        return True
    return not is_expected(case, error) and (isinstance(error, SetupError | Offline) or not lines)


def refuse_broken(case: Case, runs: Iterable[tuple[Staged, Sequence[Line]]], known: Sequence[Line] | None) -> None:
    """Refuse a live recording that connection or provider broke.

    A call that failed for good may be what a case is about: then it expects how such a run ends, and there is no tape of
    a run in which the call was answered.

    Args:
        case: Which one.
        runs: What came of each repeat, without faults put in, and its calls.
        known: The calls of the tape that is there, if there is a sound one.

    Raises:
        RecordingBroken: with the first such call.
    """
    had_all = known is not None and not unanswered(known)
    for staged, lines in runs:
        status = (staged.result or {}).get("status")
        ended_well = staged.error is None and status in ENDED_WELL
        failed = unanswered(lines, hangs=not ended_well)
        is_told = status is not None and case.expect.get("status") == status
        if failed and (had_all or not (ended_well or is_told)):
            error: Any = failed[0].error or {}
            raise RecordingBroken(
                case=case.id, call=f"{failed[0].kind} {failed[0].name} ({failed[0].label})",
                reason=f"{error.get('type', error.get('kind'))} {error.get('message', '')}".strip(), stays=known is not None,
            )  # fmt: skip


def unanswered(lines: Iterable[Line], *, hangs: bool = False) -> list[Line]:
    """Return the calls that connection or provider made fail, and that no later one of the same subtask made good.

    A tool's error of its own is an answer of the world; a model's is none. `hangs` counts calls that were given up, too.
    """
    last: dict[tuple[int, str, str, str], Line] = {}
    for line in sorted(lines, key=lambda one: (one.run, _attempt(one.scope), one.n)):
        last[line.run, line.scope.rpartition("#")[0], line.kind, line.name] = line
    return [line for line in last.values() if _is_outage(line, hangs=hangs)]


def _attempt(scope: str) -> int:
    number = scope.rpartition("#")[2]
    return int(number) if number.isdecimal() else 0


def _is_outage(line: Line, *, hangs: bool) -> bool:
    if line.error is None:
        return False
    kind = line.error.get("kind")
    if kind == HANGS:
        return hangs
    return line.kind == "model" or (line.kind == "tool" and kind != "broken")
