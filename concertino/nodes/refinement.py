"""Refinement: which paths are gone on with, from broad to focused to detailed. Decides, does nothing."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import JsonValue

from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan, Subtask
from concertino.contracts.refinement import Refine
from concertino.nodes.planning import conditions, references
from concertino.nodes.planning.references import Reference

Kind = Literal["low_value", "budget"]
"""Why a path ended early: what it found is not worth more, or the budget is used so far that nothing is refined."""

WRAPS_UP = "the budget is used so far that no new refinement starts"


class Early(NamedTuple):
    """The end of a path before all of it was done."""

    kind: Kind
    reason: str


class Judgement(NamedTuple):
    """Whether a subtask that could start is done."""

    early: Early | None
    """Why not."""
    note: str | None = None
    """What could not be decided; then it is done."""


ONWARD = Judgement(None)


class Refinement:
    """The paths of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._by_id = {subtask.id: subtask for subtask in plan.subtasks}
        stages = dict.fromkeys(subtask.stage for subtask in plan.subtasks if subtask.stage is not None)
        self._rank = {stage: at for at, stage in enumerate(stages)}
        self.is_possible = plan.refine is not None or any(one.continue_when is not None for one in plan.subtasks)
        """Whether any path of it can end early."""

    def refined(self, subtask: Subtask) -> list[str]:
        """Return the prerequisites of earlier stages: what a subtask of a plan with `refine` deepens."""
        if self._plan.refine is None:
            return []
        own = self._rank_of(subtask)
        return [need for need in subtask.needs if self._rank_of(self._by_id[need]) < own]

    def is_refinement(self, subtask: Subtask) -> bool:
        """Say whether a subtask deepens what others found, and may be left out for that."""
        return subtask.continue_when is not None or bool(self.refined(subtask))

    def known(self, subtask: Subtask) -> list[str]:
        """Return what a subtask's condition may read: all it builds on, and all of earlier stages, in plan order.

        Whatever else has ended by then depends on chance.
        """
        found: set[str] = set()
        left = list(subtask.needs)
        while left:
            need = left.pop()
            if need not in found:
                found.add(need)
                left += self._by_id[need].needs
        own = self._rank_of(subtask)
        return [one.id for one in self._plan.subtasks if one.id in found or self._rank_of(one) < own]

    def judge(
        self,
        subtask: Subtask,
        *,
        task: JsonObject,
        findings: Mapping[str, Finding],
        ended: Mapping[str, Kind],
        must_have: Collection[str] = (),
        wraps_up: bool = False,
    ) -> Judgement:
        """Decide whether a subtask whose prerequisites are over is done.

        Args:
            subtask: As it was planned.
            task: As conditions see it.
            findings: By subtask id, of those that have completed.
            ended: Prerequisites that ended early, and why.
            must_have: Inputs that its specialist cannot do without.
            wraps_up: Whether no new refinement may start.
        """
        inherited = _inherited(subtask, ended, must_have)
        if inherited is not None:
            return Judgement(inherited)
        note = None
        if subtask.continue_when is not None:
            outcome = self._asked(subtask, subtask.continue_when, task, findings)
            note = outcome.note
            if note is None and outcome.value is False:
                return Judgement(Early("low_value", f"`{subtask.continue_when}` does not hold"))
        elif self._plan.refine is not None and (refined := self.refined(subtask)):
            reasons = [
                _poor(self._plan.refine, self._name(need), findings[need]) for need in refined if need in findings
            ]
            if reasons and all(reasons):
                return Judgement(Early("low_value", "; ".join(reason for reason in reasons if reason)))
        if wraps_up and self.is_refinement(subtask):
            return Judgement(Early("budget", WRAPS_UP), note)
        return Judgement(None, note)

    def _asked(
        self, subtask: Subtask, condition: str, task: JsonObject, findings: Mapping[str, Finding]
    ) -> conditions.Outcome:
        seen = {self._name(sid): found for sid in self.known(subtask) if (found := findings.get(sid)) is not None}
        built_on = [found for need in subtask.needs if (found := findings.get(need)) is not None]
        path = (self._plan.refine or Refine()).value
        values = [value for found in built_on if (value := value_of(found.output, path)) is not None]
        scope = conditions.Scope(
            task,
            findings={name: found.output for name, found in seen.items()},
            confidences={name: found.confidence for name, found in seen.items()},
            value=max(values, default=None),
            confidence=max((found.confidence for found in built_on), default=None),
        )
        return conditions.decide(condition, scope)

    def _rank_of(self, subtask: Subtask) -> int:
        return self._rank[subtask.stage] if subtask.stage is not None else 0

    def _name(self, subtask_id: str) -> str:
        return self._by_id[subtask_id].name or subtask_id


