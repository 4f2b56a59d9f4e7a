"""A report as a table in a terminal, for people; on a narrow one columns are left out rather than wrapped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from concertino.evals.reports.difference import Difference

WORDS = 160
"""Longest text of a cell, in characters."""
BELOW = "see below"
STYLES = {"better": "green", "worse": "bold red", "gone": "bold red", "changed": "yellow", "new": "cyan"}
WIDE, MIDDLE = 110, 80
"""Columns from which all is shown, and from which most is; chosen by hand."""


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print a report: one line a case, the errors in full below, and the sums. Nothing from outside is read as markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    wide, middle = console.width >= WIDE, console.width >= MIDDLE
    columns = ["", "case", *(["tape"] if middle else []), "status", *(["score", "usd", "time"] if wide else []), "why"]
    for name in columns:
        right = name in ("score", "usd", "time")
        justify: Any = "right" if right else "left"
        table.add_column(name, justify=justify, no_wrap=name not in ("why", "case"), overflow="fold")
    for case in report["cases"]:
        cells = {
            "": _mark(case["passed"]),
            "case": plain(case["id"]),
            "tape": plain(f"{case.get('tape', '')}{', stand-in' if case.get('stand_in') else ''}"),
            "status": plain(str(case["status"])),
            "score": plain(_number(case.get("score"))),
            "usd": plain(_number(case.get("usd"))),
            "time": plain(f"{case.get('makespan_s') or 0:.3g} s"),
            "why": why(case),
        }
        table.add_row(*(cells[name] for name in columns))
    console.print(table)
    for case in report["cases"]:
        for line in errors(case):
            console.print(line, overflow="fold")
    for line in sums(report):
        console.print(Text(line), soft_wrap=True)


def show_difference(difference: Difference, console: Console) -> None:
    """Print what changed, one line a case that did, and the means with their intervals."""
    from rich.table import Table
    from rich.text import Text

    told: Any = difference.as_json()
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in ("", "case", "what"):
        table.add_column(name, no_wrap=name == "")
    for case in told["cases"]:
        if case["change"] != "same":
            table.add_row(Text(case["change"], style=STYLES[case["change"]]), plain(case["id"]), plain(_changed(case)))
    if table.row_count:
        console.print(table)
    counted = ", ".join(f"{count} {change}" for change, count in told["changes"].items() if count)
    console.print(plain(counted or "no cases"))
    for name, mean in told["means"].items():
        if mean is not None and mean["difference"]:
            low, high = mean["interval"]
            console.print(
                plain(f"{name}: {mean['difference']:+.4g} on average, 95 % interval {low:+.4g} to {high:+.4g}")
            )
    console.print(Text("regression", style="bold red") if difference.is_regression else Text("no regression"))


def _changed(case: Mapping[str, Any]) -> str:
    parts = [f"status {case['status'][0]} → {case['status'][1]}"] if "status" in case else []
    if "passes" in case and any(runs > 1 for _, runs in case["passes"]):
        (had, of), (has, now_of) = case["passes"]
        parts.append(f"{had} of {of} runs → {has} of {now_of}")
    for verdict in case.get("verdicts", ()):
        was, now = (_side(verdict[side]) for side in ("was", "is"))
        parts.append(f"{verdict['name']} {was} → {now}")
    if not parts and "was" in case and "is" in case:
        moved = [key for key in case["was"] if case["was"][key] != case["is"][key]]
        parts = [f"{key} {_number(case['was'][key])} → {_number(case['is'][key])}" for key in moved]
    return "; ".join(parts) or ("its runs differ" if case["change"] == "changed" else "")


def _side(verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "none"
    word = {True: "pass", False: "fail", None: ""}[verdict["passed"]]
    score = "" if verdict["score"] in (None, 0.0, 1.0) else _number(verdict["score"])
    return " ".join(part for part in (word, score) if part) or "unjudged"


def sums(report: Mapping[str, Any]) -> list[str]:
    """Return what a suite came to, in a few lines."""
    summary = report.get("summary")
    if summary is None:
        return []
    repeats = summary["repeats"]
    low, high = repeats["interval"]
    lines = [
        f"{summary['passed']} of {summary['cases']} cases passed"
        + (f", {summary['errors']} could not be run" if summary["errors"] else "")
        + f"; runs {repeats['passed']} of {repeats['runs']}, 95 % interval {low:.3f}-{high:.3f}"
        + f"; {summary['usd']:.6g} US dollars, {summary['makespan_s']:.6g} s of virtual time"
    ]
    for name in ("pass@k", "pass^k"):
        if name in repeats:
            shown = ", ".join(f"k={k} {one['mean']:.3f}" for k, one in repeats[name].items())
            lines.append(f"{name}: {shown}")
    for kind, found in summary["calibration"].items():
        if found:
            lines.append(
                f"calibration of {kind}: ECE {found['ece']:.3f}, Brier {found['brier']:.3f} over {found['n']}, {found['binning']}"
            )
    if summary["stand_ins"]:
        lines.append(f"{summary['stand_ins']} case(s) were recorded against a scripted stand-in, not a live model")
    return lines


def why(case: Mapping[str, Any]) -> Text:
    """Return what a case failed of."""
    told: list[str] = []
    runs = case["runs"]
    if len(runs) > 1:
        told.append(f"{case['passes']} of {len(runs)} runs passed")
    broken = next((run for run in runs if run["passed"] is False), None) if not case["passed"] else None
    if broken is not None:
        failed = [v for v in broken["verdicts"] if v["passed"] is False and v["name"] != "run"]
        told += [BELOW] if error_of(broken) is not None else []
        told += [f"{v['name']}{_reason(v)}" for v in failed or ([] if told else unjudged(broken))]
    return plain("; ".join(told))


def unjudged(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the verdicts of a failed run that say neither yes nor no; where none failed, they are why."""
    return (
        []
        if any(v["passed"] is False for v in run["verdicts"])
        else [v for v in run["verdicts"] if v["passed"] is None]
    )


