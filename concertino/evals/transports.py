"""A specialist as a whole on tape: what it was handed and what came back, whoever it is and wherever it works."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from concertino.contracts.brief import Brief
from concertino.contracts.errors import DeadlineExceeded, ToolFailed
from concertino.contracts.finding import Declined, Finding
from concertino.contracts.json import JsonObject
from concertino.nodes.specialists.declare import Specialist
from concertino.tools.tape.failures import raised
from concertino.tools.tape.player import Player

FINAL = "final"
"""Mark of an error after which the recorded run made no further attempt."""


def played_specialist(specialist: Specialist, player: Player) -> Specialist:
    """Return a specialist whose answers are played; what it is made of is never called."""

    async def body(brief: Brief) -> Finding | Declined:
        play = player.play("transport", specialist.name, transport_request(brief.subtask_id))
        error = play.line.error
        if error is not None and error.get(FINAL):
            await play.until(play.line.took)
            raise _final(specialist.name, error, play.line.took)
        await play.wait()
        used: Any = play.line.usage or {}
        spent = {name: used[name] for name in ("tokens", "calls", "usd", "documents") if used.get(name)}
        if spent:
            await brief.spend(**spent)
        return _answer(play.line.response or {})

    return replace(specialist, kind="coroutine", body=body, target=None)


def transport_request(subtask_id: str) -> JsonObject:
    """Return what a specialist is asked by, as far as a journal tells: which subtask it is."""
    return {"subtask": subtask_id}


def _final(name: str, error: JsonObject, took: float) -> Exception:
    if error.get("type") == "DeadlineExceeded":
        return DeadlineExceeded(scope=name, limit_s=took)
    return ToolFailed(tool=name, attempts=1, reason=str(raised(error)))


def _answer(response: JsonObject) -> Finding | Declined:
    given: Any = response
    if "declined" in given:
        return Declined(reason=given["declined"])
    return Finding.model_validate(given["finding"])
