"""Reports that were kept as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from concertino.contracts.errors import FileInvalid, InputError
from concertino.contracts.json import JsonObject
from concertino.evals.reports.difference import check

MOST_BYTES = 1_000_000_000
"""A thousand cases of five subtasks make some ten million; chosen by hand."""


def read_report(path: Path) -> JsonObject:
    """Return the report in a file.

    Raises:
        FileInvalid: it cannot be read, is larger than `MOST_BYTES`, or is no report of a format that is known.
    """
    shown = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _refused(shown, None, "", f"cannot be read: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise _refused(shown, None, "a larger file", f"at most {MOST_BYTES} bytes")
    try:
        found: Any = json.loads(data)
    except UnicodeDecodeError as error:
        raise _refused(shown, data.count(b"\n", 0, error.start) + 1, f"byte {error.start}", "must be UTF-8") from error
    except json.JSONDecodeError as error:
        raise _refused(shown, error.lineno, f"column {error.colno}", f"must be JSON: {error.msg}") from error
    except RecursionError as error:
        raise _refused(shown, None, "…", "nested too deep for a report") from error
    try:
        check(found, field="report")
    except InputError as error:
        raise _refused(shown, None, error.field, error.rule) from error
    made: JsonObject = found
    return made


def _refused(file: str, line: int | None, value: str, rule: str) -> FileInvalid:
    return FileInvalid(file=file, line=line, value=value, rule=rule)
