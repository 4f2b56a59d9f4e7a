"""`read_plan`: the one way into the reader."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from concertino.nodes.planning.reader.finish import finished
from concertino.nodes.planning.reader.messages import as_calls, messages_of, texts_of
from concertino.nodes.planning.reader.plain import Plain
from concertino.nodes.planning.reader.shape import Candidate, Reading, last_of_the_large
from concertino.nodes.planning.reader.shapes import handed_in, plans_in, shape_of
from concertino.nodes.planning.reader.texts import CUT, MENDED

TEXT_CHARS = 256_000
"""Longest text that is read; as the limit on a task."""


def read_plan(given: object, *, specialists: Collection[str] = ()) -> Reading:
    """Return the plan in what a model said: a text, a parsed value, or a message with its tool calls. Never raises.

    Of several plans the last counts that has at least half as many subtasks as the largest: a final plan comes after its
    drafts, an example is small. A plan in a tool call comes before one in the text, one in a fence before what stands around it.

    Args:
        given: Text, mapping, list, LangChain's message, or a list of messages, of which the last with a plan counts.
        specialists: Names that may be meant where a text does not say what is a name.
    """
    known = tuple(dict.fromkeys(name for name in specialists if name))
    reading = Reading(None)
    for message in messages_of(given):
        plain = Plain()
        try:
            reading = _read(message, known, plain)
        except RecursionError:
            reading = Reading(None, notes=("the answer is nested too deeply to be read",))
        if reading.plan is not None:
            break
    return reading


def _read(given: object, specialists: Collection[str], plain: Plain) -> Reading:
    calls: list[Any] = [{key: plain.of(value) for key, value in call.items()} for call in as_calls(given)]
    kind = "tool calls" if len(calls) > 1 else "tool call"
    inside = handed_in(calls, specialists)
    if inside is not None:
        return _finished([Candidate(inside, "tool call")], plain, ())
    called = shape_of(calls, specialists) if calls else None
    if called is not None and called.elements:
        called.form = called.form if called.form != "list" else ""
        own = Candidate(called, kind)
        if not specialists or all(call["tool"] in specialists for call in calls):
            return _finished([own], plain, ())
        said, notes = _said(given, specialists, plain)
        return _finished(said or [own], plain, notes)
    said, notes = _said(given, specialists, plain)
    return _finished(said, plain, notes)


def _said(given: object, specialists: Collection[str], plain: Plain) -> tuple[list[Candidate], tuple[str, ...]]:
    """Return the plans in a message's texts, and what is to be said of texts that were not read."""
    found: list[Candidate] = []
    notes: list[str] = []
    for text in texts_of(given):
        if isinstance(text, str):
            if len(text) > TEXT_CHARS:
                notes.append(f"the answer has {len(text):,} characters, at most {TEXT_CHARS:,} are read")
                continue
            more, told = plans_in(str(plain.of(text)).replace("\r\n", "\n"), specialists, plain)
            found += more
            notes += told
        elif (shape := shape_of(plain.of(text), specialists)) is not None:
            found.append(Candidate(shape, "mapping"))
    return found, tuple(notes)


def _finished(found: list[Candidate], plain: Plain, notes: tuple[str, ...]) -> Reading:
    found = [one for one in found if one.shape.elements]
    if not found:
        return Reading(None, notes=(*notes, *plain.notes))
    best = last_of_the_large([one.shape for one in found])
    chosen = next(one for one in reversed(found) if one.shape is best)
    told = [*notes, *chosen.notes, *plain.notes]
    plans = sum(not one.is_part for one in found)
    if plans > 1:
        told.append(f"the answer holds {plans} plans; one of {len(chosen.shape.elements)} subtasks was taken")
    shape = chosen.shape
    form = f"{chosen.form} {shape.form}" if shape.form not in ("", "list", "one", chosen.form) else chosen.form
    made = finished(shape, form, tuple(dict.fromkeys(told)))
    return replace(made, is_changed=bool({CUT, MENDED} & set(made.notes)) or bool(plain.notes))
