"""The one report object: what a suite came to, case by case, with everything that is shown of its runs.

Identical outcomes give a report that is identical byte for byte: no clock, no host, no path, keys sorted, numbers rounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import fsum
from typing import Any, Protocol, cast

from concertino import __version__
from concertino.contracts.json import JsonObject
from concertino.evals.collecting import rarely_collecting
from concertino.evals.judging import judge, passed
from concertino.evals.judging.calibration import answer_pairs, finding_pairs, reliability
from concertino.evals.judging.intervals import wilson
from concertino.evals.judging.repeats import Tally, over_cases
from concertino.evals.judging.verdict import Verdict
from concertino.evals.outcomes import Outcome
from concertino.evals.reports.run import run_of, tidy
from concertino.evals.view import view_of

FORMAT = 1
"""The report's own format; one of a newer format is refused by name."""


class Named(Protocol):
    """What a report says of a suite."""

    @property
    def name(self) -> str: ...

    @property
    def target(self) -> str: ...


def report(suite: Named, outcomes: Sequence[Outcome], *, seed: int = 0) -> JsonObject:
    """Return the report of a suite's outcomes.

    Args:
        suite: Which one.
        outcomes: Every repeat of every case; ordered here by case and number.
        seed: Of the bootstrap behind intervals; the runs' own seed is the caller's matter.
    """
    with rarely_collecting():
        return _report(suite, outcomes, seed)


def _report(suite: Named, outcomes: Sequence[Outcome], seed: int) -> JsonObject:
    ordered = sorted(outcomes, key=lambda outcome: (outcome.case.id, outcome.number))
    cases = [_case(list(runs)) for _, runs in groupby(ordered, key=lambda outcome: outcome.case.id)]
    told = {
        "report": FORMAT,
        "made_by": f"concertino {__version__}",
        "suite": {"name": suite.name, "target": suite.target},
        "seed": seed,
        "summary": _summary(cases, seed=seed),
        "cases": cases,
    }
    return cast("JsonObject", tidy(told))


def run_report(
    result: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]] = ()
) -> JsonObject:
    """Return the report of one journalled run: the same object with one case that nobody judged.

    Args:
        result: The run's result; `None` where it is not over.
        events: Its journal as JSON, in order.
        calls: Lines of its tape, where it was recorded.
    """
    view = view_of(result, events)
    told, bound = run_of(view, result=result, events=events, calls=calls)
    name = str(told.get("task_id") or (events[0]["task_id"] if events else "run"))
    told["task_id"] = name
    run = {
        "number": 1,
        "passed": None,
        "status": told["status"],
        "makespan_s": view.end,
        "ratio": bound.ratio,
        "run": told,
    }
    case = {"id": name, "status": told["status"], "passed": None, "runs": [run]}
    report_ = {"report": FORMAT, "made_by": f"concertino {__version__}", "cases": [case]}
    return cast("JsonObject", tidy(report_))


def _case(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    judged = [_run(outcome) for outcome in outcomes]
    runs = [run for run, _ in judged]
    right = sum(run["passed"] for run in runs)
    first = outcomes[0]
    told: dict[str, Any] = {
        "id": first.case.id,
        "passed": right == len(runs),
        "status": runs[0]["status"],
        "tape": first.tape,
        "stand_in": any(outcome.stand_in for outcome in outcomes),
        "verdicts": _together([verdicts for _, verdicts in judged]),
        "score": _mean([run["score"] for run in runs]),
        "usd": _mean([run["usd"] for run in runs]),
        "makespan_s": _mean([run["makespan_s"] for run in runs]),
        "passes": right,
        "runs": runs,
    }
    if len(runs) > 1:
        told["interval"] = list(wilson(right, len(runs)))
    tags = tuple(getattr(first.case, "tags", ()) or ())
    return told | ({"tags": list(tags)} if tags else {})


def _run(kept: Outcome) -> tuple[dict[str, Any], list[Verdict]]:
    outcome = kept.opened()
    view = view_of(outcome.result, outcome.events)
    verdicts = judge(outcome, view=view)
    started = outcome.started if outcome.events else None
    told, bound = run_of(view, result=outcome.result, events=outcome.events, calls=outcome.calls, started=started)
    ended = told["status"] if outcome.result is not None or outcome.error is None else str(outcome.error.get("type"))
    run: dict[str, Any] = {
        "number": outcome.number,
        "status": ended,
        "passed": passed(verdicts),
        "score": _mean([verdict.score for verdict in verdicts]),
        "usd": ((outcome.result or {}).get("usage") or {}).get("usd", 0.0),  # type: ignore[union-attr]  # a result's own shape
        "makespan_s": outcome.makespan_s,
        "ratio": bound.ratio,
        "verdicts": [verdict.as_json() for verdict in verdicts],
        "run": told,
    }
    beside = {"error": outcome.error, "notes": outcome.notes, "tape": outcome.tape}
    return run | {key: value for key, value in beside.items() if value}, verdicts


def _together(runs: Sequence[Sequence[Verdict]]) -> list[dict[str, Any]]:
    """Return the verdicts of a case over its repeats: passed in all, score on average."""
    by_name: dict[str, list[Verdict]] = {}
    for verdict in (verdict for verdicts in runs for verdict in verdicts):
        by_name.setdefault(verdict.name, []).append(verdict)
    return [
        {
            "name": name,
            "passed": None if any(v.passed is None for v in found) else all(v.passed for v in found),
            "score": _mean([v.score for v in found]),
        }
        for name, found in by_name.items()
    ]


def _summary(cases: Sequence[Mapping[str, Any]], *, seed: int) -> dict[str, Any]:
    runs = [run for case in cases for run in case["runs"]]
    names = sorted({verdict["name"] for case in cases for verdict in case["verdicts"]})
    details = [v["detail"] for run in runs for v in run["verdicts"] if v["name"] == "calibration"]
    return {
        "cases": len(cases),
        "passed": sum(case["passed"] for case in cases),
        "failed": sum(not case["passed"] for case in cases),
        "errors": sum(any(run.get("error") for run in case["runs"]) and not case["passed"] for case in cases),
        "stand_ins": sum(case["stand_in"] for case in cases),
        "tapes": dict(sorted(Counter(case["tape"] for case in cases).items())),
        "score": _mean([case["score"] for case in cases]),
        "usd": fsum(run["usd"] for run in runs),
        "makespan_s": fsum(run["makespan_s"] for run in runs),
        "repeats": over_cases([Tally(case["passes"], len(case["runs"])) for case in cases], seed=seed),
        "verdicts": [_over(name, cases) for name in names],
        "calibration": {
            "answers": reliability(answer_pairs(details)), "findings": reliability(finding_pairs(details)),
        },
    }  # fmt: skip


def _over(name: str, cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = [verdict for case in cases for verdict in case["verdicts"] if verdict["name"] == name]
    judged = [verdict["passed"] for verdict in found if verdict["passed"] is not None]
    mean = _mean([verdict["score"] for verdict in found])
    return {"name": name, "cases": len(found), "judged": len(judged), "passed": sum(judged), "score": mean}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known else None
