"""Text as words, for whole-word matching."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")


def words(text: str) -> str:
    """Return the words of `text`, case folded, each between single spaces: punctuation counts as a space."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def has(prepared: str, keyword: str) -> bool:
    """Say whether `keyword`, one or more words, stands in a text that went through `words`."""
    return words(keyword) in prepared
