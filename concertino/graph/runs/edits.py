"""What a run's plan and specialists say of inputs that people change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import JsonValue

from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan, Subtask
from concertino.contracts.specialist import Cards
from concertino.graph.runs.gates import PLAN_GATE
from concertino.nodes.planning.edits import check_edit
from concertino.nodes.planning.routing import takers


@dataclass(frozen=True, slots=True)
class Edits:
    """The subtasks of a run as far as an answer may change them."""

    subtasks: Mapping[str, Subtask]
    schemas: JsonObject
    """Input schemas by specialist: of the plan's that declare one, and of whoever may take over, `None` where there is none."""
    outputs: Mapping[str, JsonValue] = field(default_factory=dict)
    """By subtask, of those that have completed."""
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def of(cls, plan: Plan | None, records: Mapping[str, JsonObject], schemas: JsonObject, limits: Limits) -> Edits:
        """Return what is known of a run."""
        outputs: dict[str, JsonValue] = {
            subtask_id: cast("Any", record["finding"])["output"]
            for subtask_id, record in records.items()
            if record.get("finding") is not None
        }
        return cls({subtask.id: subtask for subtask in plan.subtasks} if plan else {}, schemas, outputs, limits)

    def gate_of(self, given: object) -> str:
        """Return the gate that `given` means: a subtask may go by the short name that its template gave it.

        Raises:
            InputError: it is no text.
        """
        if not isinstance(given, str):
            raise InputError(field="gate", value=given, rule="must be text")
        short, dot, rest = given.partition(".")
        if given == PLAN_GATE or short in self.subtasks:
            return given
        found = [subtask.id for subtask in self.subtasks.values() if subtask.name == short]
        return f"{found[0]}{dot}{rest}" if len(found) == 1 else given

    def may_take_over(self, subtask_id: str, specialist: str | None) -> bool:
        """Say whether a specialist that the plan does not name for a subtask may be asked about before it comes to that."""
        known = self.subtasks.get(subtask_id)
        return known is not None and specialist in self.schemas and specialist != known.specialist

    def takers(self) -> str:
        """Return the gates of those who may take over, as the list of all gates goes on."""
        return f"; SUBTASK.by.SPECIALIST for: {', '.join(sorted(self.schemas))}" if self.schemas else ""

    def check(
        self, subtask_id: str, changed: JsonObject, *, before: JsonObject, field: str, by: str | None = None
    ) -> None:
        """Refuse inputs that the subtask could not run with.

        Args:
            subtask_id: The subtask.
            changed: What replaces inputs of it.
            before: What people changed earlier.
            field: What errors call `changed`.
            by: Who is to get them, where that is not whom the plan names.

        Raises:
            InputError: naming field, value and rule.
        """
        known = self.subtasks.get(subtask_id)
        if known is None:  # a gate of an earlier plan; nothing will read its inputs
            return
        name = by or known.specialist
        subtask = known.model_copy(update={"inputs": {**known.inputs, **before}, "specialist": name})
        schema = self.schemas.get(name or "")
        declared = schema if isinstance(schema, dict) else None
        outputs = {need: self.outputs[need] for need in known.needs if need in self.outputs}
        check_edit(subtask, changed, schema=declared, outputs=outputs, field=field)


def input_schemas(plan: Plan, cards: Cards) -> JsonObject:
    """Return the input schemas of a plan's specialists, and of whoever may take over from them, with `None` where there is none.

    On the record, for those who answer from elsewhere.
    """
    found: JsonObject = {name: cards[name].input_schema for name in takers(plan.subtasks, cards)}
    for name in dict.fromkeys(subtask.specialist or "" for subtask in plan.subtasks):
        card = cards.get(name)
        if card is not None and card.input_schema is not None:
            found[name] = card.input_schema
    return found
