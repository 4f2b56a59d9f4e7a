"""A specialist as a whole on tape: what it was handed and what came back, whoever it is and wherever it works."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from concertino.contracts.brief import Brief
from concertino.contracts.finding import Declined, Finding
from concertino.contracts.json import JsonObject
from concertino.nodes.specialists.declare import Specialist
from concertino.tools.tape.player import Player


def played_specialist(specialist: Specialist, player: Player) -> Specialist:
    """Return a specialist whose answers are played; what it is made of is never called."""

    async def body(brief: Brief) -> Finding | Declined:
        play = player.play("transport", specialist.name, transport_request(brief.subtask_id, dict(brief.inputs)))
        await play.wait()
        return _answer(play.line.response or {})

    return replace(specialist, kind="coroutine", body=body, target=None)


def transport_request(subtask_id: str, inputs: JsonObject) -> JsonObject:
    """Return what a specialist is handed, as far as the journal tells of it too."""
    made: JsonObject = {"subtask": subtask_id}
    if inputs:
        made["inputs"] = inputs
    return made


def _answer(response: JsonObject) -> Finding | Declined:
    given: Any = response
    if "declined" in given:
        return Declined(reason=given["declined"])
    return Finding.model_validate(given["finding"])
