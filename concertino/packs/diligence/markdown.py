"""The report as Markdown for people. Whatever a model or a document said is shown as text and can be nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from concertino.contracts.json import JsonObject
from concertino.packs.diligence.answers import FORMS, own_fields

CELL_CHARS = 300
TEXT_CHARS = 4_000

_ACTIVE = re.compile(r"[\\`*\[\]<>|~$&@#]|(?<!\w)_|_(?!\w)|:(?=//)|^[-+=]")
"""What Markdown, or HTML in it, could take for more than a character; `://` and `@` would make bare addresses links."""


def safe(value: object, most: int = CELL_CHARS) -> str:
    """Return a text from outside as one line in which nothing is a link, an image, a tag or a table's bar."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    cut = line if len(line) <= most else f"{line[: most - 1]}…"
    # Many viewers make links of addresses without any mark.
    apart = re.sub(r"(?i)\bwww\.", lambda found: f"{found.group()[:3]}\\.", cut)
    return "\\.".join(_ACTIVE.sub(r"\\\g<0>", piece) for piece in apart.split("\\."))


def render(report: JsonObject) -> str:
    """Return a report, as `report.report_of` makes it, as Markdown."""
    told: Any = report
    lines = [f"# Due diligence: {safe(told['target'])}", "", *_head(told)]
    for title, body in (
        ("Vetoes", _vetoes(told)),
        ("Findings by domain", _domains(told)),
        ("Dissent", _dissent(told)),
        ("Evidence", _evidence(told)),
        ("What is missing", _missing(told)),
        ("Documents", _documents(told)),
        ("Cost", _cost(told)),
    ):
        lines += ["", f"## {title}", "", *body]
    lines += ["", *_foot(told)]
    return "\n".join(lines).rstrip() + "\n"


def _head(told: Any) -> list[str]:
    decision = told["decision"].upper() if told["decision"] else "NONE"
    lines = [
        f"**Decision: {decision}**",
        "",
        *(f"- {safe(reason, TEXT_CHARS)}" for reason in told["reasons"]),
        "",
        *_table(
            ("status", "risk", "final score", "confidence", "calibrated"),
            [(told["status"], told["risk"], _figure(told["final_score"]), _percent(told["confidence"]), "no")],
        ),
    ]
    if told["questions"]:
        lines += ["", "Questions:", "", *(f"{number}. {safe(one)}" for number, one in enumerate(told["questions"], 1))]
    for gate in told.get("gates", ()):
        lines += ["", f"Waits for an answer at gate {safe(gate.get('gate'))}: {safe(gate.get('question'))}"]
    return lines


def _vetoes(told: Any) -> list[str]:
    veto = told["veto"]
    if not veto:
        return ["None."]
    force = "binds" if veto.get("binds") else "does not bind: no document says what it rests on"
    places = ", ".join(f"`{_code(place)}`" for place in veto.get("evidence") or []) or "no evidence"
    return [f"- regulatory, {force}: {safe(veto.get('reason'), TEXT_CHARS)} ({places})"]


def _domains(told: Any) -> list[str]:
    if not told["domains"]:
        return ["None."]
    rows = [
        (
            domain,
            one["specialist"],
            one["finding"].get("recommendation"),
            one["finding"].get("risk"),
            _figure(one["finding"].get("score")),
            _percent(one["confidence"]),
            _figure(one["authority"]),
            one["finding"].get("stage"),
        )
        for domain, one in told["domains"].items()
    ]
    lines = _table(
        ("domain", "specialist", "recommendation", "risk", "score", "confidence", "authority", "looked at"), rows
    )
    for domain, one in told["domains"].items():
        lines += ["", f"### {safe(domain).capitalize()}", "", safe(one["finding"].get("summary"), TEXT_CHARS)]
        lines += _figures(domain, one["finding"])
        flags = one["finding"].get("red_flags") or []
        if flags:
            lines += [
                "",
                "Red flags:",
                "",
                *(f"- {safe(flag.get('severity'))}: {safe(flag.get('title'))}" for flag in flags),
            ]
        questions = one["finding"].get("open_questions") or []
        if questions:
            lines += ["", "Open questions:", "", *(f"- {safe(question)}" for question in questions)]
        if one.get("notes"):
            lines += ["", f"Notes: {safe(one['notes'], TEXT_CHARS)}"]
    return lines


