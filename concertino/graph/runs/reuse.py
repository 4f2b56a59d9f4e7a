"""What of an earlier process' work still holds for this planner: its specialists, and its completed subtasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from concertino.contracts.errors import SetupError
from concertino.contracts.json import JsonObject, digest
from concertino.contracts.plan import Plan, Subtask
from concertino.graph.options import Options
from concertino.graph.runs.run import Run


def fingerprint(subtask: Subtask, records: Mapping[str, JsonObject], options: Options) -> str:
    """Return the digest of everything a subtask's result depends on: inputs, objective, upstream findings, version.

    Args:
        subtask: With the inputs that people's edits gave it.
        records: Finished subtasks, its prerequisites among them.
        options: The planner's.
    """
    upstream = {need: digest(records[need].get("finding")) for need in subtask.needs if need in records}
    name = subtask.specialist or ""
    return digest([subtask.inputs, subtask.objective, upstream, name, options.specialists[name].card.version])


def outdated(
    plan: Plan, records: Mapping[str, JsonObject], options: Options, *, edited: Callable[[Subtask], Subtask]
) -> list[str]:
    """Return finished subtasks that have to be done again: those whose result no longer holds, and their dependents.

    A result holds where its specialist's version and the hash of inputs, objective and upstream are what they were.
    What was delivered at most once stands in any case: doing it again could act twice.

    Args:
        plan: The plan; each subtask stands after what it needs.
        records: Finished subtasks.
        options: The planner's; all of the plan's specialists are known to it.
        edited: Gives a subtask the inputs that people's edits gave it.
    """
    cards, again = options.cards, set[str]()
    for subtask in plan.subtasks:
        record = records.get(subtask.id)
        card = cards.get(str(record.get("specialist"))) if record is not None else None
        if record is None or (record["state"] == "completed" and card is not None and card.delivery == "at_most_once"):
            continue
        holds = record["state"] != "completed" or (
            record.get("version") in (None, card.version if card is not None else None)
            and record.get("hash") in ("", fingerprint(edited(subtask), records, options))
        )
        if not holds or not again.isdisjoint(subtask.needs):
            again.add(subtask.id)
    return [subtask.id for subtask in plan.subtasks if subtask.id in again]


def drop_outdated(run: Run, plan: Plan) -> list[str]:
    """Let a run that is entered forget results that hold no longer, and return whose; they are done again."""
    again = outdated(plan, run.records, run.options, edited=run.edited)
    for subtask_id in again:
        del run.records[subtask_id]
    return again


def check_specialists(plan: Plan, records: Mapping[str, JsonObject], options: Options) -> None:
    """Refuse a plan or a result of a specialist that this planner does not have.

    Raises:
        SetupError: names the first one; nothing was changed, and a planner that has it can carry on.
    """
    for subtask in plan.subtasks:
        record = records.get(subtask.id)
        found_by = record.get("specialist") if record is not None and record.get("state") == "completed" else None
        for name, what in ((subtask.specialist, "plans to send"), (found_by, "has a result of")):
            if name is not None and name not in options.specialists:
                known = ", ".join(sorted(options.specialists))
                rule = f"the run {what} subtask {subtask.id} to" if what == "plans to send" else f"the run {what}"
                raise SetupError(
                    field="specialists",
                    value=name,
                    rule=f"{rule} this specialist, and this planner has only {known}; "
                    "carry on with a planner that has it",
                )