def errors(case: Mapping[str, Any]) -> list[RenderableType]:
    """Return the lines that tell the errors of a failed case: each error once, whole, the number of the first run that has it."""
    from rich.padding import Padding
    from rich.text import Text

    told: dict[str, list[RenderableType]] = {}
    for run in case["runs"]:
        error = error_of(run) if run["passed"] is False else None
        if error is None:
            continue
        number = f" run {run['number']}" if len(case["runs"]) > 1 else ""
        lines = [Text(clean(line)) for line in message_of(error).split("\n")]
        head = Text(clean(f"{case['id']}{number}: {error.get('type', 'error')}"), style="bold")
        told.setdefault(message_of(error), [head, *(Padding(line, (0, 0, 0, 2)) for line in lines)])
    return [line for lines in told.values() for line in lines]


def error_of(run: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return why a run could not be run, or what ended it; `None` where it was judged like any other."""
    told: Any = run.get("error")
    if told is None:
        told = next((v["detail"] for v in run.get("verdicts", ()) if v["name"] == "run"), None)
    return cast("Mapping[str, Any] | None", told)


def message_of(error: Mapping[str, Any]) -> str:
    """Return an error's message, which begins with file and line where it has them."""
    message, file = str(error.get("message")), error.get("file")
    if file is None or message.startswith(str(file)):
        return message
    place = file if error.get("line") is None else f"{file}:{error['line']}"
    return f"{place}: {message}"


def clean(text: str) -> str:
    """Return text that moves no cursor."""
    return "".join(one if one.isprintable() else " " for one in text)


def plain(text: str) -> Text:
    """Return text that is neither markup nor moves a cursor."""
    from rich.text import Text

    shown = clean(text[: WORDS + 1])
    return Text(shown if len(shown) <= WORDS else f"{shown[: WORDS - 1]}…")


def reason_of(verdict: Mapping[str, Any]) -> str:
    """Return why a verdict failed, in a few words."""
    detail = verdict["detail"]
    if "message" in detail:
        return message_of(detail)
    if "error" in detail:
        error = detail["error"]
        return str(error.get("message")) if isinstance(error, dict) else str(error)
    if "f1" in detail:
        return f"F1 {detail['f1']:.3f}, at least {detail['at_least']:g}"
    if "expected" in detail:
        return f"expected {detail['expected']!r}, found {detail['found']!r}"
    for key in ("wrong", "over", "faults", "breaches"):
        if detail.get(key):
            return f"{detail[key]!r}"
    if "ratio" in detail:
        return f"{detail['ratio']} x its bound in {detail['seconds']} s"
    return f"score {_number(verdict['score'])}" if verdict["score"] is not None else ""


def _reason(verdict: Mapping[str, Any]) -> str:
    said = reason_of(verdict)
    return f": {said}" if said else ""


def _mark(passed: bool | None) -> Text:
    from rich.text import Text

    return Text("-") if passed is None else Text("pass", style="green") if passed else Text("FAIL", style="bold red")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
