"""Filling a workflow's templates with a task's data. Nothing here can execute: a placeholder is a dotted path and no more.

`${task.title}`, `${payload.role}`, and in a `for_each` template `${item.x}` and `${index}`. A placeholder that is the whole string
keeps its JSON type; inside text it becomes text. `${other.path}` with the id of another template stays a reference to that
subtask's output, and must be the whole string. `$${` writes `${`. What is put in is never read again, neither as a
placeholder nor as a reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from pydantic import JsonValue

from concertino.contracts.json import JsonObject, dump
from concertino.nodes.planning.references import Malformed, Reference, literal, read

ROOTS = frozenset({"task", "payload"})
ITEM_ROOTS = frozenset({"item", "index"})
RESERVED_IDS = ROOTS | ITEM_ROOTS
"""Template ids that placeholders could not tell from data."""

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_PATH = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")

_MISSING = object()


class Filler:
    """Fills the templates of one subtask. Collects in `notes` what the data did not have."""

    def __init__(
        self, data: Mapping[str, JsonValue], *, link: Callable[[Reference], JsonValue | None], place: str
    ) -> None:
        """Prepare to fill.

        Args:
            data: values by root: `task`, `payload`, and maybe `item` and `index`.
            link: turns a reference to a template into one to its subtasks; `None` where it was left out.
            place: the template's name, for notes.
        """
        self._data, self._link, self._place = data, link, place
        self.notes: list[str] = []

    def text(self, template: str) -> str:
        """Return `template` with its placeholders filled; what is not there becomes nothing, with a note."""

        def put(found: re.Match[str]) -> str:
            if found.group() == "$${":
                return "${"
            value = self._look_up(found[1] or "")
            if value is _MISSING:
                self.notes.append(f"{self._place}: the task has no {found[1]}, left empty in a text")
                return ""
            if value is None:
                return ""
            return value if isinstance(value, str) else dump(value)

        return _PLACEHOLDER.sub(put, template)

    def inputs(self, template: JsonObject) -> JsonObject:
        """Return `template` filled; an entry whose data is not there is left out, with a note."""
        filled = self._fill(template, "inputs")
        return filled if isinstance(filled, dict) else {}

    def _fill(self, template: JsonValue, place: str) -> JsonValue | object:
        found = read(template, place)
        if isinstance(found, Reference):
            if found.subtask in self._data:
                value = self._look_up(".".join((found.subtask, *found.path)))
                what = f"the task has no {'.'.join((found.subtask, *found.path))}"
                filled = value if value is _MISSING else literal(value)  # type: ignore[arg-type]  # JSON unless missing
            else:
                linked = self._link(found)
                what = f"subtask {found.subtask} was left out"
                filled = _MISSING if linked is None else linked
            if filled is _MISSING:
                self.notes.append(f"{self._place}: {what}, so {place} is left out")
            return filled
        if isinstance(template, str):
            return literal(self.text(template))
        if isinstance(template, dict):
            items = ((key, self._fill(value, f"{place}.{key}")) for key, value in template.items())
            return {key: value for key, value in items if value is not _MISSING}
        if isinstance(template, list):
            entries = (self._fill(value, f"{place}[{at}]") for at, value in enumerate(template))
            return [value for value in entries if value is not _MISSING]
        return template

    def _look_up(self, path: str) -> JsonValue | object:
        value: JsonValue | object = self._data
        for part in path.split("."):
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                return _MISSING
        return value


def check_text(template: str, *, roots: Collection[str]) -> None:
    """Refuse text with a placeholder that could never be filled.

    Raises:
        ValueError: a malformed placeholder, or one that is not a path from `roots`.
    """
    for found in _PLACEHOLDER.finditer(template):
        if found.group() == "$${":
            continue
        path = found[1]
        if path is None or not _PATH.fullmatch(path):
            raise ValueError(
                f"placeholder {found.group()!r} must be a dotted path such as ${{task.title}}; write $${{ for ${{"
            )
        if path.split(".", 1)[0] not in roots:
            known = ", ".join(sorted(roots))
            raise ValueError(
                f"placeholder {found.group()!r} must start with one of {known}; a subtask's output goes into `inputs`, as a whole value"
            )


def check_inputs(
    template: JsonValue, *, roots: Collection[str], subtasks: Collection[str], place: str = "inputs"
) -> None:
    """Refuse inputs with a placeholder or reference that could never be filled.

    Raises:
        ValueError: naming the place.
    """
    found = read(template, place)
    if isinstance(found, Malformed):
        raise ValueError(f"{found.place}: {found.rule}")  # noqa: TRY004  # the value is wrong, not its type
    if isinstance(found, Reference):
        if found.subtask not in roots and found.subtask not in subtasks:
            raise ValueError(
                f"{place}: {found.subtask!r} is neither a subtask of this workflow nor one of {', '.join(sorted(roots))}"
            )
    elif isinstance(template, str):
        try:
            check_text(template, roots=roots)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
    elif isinstance(template, dict):
        for key, value in template.items():
            check_inputs(value, roots=roots, subtasks=subtasks, place=f"{place}.{key}")
    elif isinstance(template, list):
        for at, value in enumerate(template):
            check_inputs(value, roots=roots, subtasks=subtasks, place=f"{place}[{at}]")
