"""Identifiers: the one rule they obey, and how new ones are made."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Annotated

from pydantic import StringConstraints

ID_RULE = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
"""What an id from outside may be, by full match; also safe as a file name."""

_ID = re.compile(ID_RULE)

Name = Annotated[str, StringConstraints(pattern=rf"^{ID_RULE}$")]
"""A task id, plan-local subtask id, specialist, capability or criterion name from outside."""


Ids = Callable[[str], str]
"""Makes a fresh id of a prefix, as `new_id` does; it obeys `ID_RULE` where the prefix does. Called from any thread."""


def is_id(text: object) -> bool:
    """Say whether `text` is a string that fully matches `ID_RULE`."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def new_id(prefix: str) -> str:
    """Return a fresh random id such as `run-3f9c0a…`: the prefix, a dash, 20 hex digits."""
    return f"{prefix}-{uuid.uuid4().hex[:20]}"


def subtask_id(specialist: str, task_id: str, number: int) -> str:
    """Return the id of a subtask that our planner made: `specialist::task_id::n`, n from 1.

    Source: document 002, sample status response.
    """
    return f"{specialist}::{task_id}::{number}"
