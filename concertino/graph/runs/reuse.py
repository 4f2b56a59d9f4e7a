"""What of an earlier process' work still holds for this planner: its specialists, and its completed subtasks."""

from __future__ import annotations

from collections.abc import Mapping

from concertino.contracts.errors import SetupError
from concertino.contracts.json import JsonObject, digest
from concertino.contracts.plan import Plan, Subtask
from concertino.graph.options import Options
from concertino.graph.runs.run import Run


def fingerprint(subtask: Subtask, run: Run) -> str:
    """Return the digest of everything a subtask's result depends on: inputs, objective, upstream findings, version.

    `subtask` comes with the inputs that people's edits gave it.
    """
    upstream = {need: run.imprint(need).digest for need in subtask.needs if need in run.records}
    name = subtask.specialist or ""
    version = run.options.specialists[name].card.version
    return digest([subtask.inputs, subtask.objective, upstream, name, version])


def outdated(run: Run, plan: Plan) -> list[str]:
    """Return finished subtasks that have to be done again: those whose result no longer holds, and their dependents.

    A result holds where its specialist's version and the hash of inputs, objective and upstream are what they were.
    What was delivered at most once stands in any case: doing it again could act twice. The plan's specialists are all
    known, and each subtask stands after what it needs.
    """
    cards, again = run.options.cards, set[str]()
    for subtask in plan.subtasks:
        record = run.records.get(subtask.id)
        card = cards.get(str(record.get("specialist"))) if record is not None else None
        if record is None or (record["state"] == "completed" and card is not None and card.delivery == "at_most_once"):
            continue
        holds = record["state"] != "completed" or (
            all(need in run.records for need in subtask.needs)  # one may have ended early, for want of budget
            and record.get("version") in (None, card.version if card is not None else None)
            and record.get("hash") in ("", fingerprint(run.edited(subtask, by=str(record.get("specialist"))), run))
        )
        if not holds or not again.isdisjoint(subtask.needs):
            again.add(subtask.id)
    return [subtask.id for subtask in plan.subtasks if subtask.id in again]


def drop_outdated(run: Run, plan: Plan) -> list[str]:
    """Let a run that is entered forget results that hold no longer, and return whose; they are done again."""
    again = outdated(run, plan)
    for subtask_id in again:
        del run.records[subtask_id]
    return again


def is_kept(record: JsonObject) -> bool:
    """Say whether a restart keeps a subtask: it completed, or what was found before it is not worth going on with."""
    return record["state"] == "completed" or record.get("ended_early") == "low_value"


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
