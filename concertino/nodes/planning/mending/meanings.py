"""What names and descriptions mean: words weighed by how few specialists they speak of."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from concertino.contracts.specialist import Cards
from concertino.nodes.planning.mending.kinds import Direction
from concertino.nodes.planning.mending.media import SAME
from concertino.nodes.planning.mending.words import STEM_CHARS, alike, plain, stems, without_remarks

IN_NAME, IN_DESCRIPTION = 1.0, 0.7
"""What a word counts that stands in a specialist's name, or only in its description; chosen by hand."""
LEAST = 0.65
"""Weight of a name's words that somebody must cover to be meant; chosen by hand, so that a name may be covered by the description
alone, and a word that nobody speaks of mostly breaks it."""
MARGIN = 0.15
"""Who comes this near to the best is as good; chosen by hand."""
OBJECTIVE_MARGIN = 0.15
"""How much more of an objective's words the chosen one must cover than the next; chosen by hand."""
_QUOTED = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"|<[^<>]*>")
"""What an objective cites is its data and not its work."""
ACRONYM = (2, 6)
"""Letters of an acronym, at least and at most."""

WORDS = 20_000
"""Words of which is kept who has them; chosen by hand."""


class Meanings:
    """The words of all specialists."""

    def __init__(self, cards: Cards) -> None:
        self._names = {name: frozenset(stems(name)) for name in cards}
        self._said = {name: " ".join(stems(card.description)) for name, card in cards.items()}
        self._unremarked = {name: " ".join(stems(without_remarks(card.description))) for name, card in cards.items()}
        self._full = {name: f" {plain(card.description)} " for name, card in cards.items()}
        self._bodies = {name: self._names[name] | frozenset(said.split()) for name, said in self._said.items()}
        spoken = Counter(word for body in self._bodies.values() for word in body)
        self._weights = {word: math.log(1 + len(cards) / count) for word, count in spoken.items()}
        self._by_start: dict[str, set[str]] = {}
        for word in spoken:
            self._by_start.setdefault(word[:STEM_CHARS], set()).add(word)
        self._holders: dict[str, dict[str, float]] = {}
        self._most = math.log(1 + len(cards)) if cards else 1.0

    def near(self, given: str, able: Sequence[str]) -> list[str]:
        """Return those of `able` whose name and description cover the words of a name best, if well enough."""
        wanted = list(dict.fromkeys(stems(given)))
        total = math.fsum(map(self._weight, wanted))
        if not wanted or total == 0:
            return []
        shares = {
            name: math.fsum(self._weight(word) * self._counts(word, name) for word in wanted) / total for name in able
        }
        best = max(shares.values(), default=0.0)
        return [name for name, share in shares.items() if share > best - MARGIN] if best >= LEAST else []

    def by_objective(self, able: Sequence[str], objective: str, given: str) -> str | None:
        """Return the one of `able` that speaks of what a step is to do; `None` where that is not clear.

        An objective that does not name its own step's specialist may be another step's.
        """
        if f" {plain(given)} " not in f" {plain(objective)} ":
            return None
        wanted = set(stems(_QUOTED.sub(" ", objective))) - set(stems(given))
        total = math.fsum(map(self._weight, wanted))
        if not wanted or total == 0:
            return None
        # By a word of its name: descriptions share too many words with what is done with anybody's output.
        named = {name for name in able if any(self._forms(word) & self._names[name] for word in wanted)}
        shares = sorted(
            ((math.fsum(self._weight(word) for word in wanted if self._counts(word, name)) / total, name) for name in able),
            reverse=True,
        )  # fmt: skip
        if not shares or (len(shares) > 1 and shares[0][0] - shares[1][0] < OBJECTIVE_MARGIN):
            return None
        best, chosen = shares[0]
        return chosen if best >= OBJECTIVE_MARGIN and (named == {chosen} or len(able) == 1) else None

    def mentioning(self, given: str) -> list[str]:
        """Return whose description has the words of a name in a row, or words that its letters are the initials of."""
        phrase, letters = " ".join(stems(given)), given.strip()
        is_acronym = letters.isalpha() and letters.isupper() and ACRONYM[0] <= len(letters) <= ACRONYM[1]
        if " " not in phrase and not is_acronym:
            return []
        found = []
        for name, said in self._said.items():
            in_row = " " in phrase and any(f" {phrase} " in f" {text} " for text in (said, self._unremarked[name]))
            if in_row or (is_acronym and self._abbreviates(letters.lower(), name)):
                found.append(name)
        return found

    def _abbreviates(self, letters: str, name: str) -> bool:
        words = self._full[name].split()
        return letters in words or (len(letters) > ACRONYM[0] and letters in "".join(word[0] for word in words))

    def says(self, name: str, way: Direction) -> bool:
        """Say whether a description speaks of turning one kind into another, in these words."""
        kinds = " ".join(SAME.get(word, word) for word in self._full[name].split())
        return f" {way.source} to {way.target} " in f" {kinds} "

    def _weight(self, word: str) -> float:
        known = self._weights.get(word)
        if known is None:
            known = min((self._weights[other] for other in self._forms(word)), default=self._most)
            if len(self._weights) < WORDS:
                self._weights[word] = known
        return known

    def _counts(self, word: str, name: str) -> float:
        holders = self._holders.get(word)
        if holders is None:
            forms = self._forms(word)
            holders = {
                holder: IN_NAME if forms & self._names[holder] else IN_DESCRIPTION
                for holder, body in self._bodies.items() if forms & body
            }  # fmt: skip
            if len(self._holders) < WORDS:
                self._holders[word] = holders
        return holders.get(name, 0.0)

    def _forms(self, word: str) -> set[str]:
        """Return the words that somebody uses and that are forms of this one."""
        begins = self._by_start.get(word[:STEM_CHARS], set())
        return {other for other in begins if alike(word, other)}
