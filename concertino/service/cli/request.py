"""A request in free words, as a task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from concertino.contracts.errors import InputError
from concertino.contracts.limits import Limits
from concertino.contracts.task import Task, read_task

if TYPE_CHECKING:
    from concertino.contracts.json import JsonObject

TITLE_CHARS = 120
"""Longest text that is a title as a whole; chosen by hand."""
ENDINGS = (".json", ".yaml", ".yml", ".txt", ".md")


def task_of(text: str, *, task_id: str | None = None, payload: JsonObject | None = None) -> Task:
    """Return the task that asks for `text`: a short one is its title, of a longer one the first line is, and all of it the description.

    Raises:
        InputError: too long.
    """
    words = text.strip()
    first = words.partition("\n")[0].strip()
    given: JsonObject = {"title": words} if len(words) <= TITLE_CHARS and first == words else {
        "title": first if len(first) <= TITLE_CHARS else f"{first[: TITLE_CHARS - 1]}…", "description": words,
    }  # fmt: skip
    if task_id is not None:
        given["task_id"] = task_id
    if payload is not None:
        given["payload"] = payload
    return read_task(given, limits=Limits())


def is_file(given: str) -> bool:
    """Say whether a file is meant: one that is there, or standard input, or a name that nobody would write as a request.

    Raises:
        InputError: it looks like a file's name, and there is none.
    """
    if not given.strip():
        raise InputError(field="FILE|TEXT", value=given, rule="name a file, or write a request")
    try:
        if given == "-" or Path(given).exists():
            return True
    except (OSError, ValueError):  # too long for a name, or with characters that none can have
        return False
    if not any(character.isspace() for character in given.strip()) and (given.endswith(ENDINGS) or "/" in given):
        raise InputError(field="FILE|TEXT", value=given, rule="no such file")
    return False
