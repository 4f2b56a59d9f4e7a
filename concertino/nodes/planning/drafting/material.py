"""The material that a model plans for: everything from outside fenced as data, everything bounded.

What stands between the fences was written by us and holds no word of the task.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

from concertino.contracts.json import JsonObject, dump
from concertino.contracts.specialist import Cards, SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning import schemas
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.patterns import Pattern
from concertino.nodes.planning.requirements import ITEM_CHARS
from concertino.prompts import fence

TEXT_CHARS = 40_000
PAYLOAD_CHARS = 20_000
VALUE_CHARS = 2_000
"""A payload that is too long as a whole is shown by key, each value up to this."""
CARDS_CHARS = 60_000
SCHEMA_CHARS = 3_000
"""A longer schema is shown as the names of its properties."""
DESCRIPTION_CHARS = 1_000
SKELETON_CHARS = 40_000
"""All these were chosen by hand: about 40,000 tokens at most, together."""


def material(task: Task, *, cards: Cards, bound: Draft, pattern: Pattern | None) -> str:
    """Return the request, its data and criteria, the specialists, and what binds the plan, as one message.

    Args:
        task: what is asked.
        cards: whom a plan may name.
        bound: the workflow's draft with its holes, or an empty one; and the constraints.
        pattern: advice on the plan's size.
    """
    parts = [request(task), _criteria(task, is_whole=not bound.open_holes), specialists(cards)]
    if pattern is not None:
        parts.append(pattern.advice)
    if bound.open_holes:
        parts.append(_skeleton(bound))
    if bound.constraints is not None:
        told = bound.constraints.model_dump(mode="json", exclude_defaults=True)
        parts.append(
            f"Every plan is held to these rules:\n{fence(_cut(dump(told), SKELETON_CHARS), source='constraints')}"
        )
    return "\n\n".join(part for part in parts if part)


def request(task: Task) -> str:
    """Return a task's text and payload."""
    text = "\n\n".join(part for part in (task.title, task.description) if part)
    told = [f"The request:\n{fence(_cut(text, TEXT_CHARS), source='the request')}"]
    if task.payload:
        told.append(
            "Its data, by name. A value that a specialist takes as an input of the same name may be left out of `inputs`: it "
            f"is put in.\n{fence(_payload(task.payload), source='the data of the request')}"
        )
    return "\n\n".join(told)


def specialists(cards: Cards) -> str:
    """Return what a plan may know of the specialists; schemas give way before names do."""
    for most in (SCHEMA_CHARS, 0):
        lines = _lines((_card(card, most) for card in cards.values()), CARDS_CHARS)
        if len(lines) == len(cards):
            break
    left = len(cards) - len(lines)
    more = f"\n({left} more are not shown.)" if left else ""
    return f"The specialists, one a line:\n{fence(chr(10).join(lines), source='the list of specialists')}{more}"


def _criteria(task: Task, *, is_whole: bool) -> str:
    if task.acceptance_criteria:
        told: list[JsonValue] = [{"id": one.id, "text": one.text[:ITEM_CHARS]} for one in task.acceptance_criteria]
        where = "" if is_whole else " The workflow's own subtasks may cover some of them."
        return (
            f"Its acceptance criteria.{where}\n{fence(_cut(dump(told), TEXT_CHARS), source='the acceptance criteria')}"
        )
    return "The request states no acceptance criteria in a field of their own." if is_whole else ""


def _skeleton(bound: Draft) -> str:
    holes: list[JsonValue] = [
        hole.model_dump(mode="json", exclude={"budget", "stage", "when", "shared"}, exclude_defaults=True)
        for hole in bound.open_holes
    ]
    fixed = _cut(dump(bound.plan.get("subtasks", [])), SKELETON_CHARS)
    places = _cut(dump(holes), SKELETON_CHARS)
    return (
        "A workflow has set these subtasks. They stay as they are; do not repeat them in your answer.\n"
        f"{fence(fixed, source='the workflow')}\n\n"
        "It leaves these places open. Plan only the subtasks that go there, each within the bounds of its place. Begin the id of a "
        "subtask with the id of its place and a dash: the place x takes x-1, x-2 and so on. `needs` may name each other and what the "
        f"place itself needs.\n{fence(places, source='the open places')}"
    )


def _card(card: SpecialistCard, schema_chars: int) -> str:
    told: JsonObject = {"name": card.name}
    if card.capabilities:
        told["capabilities"] = [*sorted(card.capabilities)]
    if card.domain:
        told["domain"] = card.domain
    if card.description:
        told["description"] = card.description[:DESCRIPTION_CHARS]
    for name, schema in (("inputs", card.input_schema), ("output", card.output_schema)):
        if schema is not None:
            told[name] = schema if len(dump(schema)) <= schema_chars else _names(schema)
    return dump(told)


def _names(schema: JsonObject) -> JsonObject:
    return {"properties": [*schemas.property_names(schema)], "required": [*schemas.required(schema)]}


def _lines(lines: Iterable[str], most: int) -> list[str]:
    found: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > most:
            break
        found.append(line)
    return found


def _payload(payload: JsonObject) -> str:
    whole = dump(payload)
    if len(whole) <= PAYLOAD_CHARS:
        return whole
    lines = (f"{dump(key)}: {_cut(dump(value), VALUE_CHARS)}" for key, value in payload.items())
    return "\n".join(_lines(lines, PAYLOAD_CHARS))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} characters more)"
