"""Acceptance criteria spread over a plan that nobody wrote: each to the one specialist whose description fits it best."""

from __future__ import annotations

import re
from collections.abc import Sequence

from concertino.contracts.requirements import Criterion
from concertino.contracts.specialist import Cards, SpecialistCard

STEM_CHARS = 5
"""Words are alike from their first letters, so that `finance` and `financial`, `lawsuits` and `lawsuit` are one."""
WORD_CHARS = 4
"""Shorter words are left out. Both were chosen by hand."""
IDLE = frozenset({
    "about", "above", "after", "also", "been", "before", "both", "does", "each", "every", "from", "have", "into", "more", "must", "only",
    "other", "over", "shall", "should", "some", "such", "than", "that", "their", "them", "then", "there", "these", "they", "this", "under",
    "were", "what", "when", "where", "which", "will", "with",
})  # fmt: skip
_WORD = re.compile(rf"[^\W\d_]{{{WORD_CHARS},}}")


def spread(criteria: Sequence[Criterion], names: Sequence[str], cards: Cards) -> dict[str, list[str]]:
    """Return ids of criteria by specialist, each criterion once.

    A criterion goes to whom it shares most words with, in name, description, capabilities and domain; a word that several have
    counts for less. Among equals, and for one that shares words with nobody, the highest authority decides, then the order.

    Args:
        criteria: what the answer must cover.
        names: the specialists of the plan, at least one, none twice.
        cards: the specialists there are.
    """
    known = {name: _stems(_about(cards[name])) for name in names}
    held: dict[str, int] = {}
    for stems in known.values():
        for stem in stems:
            held[stem] = held.get(stem, 0) + 1
    found: dict[str, list[str]] = {}
    for criterion in criteria:
        asked = sorted(_stems(criterion.text))
        best = max(
            names,
            key=lambda name: (sum(1 / held[stem] for stem in asked if stem in known[name]), cards[name].authority),
        )
        found.setdefault(best, []).append(criterion.id)
    return found


def _about(card: SpecialistCard) -> str:
    return " ".join((card.name.replace("_", " "), card.description, *sorted(card.capabilities), card.domain or ""))


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:STEM_CHARS] for word in _WORD.findall(text.casefold().replace("_", " ")) if word not in IDLE)
