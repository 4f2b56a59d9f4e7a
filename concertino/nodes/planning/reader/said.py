"""Texts that a model said: the plans in their fences, between their sentences, on their lines."""

from __future__ import annotations

from collections.abc import Collection

from concertino.nodes.planning.reader.lines import shape_of_calls, shape_of_lines
from concertino.nodes.planning.reader.markup import markup
from concertino.nodes.planning.reader.plain import Plain
from concertino.nodes.planning.reader.shape import Candidate, Shape, joined, last_of_the_large
from concertino.nodes.planning.reader.shapes import shape_of
from concertino.nodes.planning.reader.texts import fenced, is_respelled, respelled, values, without_thoughts

RESPELLED = 3
"""Wrappers deep, at most, that a text is read in another spelling; each tries several."""


def plans_in(
    text: str, specialists: Collection[str], plain: Plain, *, level: int = 0, lines: bool = True
) -> tuple[list[Candidate], list[str]]:
    """Return the plans in a text, `level` wrappers deep, and what is to be said of what was not read.

    Without `lines`, only values are read.

    Where there is none in the text as it stands, it is read once more as it would be without a second layer of escapes, with
    plain quotes, or with entities as what they stand for.
    """
    said = without_thoughts(text)
    notes: list[str] = []
    if is_respelled(said):
        said = next(respelled(said), said)
    found = _fenced(said, specialists, plain, notes, level)
    if (
        lines
        and not found
        and said.lstrip()[:1] not in ("{", "[")
        and (shape := shape_of_calls(said, specialists)) is not None
    ):
        found = [Candidate(shape, "text")]
    if not found:
        found = _valued(said, specialists, plain, notes, level)
    for other in () if found or level >= RESPELLED else respelled(said):
        found = _fenced(other, specialists, plain, notes, level) or _valued(other, specialists, plain, notes, level)
        if found:
            break
    if not found and "<" in said and (shape := markup(said, specialists)) is not None:
        found = [Candidate(shape, "text")]
    if lines and not found and (shape := shape_of_lines(said, specialists)) is not None:
        found = [Candidate(shape, "text")]
    return found, notes


def shape_in(text: str, specialists: Collection[str], *, level: int, lines: bool) -> Shape | None:
    """Return the plan in a text that stands inside a value, `level` wrappers deep."""
    plain = Plain()
    found, notes = plans_in(text, specialists, plain, level=level, lines=lines)
    chosen = last_of_the_large([one.shape for one in found if one.shape.elements])
    if chosen is not None:
        chosen.notes += [*notes, *plain.notes, *(note for one in found if one.shape is chosen for note in one.notes)]
    return chosen


def _fenced(said: str, specialists: Collection[str], plain: Plain, notes: list[str], level: int) -> list[Candidate]:
    found: list[Candidate] = []
    for language, block in fenced(said):
        inside = _valued(block, specialists, plain, notes, level, language=language)
        if not inside and (shape := shape_of_lines(block, specialists)) is not None:
            inside = [Candidate(shape, "text")]
        found += [Candidate(one.shape, f"fenced {one.form}", one.notes, is_part=one.is_part) for one in inside]
    return joined(found)


def _valued(
    text: str, specialists: Collection[str], plain: Plain, notes: list[str], level: int, *, language: str = ""
) -> list[Candidate]:
    found = []
    for one in values(text, language, is_plan=lambda value: _plan(value, specialists, Plain(), level) is not None):
        shape = _plan(one.value, specialists, plain, level)
        if shape is not None:
            found.append(Candidate(shape, one.form, one.notes, is_part=one.is_part))
        elif one.value is None:
            notes += one.notes
    return joined(found)


def _plan(value: object, specialists: Collection[str], plain: Plain, level: int) -> Shape | None:
    shape = shape_of(plain.of(value), specialists, level=level)
    return shape if shape is not None and shape.elements else None
