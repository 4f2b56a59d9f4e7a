"""A run packed for the page: columns instead of objects, texts once each, times as whole ticks.

Columns of like values compress well, and a plan of 1,000 subtasks has to stay small. What is packed here `data.js` unpacks;
both change together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from concertino.contracts.json import JsonObject
from concertino.evals.reports.measures import Ticks, Words, short
from concertino.evals.reports.packing_synthesis import packed_synthesis

FINE, COARSE = 1_000_000, 20_000
"""Ticks that a run's time is divided into at most, of a run with few and with many subtasks; a screen has fewer columns."""
MANY = 200
"""Subtasks from which a run has many; chosen by hand."""
Span = tuple[int, int] | None
"""Begin and length in ticks; `None` for what never began."""

PLAIN = ("task_id", "title", "run_id", "status", "reason", "answer", "share", "confidence", "calibration", "abstain", "abstain_reason",
         "usage", "limits", "plan", "parked", "dispatched", "alerts", "breaches", "specialists", "breakers", "gates", "steps",
         "recommendations", "models", "seconds", "leaked")  # fmt: skip
"""Parts of a run that go into the page as they are."""

MODEL = "model"
"""What the tool of every chat model is called."""
OBJECTIVE, OUTPUT = "\x01", "\x02"
"""Stand in a call's texts for what its subtask holds already."""
SPECIALIST, NEXT = "\x01", "\x02"
"""Stand in an id for its specialist's name, and for the next number, which its width follows."""
TAIL = re.compile(r"[0-9]{1,9}$")


def packed(run: Mapping[str, Any]) -> JsonObject:
    """Return a report's run as the page reads it."""
    subtasks = run.get("subtasks") or []
    names, words = Words(), Words()
    ticks = Ticks(run.get("seconds") or 0.0, most=COARSE if len(subtasks) > MANY else FINE)
    place = {subtask["id"]: number for number, subtask in enumerate(subtasks)}
    spans = [_span(subtask, ticks) for subtask in subtasks]
    bound = dict(run.get("bound") or {})
    bound["critical_path"] = [place[sid] for sid in bound.get("critical_path") or () if sid in place]
    told: dict[str, Any] = {
        "head": {key: run[key] for key in PLAIN if key in run} | {"bound": bound},
        "tick": ticks.tick,
        "subtasks": _subtasks(subtasks, spans, place, ticks, names),
        "tools": _tools(_without_talks(run), spans, place, ticks, names),
        "calls": _calls(run.get("calls") or [], subtasks, spans, place, ticks, names, words),
        "synthesis": packed_synthesis(run.get("synthesis") or {}, subtasks, names),
    }
    told.update(names=names.texts, texts=words.texts)
    return told


def _span(subtask: Mapping[str, Any], ticks: Ticks) -> Span:
    """Return begin and length in ticks; `None` for what never began."""
    start, end = subtask.get("start"), subtask.get("end")
    if start is None:
        return None
    begin = ticks.of(start)
    return begin, max(0, ticks.of(end if end is not None else start) - begin)


def _subtasks(
    subtasks: Sequence[Mapping[str, Any]], spans: Sequence[Span], place: Mapping[str, int], ticks: Ticks, names: Words
) -> dict[str, Any]:
    needs = [[place[need] for need in subtask.get("needs") or () if need in place] for subtask in subtasks]
    waits: list[int | None] = []
    for number, span in enumerate(spans):
        waits.append(None if span is None else span[0] - _ready(number, needs, spans))
    told: dict[str, Any] = {
        "id": _ids(subtasks),
        "specialist": [names.number(subtask.get("specialist") or "") for subtask in subtasks],
        "state": [names.number(subtask["state"]) for subtask in subtasks],
        "needs": [[number - need for need in needs[number]] for number in range(len(subtasks))],
        "wait": waits,
        "took": [None if span is None else span[1] for span in spans],
        "attempts": _attempts(subtasks, spans, ticks, names),
    }
    for key in ("objective", "confidence", "output"):
        column = [subtask.get(key) for subtask in subtasks]
        if any(value is not None for value in column):
            told[key] = column
    for key in sorted({key for subtask in subtasks for key in subtask.get("usage") or ()}):
        column = [short((subtask.get("usage") or {}).get(key, 0)) for subtask in subtasks]
        told.setdefault("usage", {})[key] = column if len(set(column)) > 1 else column[0]
    for key in ("name", "inputs", "error", "reason", "stage", "sla_missed", "leaked", "required", "covers"):
        some = {str(n): subtask[key] for n, subtask in enumerate(subtasks) if key in subtask}
        if some:
            told.setdefault("some", {})[key] = some
    return told


