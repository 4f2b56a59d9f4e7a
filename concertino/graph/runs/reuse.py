"""What of an earlier process' work still holds for this planner: its specialists, and its completed subtasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from concertino.contracts.errors import SetupError
from concertino.contracts.json import JsonObject, digest
from concertino.contracts.plan import Plan, Subtask
from concertino.graph.options import Options
from concertino.graph.runs.reopening import reopened
from concertino.graph.runs.restore import History
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

    A result holds where its specialist's version and the hash of inputs, objective and upstream are what they were, a
    failure until people change its inputs. What was delivered at most once stands in any case: doing it again could act
    twice. The plan's specialists are all known, and each subtask stands after what it needs.
    """
    cards, again, edited = run.options.cards, set[str](), set(reopened(run))
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
        if not holds or subtask.id in edited or not again.isdisjoint(subtask.needs):
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


def undecided(past: History, plan: Plan, options: Options) -> dict[str, JsonObject]:
    """Return records of failure for what a restart must not do again: begun, delivered at most once, and nobody knows what came of it.

    That it failed by its own word is known, and it may be tried anew. So is that it has asked people and waits for them.
    """
    found: dict[str, JsonObject] = {}
    for subtask in plan.subtasks:
        record = past.records.get(subtask.id, {})
        begun = [name for name in sorted(past.unheard.get(subtask.id, ())) if _acts_once(name, options)]
        if record.get("is_undecided"):
            found[subtask.id] = record
        elif (
            begun
            and record.get("state") != "completed"
            and (subtask.id not in past.suspended or subtask.id in past.handed)
        ):
            reason = "its outcome is unknown: it was under way when its run was stopped, delivery at_most_once"
            found[subtask.id] = {
                "subtask_id": subtask.id, "specialist": begun[-1], "state": "failed", "dispatch": past.dispatch.get("id"),
                "hash": "", "attempts": max(1, past.started.get(subtask.id, 1)), "tried": cast("Any", begun),
                "started_at": record.get("started_at"), "finished_at": record.get("finished_at"),
                "usage": record.get("usage"), "error": None, "reason": reason, "finding": None,
                "required": subtask.required, "sla_missed": False, "final": True, "is_undecided": True,
            }  # fmt: skip
    return found


def _acts_once(name: str, options: Options) -> bool:
    known = options.specialists.get(name)
    return known is not None and known.card.delivery == "at_most_once"


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
