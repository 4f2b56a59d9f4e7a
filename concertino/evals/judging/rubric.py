"""An answer judged by a model: what it is asked, and what its words count for.

The call is made while a case is recorded, through the same boundary as every other, so it is on the tape; judging reads it there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from pydantic import JsonValue

from concertino.contracts.json import JsonObject, canonical, digest
from concertino.evals.judging.verdict import Verdict
from concertino.prompts import fence, load

NODE = "judge"
"""The scope of a judge's calls on the tape."""
PACKAGE = "concertino.evals"


class Judgement(NamedTuple):
    """What a judge said, criterion by criterion."""

    criteria: tuple[tuple[str, bool, str], ...]
    """Criterion, whether it is met, why."""

    @property
    def score(self) -> float:
        """Return the share of criteria that are met; the model states no figure itself."""
        return sum(met for _, met, _ in self.criteria) / len(self.criteria)


def rubric_messages(rubric: str, *, question: str, answer: JsonValue) -> list[dict[str, str]]:
    """Return the messages for a judge; question and answer are fenced, for either may hold words meant for the judge."""
    parts = (
        f"The rubric:\n{rubric}",
        fence(question, source="question"),
        fence(answer if isinstance(answer, str) else canonical(answer), source="answer"),
    )
    return [
        {"role": "system", "content": load("rubric", package=PACKAGE).text},
        {"role": "user", "content": "\n\n".join(parts)},
    ]


def read_judgement(text: str) -> Judgement | None:
    """Return what a judge said; `None` where it is not of the form that was asked for."""
    opening, closing = text.find("{"), text.rfind("}")
    try:
        told: Any = json.loads(text[opening : closing + 1])
    except ValueError:
        return None
    listed = told.get("criteria") if isinstance(told, dict) else None
    if not isinstance(listed, list) or not listed:
        return None
    criteria: list[tuple[str, bool, str]] = []
    for one in listed:
        if not isinstance(one, dict) or not isinstance(one.get("met"), bool):
            return None
        criteria.append((str(one.get("criterion", "")), one["met"], str(one.get("reason", ""))))
    return Judgement(tuple(criteria))


def rubric_verdict(messages: Sequence[Mapping[str, str]], calls: Sequence[Mapping[str, Any]]) -> Verdict | None:
    """Return the verdict of the judge that was asked exactly this; `None` where nobody was."""
    wanted = digest([message["content"] for message in messages])
    for call in calls:
        if str(call.get("scope", "")).split("#")[0] == NODE and digest(_asked(call)) == wanted:
            said = read_judgement(text_of(call.get("response")))
            if said is None:
                return Verdict("answer.rubric", False, None, {"error": "the judge's words are of another form"})
            criteria = [{"criterion": name, "met": met, "reason": why} for name, met, why in said.criteria]
            met = all(met for _, met, _ in said.criteria)
            return Verdict("answer.rubric", met, said.score, cast("JsonObject", {"criteria": criteria}))
    return None


def text_of(message: object) -> str:
    """Return the text of a message as a tape has it: a string, or an object with `content`, which may be blocks."""
    if isinstance(message, str):
        return message
    if isinstance(message, dict):
        return text_of(message["content"] if "content" in message else message.get("text", ""))
    if isinstance(message, list):
        return "".join(text_of(block) for block in message)
    return ""


def _asked(call: Mapping[str, Any]) -> list[str]:
    request = call.get("request")
    messages = request.get("messages") if isinstance(request, dict) else None
    return [text_of(message) for message in messages] if isinstance(messages, list) else []
