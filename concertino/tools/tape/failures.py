"""Errors on a tape: what guard and breaker make of one is recorded with it, and an error of the same kind is raised again.

No class of a provider is imported for that. What is raised has the recorded class's name, so that records read alike.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from concertino.contracts.errors import ConcertinoError
from concertino.contracts.json import JsonObject
from concertino.contracts.task import message_of
from concertino.tools.outcome import judge_error
from concertino.tools.registry import Cost, Tool
from concertino.tools.retry import Transient, is_transient, retry_after_s, status_code

HANGS = "hang"
"""The kind of a call that never answered: who made it gave it up."""
MESSAGE_CHARS = 2_000
CAUSES = 5
"""Errors wrapped in one another that are looked at, as in `outcome`."""

_JUDGE = Tool(name="judge", fn=lambda: None, cost=Cost(tokens=1, calls=1))
"""Stands for any tool, to ask what an error means."""


class Refused(ConnectionRefusedError):
    """The request never reached the other side."""


class Dropped(ConnectionError):
    """The connection broke, or never answered."""


class TimedOut(TimeoutError):
    """There was no answer in time."""


class Answered(RuntimeError):
    """The other side answered with an HTTP error status."""

    status_code: int
    retry_after: float | None = None


class Broken(RuntimeError):
    """It failed in a way that is not known to pass."""


def failure_of(error: BaseException, *, now: float) -> JsonObject:
    """Return an error as JSON: kind, class, message, and what it said of status, waiting and usage.

    Args:
        error: What was raised.
        now: The wall clock, for a `Retry-After` that is a date.
    """
    made: JsonObject = {
        "kind": _kind(error),
        "type": type(error).__name__,
        "message": message_of(error)[:MESSAGE_CHARS],
    }
    status, wait = status_code(error), retry_after_s(error, now=now)
    if status is not None:
        made["status"] = status
    if wait is not None:
        made["retry_after"] = wait
    used = getattr(getattr(error, "completion", None), "usage", None)
    if used is not None:
        made["usage"] = {"input_tokens": int(used.prompt_tokens), "output_tokens": int(used.completion_tokens)}
    told = getattr(error, "usage", None)
    if isinstance(told, Cost):
        made["cost"] = {"tokens": told.tokens, "calls": told.calls, "usd": told.usd, "documents": told.documents}
    return made


def _kind(error: BaseException) -> str:
    if status_code(error) is not None:
        return "status"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, Transient):
        return "transient"
    if not is_transient(error):
        return "broken"
    never_arrived = judge_error(_JUDGE, error).charge == Cost(calls=1)
    return "refused" if never_arrived else "dropped"


_KINDS: dict[str, type[Exception]] = {
    "status": Answered, "timeout": TimedOut, "transient": Transient, "dropped": Dropped, "refused": Refused,
    "broken": Broken,
}  # fmt: skip
KINDS = frozenset({*_KINDS, HANGS})

_made: dict[tuple[str, str], type[Exception]] = {}


def raised(failure: JsonObject) -> Exception:
    """Return a recorded error as one to be raised."""
    kind, name, message = str(failure.get("kind")), str(failure.get("type")), str(failure.get("message", ""))
    base = _KINDS[kind]
    known = _made.get((kind, name)) or _made.setdefault(
        (kind, name), type(name if name.isidentifier() else base.__name__, (base,), {"__module__": __name__})
    )
    error: Any = known(message)
    if "status" in failure:
        error.status_code = failure["status"]
    if "retry_after" in failure:
        error.retry_after = failure["retry_after"]
    used, cost = failure.get("usage"), failure.get("cost")
    if isinstance(used, dict):
        tokens = SimpleNamespace(prompt_tokens=used["input_tokens"], completion_tokens=used["output_tokens"])
        error.completion = SimpleNamespace(usage=tokens)
    if isinstance(cost, dict):
        known_cost: dict[str, Any] = cost
        error.usage = Cost(**known_cost)
    made: Exception = error
    return made


def is_ours(error: BaseException) -> bool:
    """Say whether an error is of the run itself and has no place on a tape."""
    return isinstance(error, ConcertinoError)
