"""Synthesis and result of a run: gathers what the pure functions of `nodes` need, and calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from concertino.contracts.budget import Budget, Usage
from concertino.contracts.finding import Finding
from concertino.contracts.journal import RunRow
from concertino.contracts.json import JsonObject, clean
from concertino.contracts.plan import Plan, Subtask
from concertino.graph.dataflow import bodies
from concertino.graph.dataflow.dispatch import plan_of
from concertino.graph.merging import Merging
from concertino.graph.options import Options
from concertino.graph.runs.gates import GateBook
from concertino.graph.runs.money import WORK, Money
from concertino.graph.runs.restore import History
from concertino.graph.runs.run import Run
from concertino.graph.runs.voice import mute
from concertino.graph.state import Policy
from concertino.nodes import deliver
from concertino.nodes.refinement import answering, ended_early
from concertino.nodes.synthesis import Synthesis, synthesize
from concertino.nodes.synthesis.ballot import WeightedText
from concertino.nodes.synthesis.prose import merge_text
from concertino.prompts import load
from concertino.tools.models.roster import SYNTHESIZE

RECORD = "track_record"
"""Under which a synthesis and a result tell of the track record that they were learned from."""
AGGREGATE_S = 5.0
"""Most seconds that a pack's own aggregation may take where the run has no deadline; chosen by hand."""


async def merge(run: Run) -> JsonObject:
    """Return the synthesis of the findings that make the answer, or a pack's own aggregation of them.

    The weights are the merge's own in either case. An aggregation that fails is replaced by the first successful
    result, and then all that is said of the answer is said of that result alone. Source: document 000, aggregation.
    """
    plan = plan_of(run)
    asked = answering(plan, run.records)
    found = {sid: finding for sid in asked if (finding := run.finding(sid)) is not None}
    ended = deliver.outcomes(plan, run.records)
    missing = deliver.missing(plan, ended, run.options.cards)
    merging = Merging(run, list(found.values()), missing)
    await merging.remembered()
    merged = await _merged(run, merging)
    if run.options.aggregate is not None and found:
        answer = await _aggregate(run, {(run.name_of(sid) or sid): finding for sid, finding in found.items()})
        if isinstance(answer, Failed):
            first = next(
                (finding for finding in found.values() if finding.output is not None), next(iter(found.values()))
            )
            alone = synthesize([first], authority=run.options.authority, missing=missing)
            merged = _instead(alone, first, f"{answer.reason}; the first successful result stands in")
        else:
            merged = merged.model_copy(update={"answer": answer, "method": "aggregate", "fallback": None})
    told = cast("JsonObject", merged.model_dump(mode="json"))
    return told if merging.record is None else {**told, RECORD: merging.record}


async def _merged(run: Run, merging: Merging) -> Synthesis:
    """Return the synthesis; texts that would stand side by side are put into one by the model, where there is one.

    The weights are settled before, and nothing but the wording is the model's.
    """
    told: list[list[WeightedText]] = []

    def gather(texts: Sequence[WeightedText]) -> str:
        told.append(list(texts))
        return ""

    alone = await merging.merged(gather)
    is_wanted = bool(told) and run.options.aggregate is None  # a merging of one's own takes the answer's place
    model = run.models.of_node(SYNTHESIZE, deadline=run.deadline) if is_wanted else None
    if model is None:
        return await merging.merged() if told else alone
    written: dict[tuple[WeightedText, ...], str] = {}
    for texts in told:
        voices = [Finding(output=text.text, confidence=1.0, specialist=text.specialist) for text in texts]
        prose = await merge_text(voices, shares=[text.weight for text in texts], model=model)
        if prose is not None:
            written[tuple(texts)] = prose
    run.models.prompts["synthesize"] = load("synthesize").hash
    return await merging.merged(lambda texts: written.get(tuple(texts), ""))


@dataclass(frozen=True, slots=True)
class Failed:
    """An aggregation that gave no answer."""

    reason: str


def _instead(alone: Synthesis, first: Finding, reason: str) -> Synthesis:
    """Return what is said of one finding that stands in for the aggregation of all."""
    why: Any = {"method": "first_successful", "fallback": reason}
    claims = tuple(claim.model_copy(update=why) for claim in alone.provenance)
    return alone.model_copy(update={**why, "answer": first.output, "provenance": claims})


async def _aggregate(run: Run, found: dict[str, Finding]) -> JsonValue | Failed:
    aggregate = run.options.aggregate
    assert aggregate is not None
    left_s = run.remaining_s()
    outcome = await bodies.finish(
        bodies.ThreadWork(lambda: aggregate(found, run.task_json)),
        timeout_s=AGGREGATE_S if left_s is None else left_s / 2,
    )
    problem: BaseException
    if isinstance(outcome, bodies.Raised):
        problem = outcome.error
    else:
        try:
            return clean(outcome, field="aggregate", nesting=run.options.limits.nesting)
        except ValueError as error:
            problem = error
    return Failed(f"aggregation failed ({type(problem).__name__}: {problem})")


