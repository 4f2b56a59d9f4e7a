"""Approval gates placed by policy: which subtasks a person is asked about, whoever planned them. Source: document 002, plan synthesis.

A policy only ever adds a gate. It looks at the finished plan, so neither a model nor a caller can leave one out, and where a
condition cannot be decided the question is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints, model_validator

from concertino.contracts.json import JsonObject, clean
from concertino.contracts.plan import Gate, Plan, Subtask
from concertino.contracts.specialist import Cards, SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning import conditions, templates

QUESTION_CHARS = 4_000
SUBTASK_VARIABLES = conditions.VARIABLES | {"subtask", "card"}
PLAN_VARIABLES = conditions.VARIABLES | {"plan"}


class GatePolicy(BaseModel):
    """When a person is asked, and what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: Annotated[str, StringConstraints(min_length=1, max_length=conditions.EXPRESSION_CHARS)]
    """`true` asks always, which need not be said of a plan as a whole. CEL over `task`, `payload` and, on a subtask, `subtask` (as in the plan, `specialist` being who would do it) and `card` (who does it: `name`, `capabilities`,
    `domain`, `authority`, `delivery`, `isolation`, `version`, `variant_of`); on a plan, `plan`."""
    question: Annotated[str, StringConstraints(min_length=1, max_length=QUESTION_CHARS)] = "Approve?"
    """Placeholders allowed, such as `${subtask.objective}`."""
    about: Literal["subtask", "plan"] = "subtask"
    """Whether each subtask is looked at by itself, or the plan as a whole."""

    @model_validator(mode="before")
    @classmethod
    def _whole_plans_are_always_asked_about(cls, given: object) -> object:
        is_whole = isinstance(given, dict) and given.get("about") == "plan"
        return {"when": "true", **given} if is_whole and isinstance(given, dict) else given

    @model_validator(mode="after")
    def _is_sound(self) -> GatePolicy:
        names = SUBTASK_VARIABLES if self.about == "subtask" else PLAN_VARIABLES
        try:
            conditions.check(self.when, names=names)
        except ValueError as error:
            raise ValueError(f"when: {error}") from error
        templates.check_text(self.question, roots=names)
        return self


def place_gates(plan: Plan, policies: Sequence[GatePolicy], *, task: Task, cards: Cards) -> Plan:
    """Return `plan` with the gates that `policies` ask for, each with a note; what has a gate keeps its own.

    Of several policies the first that holds asks. A subtask is also asked about when its stand-in would be. Applied
    again, nothing changes.
    """
    if not policies:
        return plan
    scope = conditions.Scope(task.model_dump(mode="json", exclude={"plan"}))
    data: JsonObject = {"task": task.model_dump(mode="json", exclude={"plan"}), "payload": task.payload}
    notes: list[str] = []
    changes: dict[str, object] = {}
    whole = [policy for policy in policies if policy.about == "plan"]
    if whole and plan.gate is None:
        value: JsonObject = plan.model_dump(mode="json")
        scope.bind("plan", value)
        question = _first(whole, scope, {**data, "plan": value}, "the plan", notes)
        if question is not None:
            changes["gate"] = Gate(question=question)
    single = [policy for policy in policies if policy.about == "subtask"]
    if single:
        subtasks = [_gated(subtask, single, scope, data, cards, notes) for subtask in plan.subtasks]
        if any(after is not before for after, before in zip(subtasks, plan.subtasks, strict=True)):
            changes["subtasks"] = tuple(subtasks)
    if not changes:
        return plan
    return plan.model_copy(update={**changes, "notes": tuple(dict.fromkeys((*plan.notes, *notes)))})


def question_about(
    subtask: Subtask, card: SpecialistCard | None, policies: Sequence[GatePolicy], *, task: Task
) -> str | None:
    """Return what a person must be asked before `card`'s specialist does `subtask`, where any policy wants it.

    For whoever takes a subtask over while the plan runs.
    """
    data: JsonObject = {"task": task.model_dump(mode="json", exclude={"plan"}), "payload": task.payload}
    single = [policy for policy in policies if policy.about == "subtask"]
    scope = conditions.Scope(task.model_dump(mode="json", exclude={"plan"}))
    return _about(subtask, card, single, scope, data, [])


def _gated(
    subtask: Subtask,
    policies: Sequence[GatePolicy],
    scope: conditions.Scope,
    data: JsonObject,
    cards: Cards,
    notes: list[str],
) -> Subtask:
    if subtask.gate is not None:
        return subtask
    question = _about(subtask, cards.get(subtask.specialist or ""), policies, scope, data, notes)
    stand_in = subtask.on_failure
    if question is None and stand_in is not None and stand_in.specialist is not None:
        question = _about(subtask, cards.get(stand_in.specialist), policies, scope, data, notes)
    return subtask if question is None else subtask.model_copy(update={"gate": Gate(question=question)})


def _about(
    subtask: Subtask,
    card: SpecialistCard | None,
    policies: Sequence[GatePolicy],
    scope: conditions.Scope,
    data: JsonObject,
    notes: list[str],
) -> str | None:
    own: JsonObject = {"subtask": subtask.model_dump(mode="json"), "card": _described(card)}
    if card is not None:  # who would do it, also where the plan names another
        cast("JsonObject", own["subtask"])["specialist"] = card.name
    for name, value in own.items():
        scope.bind(name, value)
    return _first(policies, scope, {**data, **own}, subtask.name or subtask.id, notes)


def _first(
    policies: Sequence[GatePolicy], scope: conditions.Scope, data: JsonObject, place: str, notes: list[str]
) -> str | None:
    for policy in policies:
        outcome = conditions.decide(policy.when, scope)
        if outcome.note is None and outcome.value is not True:
            continue
        notes.append(f"{place}: a person is asked by policy, {outcome.note or f'`{policy.when}`'}")
        filler = templates.Filler(data, link=lambda reference: None, place=place)
        return filler.text(policy.question)[:QUESTION_CHARS] or "Approve?"
    return None


def _described(card: SpecialistCard | None) -> JsonObject | None:
    if card is None:
        return None
    skills: list[JsonValue] = [*sorted(card.capabilities)]
    told: JsonObject = {
        "name": card.name,
        "capabilities": skills,
        "domain": card.domain,
        "description": card.description,
        "authority": card.authority,
        "delivery": card.delivery,
        "isolation": card.isolation,
        "version": card.version,
        "variant_of": card.variant_of,
    }
    return cast("JsonObject", clean(told, field="card", nesting=2))  # CEL takes no lone surrogates
