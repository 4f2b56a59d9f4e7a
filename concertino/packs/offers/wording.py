"""Reading people's words for roles, levels and places: one normal form, and the nearest known phrase."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_WORD = re.compile(r"[^\W_]+")

TYPO_CUTOFF = 0.84
"""How alike two phrases must be (difflib ratio, 0-1) to count as a misspelling. Chosen by hand."""


def normal(text: str) -> str:
    """Return `text` as lower-case words without accents or punctuation, one space between."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(_WORD.findall("".join(char for char in plain if not unicodedata.combining(char))))


def longest_within(text: str, phrases: Iterable[str]) -> str | None:
    """Return the longest of `phrases` that stands in `text` as whole words; both in normal form."""
    padded = f" {text} "
    found = [phrase for phrase in phrases if f" {phrase} " in padded]
    return max(found, key=lambda phrase: (len(phrase), phrase), default=None)


def misspelt(text: str, phrases: Iterable[str]) -> str | None:
    """Return the phrase that `text` most likely misspells, or `None`. Reads at most 100 characters."""
    close = get_close_matches(text[:100], sorted(phrases), n=1, cutoff=TYPO_CUTOFF)
    return close[0] if close else None
