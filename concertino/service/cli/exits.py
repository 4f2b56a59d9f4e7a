"""Exit codes: what a shell learns of a run, or of an error."""

from __future__ import annotations

from enum import IntEnum

from concertino.contracts.errors import ConcertinoError, InputError, RunNotFound, SetupError


class ExitCode(IntEnum):
    """Codes a script may rely on. Source: DESIGN §10."""

    SUCCESS = 0
    REGRESSION = 1
    """`eval diff`: something got worse."""
    BAD_INPUT = 2
    PARTIAL = 3
    FAILED = 4
    WAITING = 5
    """A person has to answer a gate before the run can go on."""
    INTERRUPTED = 130
    """Ctrl-C: 128 plus the signal's number, as shells have it."""
    TERMINATED = 143
    """SIGTERM, likewise."""


_STATES = {
    "success": ExitCode.SUCCESS,
    "partial_success": ExitCode.PARTIAL,
    "waiting": ExitCode.WAITING,
}


def of_state(state: str) -> ExitCode:
    """Return the code of a run that stands in `state`; a run that is not over has failed its caller."""
    return _STATES.get(state, ExitCode.FAILED)


def of_error(error: ConcertinoError) -> ExitCode:
    """Return 2 where the caller can mend the input, else 4."""
    if isinstance(error, InputError | SetupError | RunNotFound):
        return ExitCode.BAD_INPUT
    return ExitCode.FAILED
