"""Names and descriptions as words that can be compared."""

from __future__ import annotations

import re
from functools import lru_cache

ENDINGS = ("ization", "isation", "ations", "ation", "ators", "ator", "izers", "izer", "ition", "ction", "ings", "ing", "ers", "ors", "er", "or", "ed", "ies",
           "es", "s", "ion", "al", "y", "e")  # fmt: skip
STOP = frozenset({
    "a", "agent", "an", "and", "any", "api", "are", "as", "be", "by", "can", "could", "each", "file", "for", "from",
    "function", "given", "in", "input", "into", "is", "it", "its", "model", "models", "new", "of", "on", "one", "or",
    "other", "output", "service", "some", "specialist", "step", "such", "task", "that", "the", "these", "this", "to",
    "tool", "use", "used", "user", "using", "when", "which", "will", "with", "you",
})  # fmt: skip
"""Words that tell no specialist from another."""
STEM_CHARS = 4
ALIKE = 0.7
"""Share of the longer of two stems that they begin with in common to be one word; chosen by hand."""


def plain(text: str) -> str:
    """Return a text's words in lower case, parted by single spaces; camel case is parted too."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    return " ".join(re.findall(r"[^\W_]+", parted.lower()))


def without_remarks(text: str) -> str:
    """Return a text without what stands in brackets."""
    return re.sub(r"\([^()]*\)", " ", text)


def stems(text: str) -> tuple[str, ...]:
    """Return a text's words without endings and without those that say nothing, in order."""
    return tuple(stem(word) for word in plain(text).split() if word not in STOP)


@lru_cache(maxsize=10_000)
def stem(word: str) -> str:
    """Return a word without its ending, if enough is left."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= STEM_CHARS:
            rest = word[: -len(ending)]
            return rest[:-1] if len(rest) > STEM_CHARS and rest[-1] == rest[-2] else rest
    return word


def alike(one: str, other: str) -> bool:
    """Say whether two stems are forms of one word, such as `transl` and `translat`."""
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < STEM_CHARS + 1:
        return False
    common = next((at for at, letter in enumerate(shorter) if letter != longer[at]), len(shorter))
    return common > STEM_CHARS and common / len(longer) >= ALIKE
