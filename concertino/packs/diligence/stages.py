"""Progressive refinement: which stages there are. When a deeper one is worth it stands in `workflow.yaml`. Source: document 004."""

from __future__ import annotations

from typing import Literal

from concertino.contracts.json import JsonObject

Stage = Literal["screening", "focused", "detailed"]
STAGES: tuple[Stage, ...] = ("screening", "focused", "detailed")


def stage_of(inputs: JsonObject) -> Stage:
    """Return the stage that a subtask is of; one that a plan put elsewhere is focused work."""
    given = inputs.get("stage")
    return given if given in STAGES else "focused"
