"""What a suite's cases teach: the answers of their runs, settled by what the cases expect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import JsonValue

from concertino.contracts.finding import Finding
from concertino.evals.cases import AnswerExpected, Expect
from concertino.evals.outcomes import Outcome
from concertino.graph.trust import answer_of
from concertino.nodes.synthesis import TrackRecord

OWN_WAYS = frozenset({"aggregate", "first_successful"})
"""How an answer came about that need not have the shape of the findings."""


def settle_by_cases(record: TrackRecord, outcomes: Iterable[Outcome], *, suite: str) -> int:
    """Add what specialists answered in a suite's runs, and the truth where a case states one; return how many were settled.

    The question is `suite/case#repeat`: another run of the suite replaces its answers. Findings with a question of their own
    are left out, since a case states what answers its task.
    """
    settled = 0
    for outcome in outcomes:
        left = outcome.transcript.opened()
        result: Any = left.result
        if not result or "weights" not in result or result.get("method") in OWN_WAYS:
            continue
        truth, tolerance = _truth(Expect.model_validate(outcome.case.expect).answer)
        if truth is None:
            continue
        question = f"{suite}/{outcome.case.id}#{outcome.number}"
        count = 0
        for event in left.events:
            payload: Any = event["payload"]
            if event["type"] != "TASK_COMPLETED" or payload.get("answers") is False or payload.get("finding") is None:
                continue
            finding = Finding.model_validate(payload["finding"])
            answer = answer_of(finding, question)
            if finding.question_id is None and answer is not None:
                record.record(answer)
                count += 1
        if count:
            record.settle(question, truth, tolerance=tolerance)
            settled += 1
    return settled


def _truth(expected: AnswerExpected | None) -> tuple[JsonValue, float | None]:
    """Return what a case says is true of the answer, and how far off a number may be; `None` where it says nothing."""
    if expected is None:
        return None, None
    truth, tolerance = expected.exact, None
    if expected.numeric is not None:
        truth, tolerance = expected.numeric.value, expected.numeric.tolerance
    return _at(expected.path, truth), tolerance


def _at(path: str | None, truth: JsonValue) -> JsonValue:
    """Return what stands at a path as an object of nothing else."""
    if truth is None or not path:
        return truth
    first, _, rest = path.partition(".")
    return {first: _at(rest, truth)}
