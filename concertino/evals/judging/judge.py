"""`judge`: an outcome against all that its case expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from concertino.contracts.json import JsonObject, canonical
from concertino.contracts.task import message_of
from concertino.evals.cases import Expect
from concertino.evals.faults import without_a_call
from concertino.evals.judging.answers import answer_verdicts
from concertino.evals.judging.breakers import breakers_verdict, calls_verdict
from concertino.evals.judging.calibration import calibration_verdict
from concertino.evals.judging.limits import budget_verdict, cost_verdict, deadline_verdict
from concertino.evals.judging.makespan import bound_of, makespan_verdict
from concertino.evals.judging.plans import drafting_verdict, plan_verdicts, routing_verdict, states_verdict
from concertino.evals.judging.rubric import rubric_messages, rubric_verdict
from concertino.evals.judging.verdict import Verdict, yes_or_no
from concertino.evals.outcomes import Outcome
from concertino.evals.view import View, view_of


def judge(outcome: Outcome, *, view: View | None = None) -> list[Verdict]:
    """Return one verdict for each thing that the case expects; what could not be run is one failed verdict, `run`.

    An error that the case expects by its class is a verdict like any other. A fault that no call went with is a failed
    verdict, `faults`: the case does not try what it says.
    """
    outcome = outcome.opened()
    try:
        expect = Expect.model_validate(outcome.case.expect)
    except ValidationError as error:
        told: JsonObject = {"type": "InputError", "message": message_of(error)}
        return [Verdict("run", False, 0.0, outcome.error or told)]
    ended = _ended(outcome)
    if outcome.result is None and (expect.status is None or expect.status != ended):
        return [Verdict("run", False, 0.0, outcome.error or {"type": "none", "message": "there is no result"})]
    return _judged(expect, outcome, view or view_of(outcome.result, outcome.events), ended)


def _judged(expect: Expect, outcome: Outcome, view: View, ended: str) -> list[Verdict]:
    result: Mapping[str, Any] = outcome.result or {}
    events = cast("list[Mapping[str, Any]]", outcome.events)
    verdicts: list[Verdict] = []
    if expect.status is not None:
        verdicts.append(yes_or_no("status", ended == expect.status, {"expected": expect.status, "found": ended}))
    if expect.plan is not None:
        verdicts += plan_verdicts(expect.plan, view.subtasks)
        if expect.plan.origins:
            verdicts.append(drafting_verdict(events, origins=expect.plan.origins))
    if expect.routing is not None:
        verdicts.append(routing_verdict(expect.routing, view.subtasks))
    if expect.states is not None:
        verdicts.append(states_verdict(expect.states, view.subtasks))
    if expect.answer is not None:
        verdicts += answer_verdicts(expect.answer, result.get("answer"), judgement=_judgement(expect, outcome))
    if expect.budget is not None:
        verdicts.append(budget_verdict(result, events))
    if expect.deadline is not None:
        verdicts.append(deadline_verdict(result, events))
    if expect.cost is not None:
        verdicts.append(cost_verdict(expect.cost, result))
    if expect.breakers is not None:
        verdicts.append(breakers_verdict(expect.breakers, result, events))
    if expect.calls is not None:
        verdicts.append(calls_verdict(expect.calls, events))
    if "calibration" in expect.model_fields_set:
        verdicts.append(calibration_verdict(expect.calibration, result))
    if expect.makespan is not None:
        bound = bound_of(view.subtasks, slots=view.slots, parked=view.parked)
        verdicts.append(makespan_verdict(expect.makespan, bound, makespan_s=outcome.makespan_s))
    if outcome.case.faults:
        verdicts += _faults_verdict(outcome)
    return verdicts


def _faults_verdict(outcome: Outcome) -> list[Verdict]:
    """Return a failed verdict where a fault speaks of no call.

    Calls as they are recorded, which alone have fingerprints, are not those of the run with its faults.
    """
    if any("print" in call for call in outcome.calls):
        return []
    idle = without_a_call(outcome.case.faults, outcome.calls)
    wrong: list[JsonObject] = [fault.model_dump(mode="json", exclude_defaults=True) for fault in idle]
    return (
        [yes_or_no("faults", False, {"wrong": cast("Any", wrong), "rule": "no call goes with these"})] if idle else []
    )


def rubric_question(outcome: Outcome) -> str:
    """Return what the run was asked, for a judge to read."""
    asked = outcome.case.task if outcome.case.task is not None else outcome.case.payload
    title = (outcome.case.task or {}).get("title")
    return title if isinstance(title, str) and title else canonical(asked)


def _judgement(expect: Expect, outcome: Outcome) -> Verdict | None:
    if expect.answer is None or expect.answer.rubric is None or outcome.result is None:
        return None
    messages = rubric_messages(
        expect.answer.rubric, question=rubric_question(outcome), answer=outcome.result.get("answer")
    )
    return rubric_verdict(messages, outcome.calls)


def _ended(outcome: Outcome) -> str:
    """Return the status of the result, or the class of the error that ended the run."""
    if outcome.result is not None:
        return str(outcome.result.get("status"))
    return str((outcome.error or {}).get("type"))
