"""What the commands print: JSON for programs on stdout, words for people on stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

STDOUT = "standard output"
"""What errors call it."""


def emit(value: Any) -> None:
    """Print one JSON document on stdout, indented.

    Raises:
        OSError: it cannot be written. That nobody reads it any more is no error: the exit code says how things went.
    """
    _put(_json(value, indent=2))


def emit_line(value: Any) -> bool:
    """Print one JSON document on a line of its own, at once, so that a pipe can follow; say whether anybody reads it.

    Raises:
        OSError: it cannot be written.
    """
    return _put(_json(value, separators=(",", ":")))


def say(text: str) -> None:
    """Print words for a person on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _json(value: Any, **form: Any) -> str:
    """Return `value` as JSON that stdout can hold: where its encoding lacks a character, all but ASCII is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **form)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, **form)
    return text


def _put(text: str) -> bool:
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would be tried again by whoever flushes next.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open for as long as the process
        return False
    except OSError as error:
        raise OSError(error.errno, error.strerror, STDOUT) from error
    return True
