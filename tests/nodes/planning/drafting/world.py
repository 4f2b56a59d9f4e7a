"""A model that says what it is told to, a few specialists, and a run of drafting with its steps kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from concertino.contracts.limits import Limits
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task, read_task
from concertino.nodes.planning.drafting import Drafted, draft_plan
from concertino.nodes.planning.fallback import fallback_plan

LIMITS = Limits()
CARDS = {
    card.name: card
    for card in (
        SpecialistCard("finance", description="reads accounts"),
        SpecialistCard("legal", capabilities=frozenset({"law"})),
        SpecialistCard("market"),
        SpecialistCard("payer", description="pays money out"),
    )
}
Steps = list[tuple[str, dict[str, Any]]]


class Model:
    """Says these things one after another, the last for ever; raises what is an error."""

    def __init__(self, *said: Any) -> None:
        self.said = list(said)
        self.heard: list[Any] = []

    async def ainvoke(self, messages: Any, /) -> Any:
        self.heard.append(messages)
        now = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(now, BaseException):
            raise now
        return AIMessage(now) if isinstance(now, str) else now


def task(**fields: Any) -> Task:
    return read_task({"task_id": "t", "title": "Owls", **fields}, limits=LIMITS)


def row(name: str, specialist: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "specialist": specialist, "objective": "Look at owls", **more}


def said(*rows: Mapping[str, Any], **header: Any) -> str:
    return json.dumps({"subtasks": list(rows), **header})


async def draft(
    model: Any, of: Task | None = None, *, cards: Mapping[str, SpecialistCard] = CARDS, **more: Any
) -> tuple[Drafted, Steps]:
    asked, steps = of or task(), Steps()

    def on_step(kind: str, payload: Any) -> None:
        steps.append((kind, json.loads(json.dumps(payload))))

    made = await draft_plan(
        asked, model=model, cards=cards, limits=LIMITS, fallback=lambda: fallback_plan(asked, cards), on_step=on_step,
        **more,
    )  # fmt: skip
    return made, steps


def kinds(steps: Steps) -> Sequence[str]:
    return [kind for kind, _ in steps]
