"""One report against another: what changed case by case. Replays know no chance: whatever passes no more is a regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, Literal, cast

from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject, digest
from concertino.evals.judging.intervals import bootstrap
from concertino.evals.reports.report import FORMAT

Change = Literal["better", "worse", "same", "changed", "new", "gone"]
MEASURES = ("share", "score", "usd", "makespan_s")
"""What is compared between the two sides of a case; of the first two more is better, of the others less."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of a suite between two reports."""

    cases: list[JsonObject]
    """One a case: `id`, `change`, `was` and `is` with the measures, `verdicts` that flipped, `passes` as [passed, runs]."""
    means: JsonObject
    """Mean difference of each measure over the cases that both have, with its 95 % interval."""
    is_regression: bool
    """A case is worse or gone. The intervals of the means only inform: replays are repeatable, so nothing is left to chance."""

    def as_json(self) -> JsonObject:
        counted = {change: sum(case["change"] == change for case in self.cases) for change in Change.__args__}  # type: ignore[attr-defined]  # a Literal's own
        told = {"regression": self.is_regression, "changes": counted, "means": self.means, "cases": self.cases}
        return cast("JsonObject", told)


def compare(before: Mapping[str, Any], after: Mapping[str, Any], *, seed: int = 0) -> Difference:
    """Compare two reports case by case, with a paired bootstrap over the cases that both have.

    Raises:
        InputError: one of both is no report, or of a newer format.
    """
    was, now = _cases(before, "A"), _cases(after, "B")
    cases = [_changed(was.get(name), now.get(name), name) for name in sorted(was.keys() | now.keys())]
    both = [(_measures(was[name]), _measures(now[name])) for name in sorted(was.keys() & now.keys())]
    means = {key: _mean([new[key] - old[key] for old, new in both], seed) for key in MEASURES}
    worse = any(case["change"] in ("worse", "gone") for case in cases)
    return Difference(cases, cast("JsonObject", means), worse)


def check(report: Any, *, field: str) -> None:
    """Refuse what is no report.

    Raises:
        InputError: it lacks what every report has, or is of a newer format.
    """
    rule = "must be a report that `concertino eval run --json` printed"
    if not isinstance(report, dict) or not isinstance(report.get("cases"), list):
        raise InputError(field=field, value=type(report).__name__, rule=rule)
    written = report.get("report")
    if written != FORMAT:
        raise InputError(
            field=f"{field}.report", value=written, rule=f"must be format {FORMAT}, which this version reads"
        )
    needed = ("id", "passed", "runs")
    for number, case in enumerate(report["cases"]):
        if not isinstance(case, dict) or any(key not in case for key in needed) or not isinstance(case["runs"], list):
            raise InputError(field=f"{field}.cases[{number}]", value=case, rule=f"must have {', '.join(needed)}")


def _cases(report: Mapping[str, Any], field: str) -> dict[str, Mapping[str, Any]]:
    check(report, field=field)
    return {str(case["id"]): case for case in report["cases"]}


def _measures(case: Mapping[str, Any]) -> dict[str, float]:
    runs = max(1, len(case["runs"]))
    return {
        "share": _passes(case) / runs,
        "score": float(case.get("score") or 0.0),
        "usd": float(case.get("usd") or 0.0),
        "makespan_s": float(case.get("makespan_s") or 0.0),
    }


def _changed(was: Mapping[str, Any] | None, now: Mapping[str, Any] | None, name: str) -> JsonObject:
    if was is None or now is None:
        there = now if was is None else was
        side = "is" if was is None else "was"
        return {
            "id": name,
            "change": "new" if was is None else "gone",
            side: cast("Any", _measures(cast("Any", there))),
        }
    old, new = _measures(was), _measures(now)
    verdicts = _flipped(was, now)
    change = _judged(was, now)
    if change == "same" and (verdicts or old != new or _content(was) != _content(now)):
        change = "changed"
    told: dict[str, Any] = {"id": name, "change": change, "was": old, "is": new, "verdicts": verdicts}
    statuses = [str(was.get("status")), str(now.get("status"))]
    passes = [[_passes(case), len(case["runs"])] for case in (was, now)]
    beside: dict[str, Any] = {"status": statuses, "passes": passes}
    return cast("JsonObject", told | {key: pair for key, pair in beside.items() if pair[0] != pair[1]})


def _judged(was: Mapping[str, Any], now: Mapping[str, Any]) -> Change:
    """Say whether a case got better or worse: its runs are held against those of the same number, verdict by verdict.

    One thing that got worse outweighs any that got better.
    """
    turns = {(bool(was["passed"]), bool(now["passed"]))}
    if len(was["runs"]) == len(now["runs"]):
        more = _passes(now) - _passes(was)
        turns |= {(more < 0, more > 0)} if more else set()
    elif turns == {(False, True)}:
        turns = set()  # repeats that were left out are no success
    before = {run.get("number"): run for run in was["runs"]}
    for run in now["runs"]:
        old = before.get(run.get("number"))
        if old is not None:
            turns.add((old.get("passed") is True, run.get("passed") is True))
            turns |= _turns(old, run)
    return "worse" if (True, False) in turns else "better" if (False, True) in turns else "same"


def _turns(was: Mapping[str, Any], now: Mapping[str, Any]) -> set[tuple[bool, bool]]:
    """Return which way the verdicts of one run turned: what fails may fail by more, what passes passes."""
    old = {verdict["name"]: verdict for verdict in was.get("verdicts") or ()}
    turns: set[tuple[bool, bool]] = set()
    for verdict in now.get("verdicts") or ():
        name, passed = verdict["name"], verdict["passed"]
        before = old.get(name)
        if before is None:
            turns |= {(True, False)} if name == "run" and passed is False else set()  # it cannot be run any more
        elif before["passed"] is False and passed is False:
            more = (verdict.get("score") or 0.0) - (before.get("score") or 0.0)
            turns |= {(more < 0, more > 0)} if more else set()
        elif None not in (before["passed"], passed):
            turns.add((before["passed"], passed))
    return turns


def _passes(case: Mapping[str, Any]) -> int:
    return int(case.get("passes") or 0)


def _flipped(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[JsonObject]:
    """Return the verdicts of a case that are not what they were."""
    old = {verdict["name"]: verdict for verdict in was.get("verdicts") or ()}
    new = {verdict["name"]: verdict for verdict in now.get("verdicts") or ()}
    flipped: list[JsonObject] = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, {}), new.get(name, {})
        if (before.get("passed"), before.get("score")) != (after.get("passed"), after.get("score")):
            sides = {"was": _said(before), "is": _said(after)}
            flipped.append(cast("JsonObject", {"name": name, **sides}))
    return flipped


def _said(verdict: Mapping[str, Any]) -> dict[str, Any] | None:
    return {key: verdict.get(key) for key in ("passed", "score")} if verdict else None


def _content(case: Mapping[str, Any]) -> str:
    return digest(case["runs"])


def _mean(values: Sequence[float], seed: int) -> dict[str, Any] | None:
    if not values:
        return None
    return {
        "difference": fsum(values) / len(values),
        "interval": list(bootstrap(values, seed=seed)),
        "cases": len(values),
    }