def _figures(domain: str, finding: Any) -> list[str]:
    names = own_fields(domain) if domain in FORMS else ()
    known = [(name.replace("_", " "), finding.get(name)) for name in names if finding.get(name) not in (None, [], "")]
    if not known:
        return []
    return ["", *_table(("figure", "value"), [(name, _figure(value)) for name, value in known])]


def _dissent(told: Any) -> list[str]:
    rows = [
        (one.get("question_id"), _figure(one.get("answer")), ", ".join(one.get("specialists") or []), _percent(one.get("share")), _flip(one))
        for one in told["dissent"]
    ]  # fmt: skip
    return _table(("question", "says", "who", "share", "what would turn it"), rows) if rows else ["None."]


def _flip(one: Any) -> str:
    flips = one.get("flips") or []
    if flips:
        return f"{flips[0]['specialist']} {flips[0]['change']} {flips[0]['confidence']:.2f}"
    if one.get("answer_without") is not None:
        return f"{one['answer_without']:.1f} without it"
    return ""


def _evidence(told: Any) -> list[str]:
    rows = [(one["number"], _Code(one["place"]), one["quote"], one["claim"], one["domain"]) for one in told["evidence"]]
    return _table(("no.", "place", "quote", "shows", "domain"), rows) if rows else ["None that could be verified."]


def _missing(told: Any) -> list[str]:
    lines = [
        f"- {safe(one.get('specialist'))}: {safe(one.get('reason'))}"
        + (f"; {safe(one['impact'])}" if one.get("impact") else "")
        for one in told["missing"]
    ]
    lines += [
        f"- {safe(one.get('agent'))}: {safe(one.get('error'))}. {safe(one.get('impact'))}"
        for one in told["failed_agents"]
    ]
    if told["recommendations"]:
        lines += ["", "Next:", "", *(f"- {safe(one)}" for one in told["recommendations"])]
    return lines or ["Nothing."]


def _documents(told: Any) -> list[str]:
    known = told["documents"]
    lines = [
        f"- `{_code(one['name'])}` ({safe(one['kind'])})"
        + (f": {safe('; '.join(one['notes']))}" if one["notes"] else "")
        for one in known["read"]
    ]
    lines += [f"- not read: `{_code(one['name'])}`: {safe(one['reason'])}" for one in known["unreadable"]]
    return lines or ["None."]


def _cost(told: Any) -> list[str]:
    names = ("tokens", "calls", "usd", "documents", "seconds")
    rows = [(who, *(_figure(used.get(name)) for name in names)) for who, used in told["cost"]["by_specialist"].items()]
    rows.append(("all", *(_figure(told["cost"]["total"].get(name)) for name in names)))
    return _table(("", "tokens", "calls", "US dollars", "documents", "seconds"), rows)


def _foot(told: Any) -> list[str]:
    known = told["metadata"]
    return [
        f"Run {safe(known.get('run_id'))}, {safe(known.get('generated_by'))} {safe(known.get('version'))}, {safe(known.get('timestamp'))}."
    ]


class _Code(str):
    """A cell that is shown as code."""

    __slots__ = ()


def _table(names: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    head = list(names)
    body = [[f"`{_code(cell)}`" if isinstance(cell, _Code) else safe(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in ([safe(name) for name in head], ["---"] * len(head), *body)]


def _code(value: object) -> str:
    """Return a text for between backticks: without any, and without bars, which end a cell even there."""
    line = "".join(one if one.isprintable() and one not in "`|" else " " for one in str(value))
    return " ".join(line.split())[:CELL_CHARS] or " "


def _figure(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"


def _percent(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, int | float) else ""
