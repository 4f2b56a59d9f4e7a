"""`read_plan`: the one way into the reader."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from concertino.nodes.planning.reader.finish import finished
from concertino.nodes.planning.reader.lines import shape_of_calls, shape_of_lines
from concertino.nodes.planning.reader.messages import as_calls, texts_of
from concertino.nodes.planning.reader.shape import Reading, Shape
from concertino.nodes.planning.reader.shapes import shape_of
from concertino.nodes.planning.reader.texts import fenced, values, without_thoughts

TEXT_CHARS = 256_000
"""Longest text that is read; as the limit on a task."""


def read_plan(given: object, *, specialists: Collection[str] = ()) -> Reading:
    """Return the plan in what a model said: a text, a parsed value, or a message with its tool calls. Never raises.

    Of several plans in one answer the one with the most subtasks counts, of equals the last.

    Args:
        given: Text, mapping, list, or LangChain's message.
        specialists: Names that may be meant where a text does not say what is a name.
    """
    known = tuple(name for name in specialists if name)
    try:
        return _read(given, known)
    except RecursionError:
        return Reading(None, notes=("the answer is nested too deeply to be read",))


def _read(given: object, specialists: Collection[str]) -> Reading:
    best: tuple[Shape, str, tuple[str, ...]] | None = None
    notes: list[str] = []

    def offer(shape: Shape | None, form: str, told: tuple[str, ...] = ()) -> None:
        nonlocal best
        if shape is not None and shape.elements and (best is None or len(shape.elements) >= len(best[0].elements)):
            best = (shape, form, told)

    calls = as_calls(given)
    for call in calls:
        inside = shape_of(call["args"], specialists) if call["tool"] not in specialists else None
        offer(inside or shape_of(call, specialists), "tool call")
    if len(calls) > 1 and (best is None or len(best[0].elements) < len(calls)):
        offer(shape_of(list(calls), specialists), "tool calls")
    if best is None:
        for text in texts_of(given):
            if isinstance(text, str):
                if len(text) > TEXT_CHARS:
                    notes.append(f"the answer has {len(text):,} characters, at most {TEXT_CHARS:,} are read")
                    continue
                _offer_text(text, specialists, offer)
            else:
                offer(shape_of(text, specialists), "mapping")
    if best is None:
        return Reading(None, notes=tuple(notes))
    shape, form, told = best
    own = f"{form} {shape.form}" if shape.form and shape.form not in ("list", "one", form) else form
    return finished(shape, own, (*notes, *told))


def _offer_text(text: str, specialists: Collection[str], offer: Any) -> None:
    found = False

    def take(shape: Shape | None, form: str, told: tuple[str, ...] = ()) -> None:
        nonlocal found
        found = found or (shape is not None and bool(shape.elements))
        offer(shape, form, told)

    said = without_thoughts(text)
    for language, block in fenced(said):
        inside = False
        for one in values(block, language):
            shape = shape_of(one.value, specialists)
            inside = inside or shape is not None
            take(shape, f"fenced {one.form}", one.notes)
        if not inside:
            take(shape_of_lines(block, specialists), "fenced")
    if not found and said.lstrip()[:1] not in ("{", "["):
        take(shape_of_calls(said, specialists), "text")
    if not found:
        for one in values(said):
            take(shape_of(one.value, specialists), one.form, one.notes)
    if not found:
        take(shape_of_lines(said, specialists), "text")
