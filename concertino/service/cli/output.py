"""What the commands print: JSON for programs on stdout, words for people on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any


def emit(value: Any) -> None:
    """Print one JSON document on stdout, indented."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def emit_line(value: Any) -> None:
    """Print one JSON document on a line of its own, at once, so that a pipe can follow."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Print words for a person on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
