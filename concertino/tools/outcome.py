"""What an attempt's end means: for the budget, for the breaker, for the record. Pure decisions, no I/O."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from concertino.contracts.errors import ConcertinoError, InputError, SetupError, quote
from concertino.contracts.json import JsonObject
from concertino.contracts.task import message_of
from concertino.tools.registry import Cost, Tool, settings
from concertino.tools.retry import is_named, retry_after_s, status_code

Label = Literal[
    "ok", "failed", "timeout", "deadline", "cancelled", "interrupted", "breaker_open", "over_budget", "not_sent"
]
Report = Literal["success", "failure", "unknown"]

_UNBILLED_NAMES = {
    ("httpx", "ConnectError"),
    ("httpx", "ConnectTimeout"),
    ("httpx", "PoolTimeout"),
    ("httpx2", "ConnectError"),
    ("httpx2", "ConnectTimeout"),
    ("httpx2", "PoolTimeout"),
    ("aiohttp", "ClientConnectorError"),
}
"""Network errors that mean the request never reached the other side."""


CAUSES = 5
"""Errors wrapped in one another that are looked at; chosen by hand above what SDKs do."""


class Verdict(NamedTuple):
    """How one attempt that left the process is closed."""

    label: Label
    charge: Cost | None
    """What to settle; `None` charges the whole reservation."""
    report: Report
    """What the breaker is told."""


def judge_result(tool: Tool, result: object) -> Verdict:
    """Return the verdict on an answer. Whatever the tool's own `used` raises goes through.

    Raises:
        SetupError: `used` gave no cost.
    """
    told = tool.used(result) if tool.used is not None else None
    return Verdict("ok", None if told is None else settings(Cost, told, field=f"tools.{tool.name}.used"), "success")


def judge_error(tool: Tool, error: BaseException) -> Verdict:
    """Return the verdict on an error.

    Charged in full unless it is known better, because an unknown outcome may have been billed: a `usage` on the error
    is believed; an HTTP error status (408 and 504 excepted, where the other side may still be at work) and a refused
    connection cost their call and nothing else. Whatever a tool raises counts against its endpoint (document 004),
    except an HTTP 4xx other than 408 and 429: there the endpoint works and the request was wrong. A 429 that says when
    to come back counts neither way: many callers at once each get one from an endpoint in perfect health.
    """
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit):
        return Verdict("cancelled", None, "unknown")
    if is_ours(error):
        return Verdict("interrupted", None, "unknown")
    code = status_code(error)
    told = getattr(error, "usage", None)
    charge: Cost | None = None
    if isinstance(told, Cost):
        charge = told
    elif (code is not None and 400 <= code <= 599 and code not in {408, 504}) or (_never_arrived(error)):
        charge = Cost(calls=tool.cost.calls)
    request_was_wrong = code is not None and 400 <= code <= 499 and code not in {408, 429}
    asked_to_wait = code == 429 and retry_after_s(error, now=0.0) is not None
    label: Label = "timeout" if isinstance(error, TimeoutError) else "failed"
    return Verdict(label, charge, "success" if request_was_wrong else "unknown" if asked_to_wait else "failure")


def _never_arrived(error: BaseException) -> bool:
    """Say whether a request never reached the other side; SDKs wrap the error that tells."""
    one: BaseException | None = error
    for _ in range(CAUSES):
        if one is None:
            return False
        if isinstance(one, ConnectionRefusedError) or is_named(one, _UNBILLED_NAMES):
            return True
        one = one.__cause__
    return False


def is_ours(error: BaseException) -> bool:
    """Say whether an error goes through the guard as it is: our own stops, and LangGraph's control flow.

    LangGraph's is known by name, because this room does not import it. Our input errors are not among them: raised
    inside a tool, they are that tool's failure.
    """
    if isinstance(error, ConcertinoError):
        return not isinstance(error, InputError | SetupError)
    return is_named(error, {("langgraph", "GraphBubbleUp")})


def reason(error: BaseException) -> str:
    """Return an error in one line."""
    text = message_of(error)
    return f"{type(error).__name__}: {text if len(text) <= 500 else quote(text)}" if text else type(error).__name__


def payload(
    tool: Tool,
    *,
    key: str,
    attempt: int,
    label: Label,
    duration_s: float,
    usage: Mapping[str, float],
    error: BaseException | None,
    now: float,
) -> JsonObject:
    """Return the payload of `TOOL_CALLED`; of an error with its HTTP status and `Retry-After`, where it has these.

    `now` is the wall clock.
    """
    told: JsonObject = {
        "tool": tool.name,
        "endpoint": tool.endpoint,
        "key": key,
        "attempt": attempt,
        "outcome": label,
        "duration_s": round(duration_s, 6),
        "usage": dict(usage),
    }
    if error is not None:
        told["error"] = reason(error)
        code, wait_s = status_code(error), retry_after_s(error, now=now)
        if code is not None:
            told["status"] = code
        if code is not None and wait_s is not None and math.isfinite(wait_s):
            told["retry_after_s"] = round(wait_s, 3)
    return told
