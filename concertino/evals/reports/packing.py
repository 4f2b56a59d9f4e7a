"""A run packed for the page: columns instead of objects, texts once each, times as whole ticks.

Columns of like values compress well, and a plan of 1,000 subtasks has to stay small. What is packed here `data.js` unpacks;
both change together.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from concertino.contracts.json import JsonObject

FINE, COARSE = 1_000_000, 20_000
"""Ticks that a run's time is divided into at most, of a run with few and with many subtasks; a screen has fewer columns."""
MANY = 200
MOST_ROWS = 100
"""Dissenting answers, missing specialists and supporters of one claim that the page lists; the JSON report has all."""
DIGITS = 4
"""Significant digits of weights; bars are drawn with them."""

PLAIN = ("task_id", "title", "run_id", "status", "reason", "answer", "share", "confidence", "calibration", "abstain", "abstain_reason",
         "usage", "limits", "plan", "parked", "dispatched", "alerts", "breaches", "specialists", "breakers", "gates", "steps",
         "recommendations", "models", "seconds", "leaked")  # fmt: skip


MODEL = "model"
"""What the tool of every chat model is called."""
OBJECTIVE, OUTPUT = "\x01", "\x02"
"""Stand in a call's texts for what its subtask holds already."""
SPECIALIST, NEXT = "\x01", "\x02"
"""Stand in an id for its specialist's name, and for the next number, which its width follows."""
TAIL = re.compile(r"[0-9]{1,9}$")


class Words:
    """Texts once each. A new text is written 0, a known one by its number from 1."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[str, int] = {}

    def put(self, text: str) -> int:
        known = self._known.get(text)
        if known is None:
            self.texts.append(text)
            self._known[text] = len(self.texts)
            return 0
        return known

    def number(self, text: str) -> int:
        """Return the text's place, from 0, whether it is new or not."""
        self.put(text)
        return self._known[text] - 1


class Ticks:
    """Seconds as whole numbers of ticks."""

    def __init__(self, seconds: float, *, most: int) -> None:
        power = math.ceil(math.log10(seconds / most)) if seconds > 0 else -6
        self.tick = 10.0 ** max(-9, power)

    def of(self, seconds: float) -> int:
        return round(seconds / self.tick)


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
        "synthesis": _synthesis(run.get("synthesis") or {}, subtasks, names),
    }
    told.update(names=names.texts, texts=words.texts)
    return told


Span = tuple[int, int] | None


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
        column = [_short((subtask.get("usage") or {}).get(key, 0)) for subtask in subtasks]
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


def _weights(
    weights: Sequence[Mapping[str, Any]], subtasks: Sequence[Mapping[str, Any]], names: Words
) -> dict[str, Any]:
    """Return the weights as columns, or only the authorities where all else follows from the subtasks' confidences."""
    found = [(one["specialist"], one["confidence"]) for one in subtasks if one.get("confidence") is not None]
    told = [(one.get("specialist"), one.get("confidence")) for one in weights]
    authority = {str(one.get("specialist")): one.get("authority") for one in weights}
    is_plain = found == told and all(authority[str(one.get("specialist"))] == one.get("authority") for one in weights)
    if is_plain and not any(one.get("question_id") for one in weights):
        products = [(confidence or 0.0) * (authority[str(name)] or 0.0) for name, confidence in told]
        whole = math.fsum(products)
        if whole and all(
            abs(p / whole - (one.get("weight") or 0.0)) < 1e-6 for p, one in zip(products, weights, strict=True)
        ):
            return {"authority": [[names.number(name), value] for name, value in authority.items()]}
    return {
        "specialist": [names.number(str(one.get("specialist"))) for one in weights],
        "question": [names.number(str(one.get("question_id") or "")) for one in weights],
        **{key: [_short(one.get(key)) for one in weights] for key in ("confidence", "authority", "weight")},
    }


def _synthesis(synthesis: Mapping[str, Any], subtasks: Sequence[Mapping[str, Any]], names: Words) -> dict[str, Any]:
    told: dict[str, Any] = {key: synthesis[key] for key in ("method", "fallback", "vetoes") if synthesis.get(key)}
    if synthesis.get("weights"):
        told["weights"] = _weights(synthesis["weights"], subtasks, names)
    told["claims"] = [
        {key: claim[key] for key in ("question_id", "field", "method", "tied", "fallback") if claim.get(key)}
        | {"answer": claim.get("answer")}
        | {key: _short(claim.get(key)) for key in ("share", "confidence")}
        | {"supporters": _supporters(claim.get("supporters") or (), names)}
        for claim in (synthesis.get("provenance") or ())[:MOST_ROWS]
    ]
    dissent = sorted(synthesis.get("dissent") or (), key=lambda one: -(one.get("share") or 0.0))
    told["dissent"] = [
        {key: one[key] for key in ("question_id", "field", "tied") if one.get(key)}
        | {"answer": one.get("answer")}
        | {"who": _counted(one.get("specialists") or ())}
        | {key: _short(one.get(key)) for key in ("share", "weight_to_flip", "distance") if one.get(key) is not None}
        for one in dissent[:MOST_ROWS]
    ]
    missing = synthesis.get("missing") or ()
    told["missing"] = list(missing[:MOST_ROWS])
    told["left_out"] = max(0, len(dissent) - MOST_ROWS) + max(0, len(missing) - MOST_ROWS)
    return told if synthesis else {}


def _supporters(supporters: Sequence[Mapping[str, Any]], names: Words) -> list[list[Any]]:
    """Return specialist, weight, how many findings and what evidence; the findings of one specialist are added up."""
    by_name: dict[str, list[Any]] = {}
    for one in supporters:
        row = by_name.setdefault(str(one.get("specialist")), [0.0, 0, []])
        row[0] += one.get("weight") or 0.0
        row[1] += 1
        row[2] += [_evidence(said) for said in one.get("evidence") or ()][: max(0, 5 - len(row[2]))]
    ranked = sorted(by_name.items(), key=lambda pair: (-pair[1][0], pair[0]))
    return [[names.number(name), _short(weight), count, said] for name, (weight, count, said) in ranked[:MOST_ROWS]]


def _counted(specialists: Sequence[str]) -> str:
    """Return names once each, with how often they stand there."""
    counts = Counter(specialists).most_common(12)
    more = len(set(specialists)) - len(counts)
    named = ", ".join(name if count == 1 else f"{name} ×{count}" for name, count in counts)
    return f"{named} and {more} more" if more else named


def _evidence(said: Any) -> str:
    if not isinstance(said, dict):
        return str(said)
    line = f", line {said['line']}" if said.get("line") else ""
    quote = f": “{said['quote']}”" if said.get("quote") else ""
    return f"{said.get('source', '')}{line}{quote}"


def _error(error: Any) -> Any:
    if isinstance(error, dict):
        return f"{error.get('type', 'error')}: {error.get('message', '')}"
    return error or 0


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