def report(run: Run, merged: JsonObject, complexity: JsonObject) -> JsonObject:
    """Return the run's result."""
    plan = plan_of(run)
    synthesis = Synthesis.model_validate({key: value for key, value in merged.items() if key != RECORD})
    rejected = [
        question.gate
        for question in run.questions.book
        if question.answer is not None and question.answer.decision == "reject"
    ]
    failed = any(gate.endswith(".review") for gate in rejected)
    facts = _facts(
        plan,
        run.records,
        run.money,
        run.questions.book,
        run.options,
        budget=run.policy.budget,
        usage=run.usage(),
        models=run.models.described(),
        leaked=run.leaks.total() + run.strays,
        replans=run.replans,
        complexity=complexity,
        reason=run.cancel_reason,
    )
    if RECORD in merged:
        facts[RECORD] = merged[RECORD]
    if run.history.worth:
        facts["worth"] = cast("Any", list(run.history.worth.values()))
    head: JsonObject = {"task_id": run.task_id, "run_id": run.run_id, "parent_run_id": run.row.parent_run_id}
    result = deliver.result(
        plan,
        run.records,
        synthesis,
        head=head,
        answer=merged["answer"],
        state="cancelled" if run.cancel_reason is not None else "failed" if failed else None,
        facts=facts,
    )
    if run.options.aggregate is not None and synthesis.method == "first_successful":
        cast("list[str]", result["recommendations"]).append(
            f"Mend the aggregation and restart the task; its subtasks are kept: {synthesis.fallback}"
        )
    return result


def _facts(
    plan: Plan,
    records: Mapping[str, JsonObject],
    money: Money,
    gates: GateBook,
    options: Options,
    *,
    budget: Budget,
    usage: Usage,
    models: JsonObject,
    leaked: int,
    replans: Sequence[JsonObject],
    complexity: JsonObject,
    reason: str | None,
) -> JsonObject:
    """Return what a result tells of a run besides its subtasks and its answer, however the run ended."""
    planned = {subtask.id for subtask in plan.subtasks}
    flagged = [
        sid for sid, record in records.items() if sid in planned and (
            record.get("sla_missed") or (record["state"] in ("failed", "blocked") and record.get("required"))
        )
    ]  # fmt: skip
    books = money.ledger.report()
    return {
        "usage": usage.model_dump(),
        "limits": budget.model_dump(exclude_none=True),
        "costs": money.costs(books),
        "models": models,
        "budget": cast("Any", books),
        "breakers": cast("Any", options.breakers.snapshot()),
        "leaked": leaked,
        "needs_review": cast("Any", flagged),
        "replans": cast("Any", replans),
        "ended_early": cast("Any", ended_early(plan, records)),
        "gates": cast("Any", [question.as_json() for question in gates]),
        "complexity": complexity,
        "pattern": complexity.get("tier"),
        "plan": {
            "origin": plan.origin, "workflow": plan.workflow, "notes": cast("Any", list(plan.notes)),
            "requirements": None if plan.requirements is None else plan.requirements.model_dump(mode="json"),
        },
        "reason": reason,
    }  # fmt: skip


def interim(row: RunRow, history: History, reason: str, options: Options) -> JsonObject:
    """Return the result of a run that was cancelled while nobody worked on it: what was done stands, the rest is cancelled."""
    plan = Plan.model_validate(history.plan) if history.plan else None
    if plan is None:
        return {"status": "cancelled", "task_id": row.task_id, "run_id": row.run_id, "reason": reason, "subtasks": []}
    head: JsonObject = {"task_id": row.task_id, "run_id": row.run_id, "parent_run_id": row.parent_run_id}
    policy = Policy.model_validate(history.policy or {})
    money = Money(options, budget=policy.budget, emit=mute, charges=history.charges, told=history.alerts)
    money.bound(plan.budget)
    ended = {subtask.id: _cancelled(subtask, history, money, reason) for subtask in plan.subtasks}
    records = ended | history.records
    found = [(sid, given) for sid in answering(plan, records) if (given := records[sid].get("finding"))]
    merged = synthesize(
        [Finding.model_validate(given) for _, given in found],
        authority=options.authority,
        missing=deliver.missing(plan, deliver.outcomes(plan, records), options.cards),
    )
    facts = _facts(
        plan,
        records,
        money,
        history.gates,
        options,
        budget=policy.budget,
        usage=history.usage(),
        models=history.models,
        leaked=0,
        replans=history.replans,
        complexity=history.complexity or {},
        reason=reason,
    )
    return deliver.result(plan, records, merged, head=head, answer=merged.answer, state="cancelled", facts=facts)


def _cancelled(subtask: Subtask, history: History, money: Money, reason: str) -> JsonObject:
    """Return the record of a subtask that nobody worked on when its run was cancelled."""
    accounts = [money.ledger.find((WORK, name, subtask.id)) for name in history.begun.get(subtask.id, ())]
    used = sum((account.usage() for account in accounts if account is not None), Usage())
    return {
        "specialist": subtask.specialist, "state": "cancelled", "attempts": history.started.get(subtask.id, 0),
        "usage": used.model_dump(), "reason": reason, "required": subtask.required, "sla_missed": False,
    }  # fmt: skip