def _ids(subtasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return ids with their specialist's name, and a number that follows on the last one's, by reference."""
    told: list[str] = []
    last = -1
    for subtask in subtasks:
        name, specialist = subtask["id"], subtask.get("specialist") or ""
        shown = SPECIALIST + name[len(specialist) :] if specialist and name.startswith(specialist) else name
        number = TAIL.search(shown)
        if number is not None:
            follows = number[0] == str(last + 1).zfill(len(number[0]))
            last = int(number[0])
            shown = shown[: number.start()] + NEXT + str(len(number[0])) if follows else shown
        told.append(shown)
    return told


def _ready(number: int, needs: Sequence[Sequence[int]], spans: Sequence[Span]) -> int:
    """Return when everything that a subtask needs was done, as far as it stands before it in the plan."""
    ends = [sum(span) for need in needs[number] if need < number and (span := spans[need]) is not None]
    return max(ends, default=0)


def _attempts(
    subtasks: Sequence[Mapping[str, Any]], spans: Sequence[Span], ticks: Ticks, names: Words
) -> dict[str, list[list[Any]]]:
    """Return the attempts of subtasks that had another than the one which their own times and state tell."""
    told: dict[str, list[list[Any]]] = {}
    for number, (subtask, span) in enumerate(zip(subtasks, spans, strict=True)):
        attempts = subtask.get("attempts") or []
        if span is None or (len(attempts) == 1 and attempts[0].get("ended") == subtask["state"] == "completed"):
            continue
        rows: list[list[Any]] = []
        for attempt in attempts:
            begin = ticks.of(attempt["start"])
            end = ticks.of(attempt["end"]) if attempt.get("end") is not None else begin
            row = [names.number(attempt.get("specialist") or ""), begin - span[0], end - begin]
            row += [names.number(attempt.get("ended") or ""), _error(attempt.get("error"))]
            rows.append(row)
        told[str(number)] = rows
    return told


def _without_talks(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the outside calls; those of models stand among the prompts already, where there are any."""
    is_told = any(call.get("kind") == "model" for call in run.get("calls") or ())
    return [tool for tool in run.get("tools") or () if not (is_told and tool.get("tool") == MODEL)]


def _tools(
    tools: Sequence[Mapping[str, Any]], spans: Sequence[Span], place: Mapping[str, int], ticks: Ticks, names: Words
) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {key: [] for key in ("sub", "tool", "at", "rest", "outcome", "attempt", "error")}
    before = 0
    for tool in sorted(tools, key=lambda one: (place.get(one.get("subtask") or "", -1), one["at"])):
        number = place.get(tool.get("subtask") or "", -1)
        begin, length = _relative(tool, number, spans, ticks)
        endpoint = tool.get("endpoint")
        name = f"{tool.get('tool')}@{endpoint}" if endpoint else str(tool.get("tool"))
        columns["sub"].append(number - before)
        columns["tool"].append(names.number(name))
        columns["at"].append(begin)
        columns["rest"].append(length)
        columns["outcome"].append(names.number(str(tool.get("outcome") or "")))
        columns["attempt"].append(tool.get("attempt") or 1)
        columns["error"].append(tool.get("error") or 0)
        before = number
    return columns


def _relative(one: Mapping[str, Any], number: int, spans: Sequence[Span], ticks: Ticks) -> tuple[int, int]:
    """Return the begin of a call from its subtask's begin, and how long before that one's end it ended.

    Outside of a subtask, the begin from the run's, and its length.
    """
    begin, length = ticks.of(one.get("at") or 0.0), ticks.of(one.get("took") or 0.0)
    span = spans[number] if number >= 0 else None
    return (begin, length) if span is None else (begin - span[0], span[1] - (begin - span[0]) - length)


def _calls(
    calls: Sequence[Mapping[str, Any]], subtasks: Sequence[Mapping[str, Any]], spans: Sequence[Span],
    place: Mapping[str, int], ticks: Ticks, names: Words, words: Words,
) -> dict[str, Any]:  # fmt: skip
    """Return the calls as columns; what only few of them have stands in `more`, by row."""
    keys = ("sub", "name", "node", "attempt", "at", "rest", "said", "answer", "in", "out")
    columns: dict[str, Any] = {key: [] for key in keys} | {"more": {}}
    before = 0
    for row, call in enumerate(sorted(calls, key=lambda one: place.get(one.get("subtask") or "", -1))):
        number = place.get(call.get("subtask") or "", -1)
        own = subtasks[number] if number >= 0 else {}
        begin, length = _relative(call, number, spans, ticks)
        said = [
            [names.number(one["role"]), words.put(_quoting(one["text"], own)), *one.get("tool_calls", ())]
            for one in call.get("prompt") or ()
        ]
        usage = call.get("usage") or {}
        is_own = bool(own) and call.get("node") == own.get("specialist")
        cells = (
            number - before, names.number(str(call.get("name") or "")),
            -1 if is_own else names.number(str(call.get("node") or "")), call.get("attempt") or 0, begin, length, said, words.put(_quoting(str(call.get("answer") or ""), own)),
            usage.get("input_tokens") or 0, usage.get("output_tokens") or 0,
        )  # fmt: skip
        for key, cell in zip(keys, cells, strict=True):
            columns[key].append(cell)
        more = {key: call[key] for key in ("tool_calls", "tools", "fault") if call.get(key)}
        if call.get("error"):
            more["error"] = _error(call["error"])
        if call.get("kind") != "model":
            more["kind"] = call.get("kind")
        if more:
            columns["more"][str(row)] = more
        before = number
    return columns


def _quoting(text: str, subtask: Mapping[str, Any]) -> str:
    """Return a text with its subtask's objective, and its output where that is a text, put in by reference."""
    for mark, key in (OBJECTIVE, "objective"), (OUTPUT, "output"):
        text = text.replace(mark, "\ufffd")
        quoted = subtask.get(key)
        if isinstance(quoted, str) and len(quoted) > 3:
            text = text.replace(quoted, mark)
    return text


def _error(error: Any) -> Any:
    if isinstance(error, dict):
        return f"{error.get('type', 'error')}: {error.get('message', '')}"
    return error or 0
