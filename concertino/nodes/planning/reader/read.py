"""`read_plan`: the one way into the reader."""

from __future__ import annotations

from collections.abc import Collection

from concertino.nodes.planning.reader.finish import finished
from concertino.nodes.planning.reader.lines import shape_of_calls, shape_of_lines
from concertino.nodes.planning.reader.messages import as_calls, messages_of, texts_of
from concertino.nodes.planning.reader.plain import Plain
from concertino.nodes.planning.reader.shape import Candidate, Reading, Shape
from concertino.nodes.planning.reader.shapes import shape_of
from concertino.nodes.planning.reader.texts import Found, fenced, values, without_thoughts

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
    calls = [{key: plain.of(value) for key, value in call.items()} for call in as_calls(given)]
    inside = _joined(
        [Candidate(shape, "tool call") for call in calls if (shape := shape_of(call["args"], specialists))]
    )
    called = shape_of(calls, specialists) if calls else None
    if called is not None and called.elements:
        called.form = called.form if called.form != "list" else ""
        own = Candidate(called, "tool calls" if len(calls) > 1 else "tool call")
        known = sum(call["tool"] in specialists for call in calls)
        if known == len(calls) or (not inside and not specialists):
            return _finished([own], plain, ())
        if not inside:
            said, notes = _said(given, specialists, plain)
            return _finished(said or [own], plain, notes)
    if inside:
        return _finished(inside, plain, ())
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
            more, told = _in_text(str(plain.of(text)).replace("\r\n", "\n"), specialists, plain)
            found += more
            notes += told
        elif (shape := shape_of(plain.of(text), specialists)) is not None:
            found.append(Candidate(shape, "mapping"))
    return found, tuple(notes)


def _in_text(text: str, specialists: Collection[str], plain: Plain) -> tuple[list[Candidate], list[str]]:
    said = without_thoughts(text)
    notes: list[str] = []
    found: list[Candidate] = []
    for language, block in fenced(said):
        inside = _valued(values(block, language), specialists, plain, notes)
        if not inside and (shape := shape_of_lines(block, specialists)) is not None:
            inside = [Candidate(shape, "text")]
        found += [Candidate(one.shape, f"fenced {one.form}", one.notes, is_part=one.is_part) for one in inside]
    found = _joined(found)
    if not found and said.lstrip()[:1] not in ("{", "[") and (shape := shape_of_calls(said, specialists)) is not None:
        found = [Candidate(shape, "text")]
    if not found:
        found = _joined(_valued(values(said), specialists, plain, notes))
    if not found and (shape := shape_of_lines(said, specialists)) is not None:
        found = [Candidate(shape, "text")]
    return found, notes


def _valued(given: list[Found], specialists: Collection[str], plain: Plain, notes: list[str]) -> list[Candidate]:
    found = []
    for one in given:
        shape = shape_of(plain.of(one.value), specialists)
        if shape is not None and shape.elements:
            found.append(Candidate(shape, one.form, one.notes, is_part=one.is_part))
        elif one.value is None:
            notes += one.notes
    return found


def _joined(found: list[Candidate]) -> list[Candidate]:
    """Return the candidates with all single subtasks joined into one, as when each stands on a line of its own."""
    single = [one for one in found if one.shape.form == "one"]
    if len(single) < 2:
        return found
    joined = Shape([element for one in single for element in one.shape.elements], form="list")
    notes = tuple(dict.fromkeys(note for one in single for note in one.notes))
    return [Candidate(joined, single[0].form, notes), *(one for one in found if one.shape.form != "one")]


def _finished(found: list[Candidate], plain: Plain, notes: tuple[str, ...]) -> Reading:
    found = [one for one in found if one.shape.elements]
    if not found:
        return Reading(None, notes=(*notes, *plain.notes))
    most = max(len(one.shape.elements) for one in found)
    chosen = [one for one in found if 2 * len(one.shape.elements) >= most][-1]
    told = [*notes, *chosen.notes, *plain.notes]
    plans = sum(not one.is_part for one in found)
    if plans > 1:
        told.append(f"the answer holds {plans} plans; one of {len(chosen.shape.elements)} subtasks was taken")
    shape = chosen.shape
    form = f"{chosen.form} {shape.form}" if shape.form not in ("", "list", "one", chosen.form) else chosen.form
    return finished(shape, form, tuple(dict.fromkeys(told)))
