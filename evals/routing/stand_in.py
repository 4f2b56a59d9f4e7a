"""What stands in for the model that drafts plans: its answers by case, right and wrong ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from concertino.evals.cases import Case
from concertino.evals.scripted import Said, ScriptedModel


def step(name: str, who: str, objective: str, *needs: str, **inputs: Any) -> dict[str, Any]:
    """Return a subtask as a model writes it."""
    return {"id": name, "specialist": who, "objective": objective, "inputs": inputs, "needs": list(needs)}


def plan(*steps: dict[str, Any]) -> str:
    """Return a plan as a model answers it."""
    return json.dumps({"requirements": {"objectives": ["the task"]}, "subtasks": list(steps)})


CHAIN = (
    step("s1", "researcher", "Sources"),
    step("s2", "writer", "Text", "s1"),
    step("s3", "editor", "Corrections", "s2"),
)

SCRIPTS: dict[str, list[Said]] = {
    "drafted-chain": [Said(plan(*CHAIN), seconds=2.0)],
    "drafted-fan": [
        Said(
            plan(
                step("s1", "researcher", "Sources"), step("s2", "analyst", "Figures"), step("s3", "counsel", "Law"),
                step("s4", "writer", "Text", "s1", "s2", "s3"),
            ),
            seconds=3.0,
        )
    ],
    "drafted-single": [Said(plan(step("s1", "counsel", "May we print the photograph?")), seconds=1.0)],
    "drafted-in-prose": [Said(f"Here is my plan.\n\n```json\n{plan(*CHAIN)}\n```\nGood luck!", seconds=2.0)],
    "drafted-with-another-spelling": [
        Said(plan(step("s1", "Researcher", "Sources"), step("s2", "writer", "Text", "s1", "s9")), seconds=2.0)
    ],
    "drafted-with-a-stranger-is-repaired": [
        Said(plan(step("s1", "astrologer", "Stars"), step("s2", "writer", "Text", "s1")), seconds=2.0),
        Said(plan(step("s1", "librarian", "Stars in the archive"), step("s2", "writer", "Text", "s1")), seconds=2.5),
    ],
    "drafted-nonsense-falls-back": [Said("I would rather talk about the weather.", seconds=1.0)] * 3,
    "drafted-translation-has-inputs": [
        Said(
            plan(
                step("s1", "writer", "Text"), step("s2", "translator", "Into French", "s1", language="fr"),
                step("s3", "translator", "Into Polish", "s1", language="pl"),
            ),
            seconds=2.0,
        )
    ],
    "drafted-order-may-differ": [
        Said(
            plan(step("a", "analyst", "Figures"), step("r", "researcher", "Sources"), step("w", "writer", "Text", "a", "r")),
            seconds=2.0,
        )
    ],
}  # fmt: skip


def drafting(case: Case) -> ScriptedModel:
    """Return the model of one case; a case without a script must not ask one."""
    left = list(SCRIPTS.get(case.id, ()))

    def answer(messages: Sequence[BaseMessage], tools: Sequence[str]) -> Said:
        return left.pop(0)

    return ScriptedModel(script=answer, max_tokens=4_000)