def value_of(output: JsonValue, path: str) -> float | None:
    """Return what an output states at a dotted path that its path is worth; `None` where no number stands there."""
    found = output
    for part in path.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return float(found)


def without(subtask: Subtask, gone: Collection[str]) -> Subtask:
    """Return a subtask that does not wait for `gone`; inputs and entries that were to come from there are left out."""
    if not any(need in gone for need in subtask.needs):
        return subtask
    inputs = {key: kept for key, value in subtask.inputs.items() if (kept := _kept(value, gone)) is not _GONE}
    needs = tuple(need for need in subtask.needs if need not in gone)
    return subtask.model_copy(update={"needs": needs, "inputs": inputs})


def answering(plan: Plan, records: Mapping[str, JsonObject]) -> tuple[str, ...]:
    """Return whose findings make the answer: for a path that ended early, what it had found by then."""
    if plan.answer is None:
        return tuple(subtask.id for subtask in plan.subtasks)
    by_id = {subtask.id: subtask for subtask in plan.subtasks}
    found: dict[str, None] = {}
    for asked in plan.answer:
        left, seen = [asked], {asked}
        while left:
            subtask_id = left.pop()
            if records.get(subtask_id, {}).get("ended_early") is None:
                found.setdefault(subtask_id)
                continue
            before = [need for need in reversed(by_id[subtask_id].needs) if need not in seen]
            seen.update(before)
            left += before
    return tuple(found)


def ended_early(plan: Plan, records: Mapping[str, JsonObject]) -> list[JsonObject]:
    """Return what was left out on purpose or for want of budget, in plan order, as a result shows it."""
    return [
        {"subtask_id": subtask.id, "name": subtask.name or subtask.id, "kind": kind, "reason": record.get("reason")}
        for subtask in plan.subtasks
        if (kind := (record := records.get(subtask.id, {})).get("ended_early")) is not None
    ]


def _inherited(subtask: Subtask, ended: Mapping[str, Kind], must_have: Collection[str]) -> Early | None:
    """Return how a subtask ends of which nothing, or too little, is left to build on."""
    gone = [need for need in subtask.needs if need in ended]
    if not gone:
        return None
    if len(gone) == len(subtask.needs):
        return Early(_kind(gone, ended), f"what it builds on ended early: {', '.join(gone)}")
    left = without(subtask, gone).inputs
    short = [name for name in subtask.inputs if name in must_have and name not in left]
    if not short:
        return None
    return Early(_kind(gone, ended), f"its input {short[0]} was to come from a path that ended early")


def _kind(gone: Sequence[str], ended: Mapping[str, Kind]) -> Kind:
    return "budget" if any(ended[need] == "budget" for need in gone) else "low_value"


def _poor(refine: Refine, name: str, finding: Finding) -> str | None:
    """Return why a path is not worth going on with, or `None`."""
    value = value_of(finding.output, refine.value)
    if value is not None and value < refine.min_value:
        return f"{name} is worth {value:g}, less than {refine.min_value:g}"
    if finding.confidence < refine.min_confidence:
        return f"{name} is sure to {finding.confidence:g}, less than {refine.min_confidence:g}"
    return None


class _Gone:
    """Stands for what is left out."""


_GONE = _Gone()


def _kept(value: JsonValue, gone: Collection[str]) -> JsonValue | _Gone:
    found = references.read(value)
    if isinstance(found, Reference):
        return _GONE if found.subtask in gone else value
    if isinstance(value, dict):
        if set(value) == {"$literal"}:
            return value
        entries = ((key, _kept(item, gone)) for key, item in value.items())
        return {key: item for key, item in entries if not isinstance(item, _Gone)}
    if isinstance(value, list):
        return [item for item in (_kept(one, gone) for one in value) if not isinstance(item, _Gone)]
    return value
