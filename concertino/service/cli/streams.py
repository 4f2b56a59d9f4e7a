"""The process's standard streams, made so that nobody who listens badly, or not at all, changes what a run does."""

from __future__ import annotations

import io
import os
import sys


class Unfailing(io.TextIOWrapper):
    """A text stream for what people may read: a full disk or a reader that went away loses the words, not the run."""

    def write(self, text: str, /) -> int:
        """Write `text`, if it can be written."""
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Send what was written, if it can be sent."""
        try:
            super().flush()
        except OSError:
            return


def make_ready() -> None:
    """Make the streams of this process fit for the command; called once, before anything is opened.

    A stream that is closed becomes the null device: its number would else go to the next file, a journal perhaps. What stdout's
    encoding does not have is escaped. What cannot be said on stderr is not said.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open for as long as the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = Unfailing(open(2, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115
    elif isinstance(sys.stderr, io.TextIOWrapper):
        known = sys.stderr.encoding
        sys.stderr = Unfailing(sys.stderr.buffer, encoding=known, errors="backslashreplace", line_buffering=True)
