"""Which specialist an unknown name means, where that is plain; what several fit equally, nobody is given.

In this order, the first that gives exactly one:

1. the same words: case, spaces, hyphens, plural and endings aside, remarks in brackets too; a picture is an image;
2. a direction, `A-to-B`: whoever turns just that into that, by name, by kinds, or by a description that says so;
3. a misspelling, by difflib's ratio;
4. a description that has the name's words in a row, or words with its letters as initials (`OCR`);
5. the name's last words: `Machine Translation` is `Translation`, unless others end so too;
6. more words of whose name, or fewer: at least half of both names' words in common;
7. its words in name and description, see `meanings`.

A name that speaks of a kind of media means nobody who neither takes nor gives it (or, where nothing is declared, speaks of it), nor
a namesake for another kind: `Audio Speed Changer` is not `Video Speed Changer`, unless that one's description speaks of audio. What
goes in counts too, by files in the arguments and by what those before it give. Only a description that has the very words is believed
all the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from concertino.contracts.specialist import Cards
from concertino.nodes.planning.mending.kinds import Direction, direction_of, kinds_of, named_in, taken_by
from concertino.nodes.planning.mending.meanings import Meanings
from concertino.nodes.planning.mending.media import NARROW, SAME
from concertino.nodes.planning.mending.words import alike, plain, stems, without_remarks

CLOSE, CLOSE_JOINED = 0.82, 0.92
"""difflib's ratio from which a name is taken for a misspelling, and where it has more words or fewer; chosen by hand."""
MARGIN = 0.08
"""How far the next best has to be below it; chosen by hand."""
SHARED = 0.5
"""Least share of words, of both names together, that a name and its longer or shorter form have in common; chosen by hand."""
LETTERS = 4
"""Letters below which a name is no misspelling of anything."""
MAKING = ("generat", "creat", "mak", "produc")
"""How words begin that make the thing that stands before them; what is extracted or converted may also be what goes in."""
TURNING = (*MAKING, "extract", "convert", "captur", "retriev")
"""How words begin that get one thing out of another."""
NAME_CHARS = 128
"""Longer names are no names."""

KNOWN = 2_000
"""Answers that are kept; later ones are found anew each time. Chosen by hand."""
OBJECTIVE_CHARS = 1_000
"""Answers with longer objectives are not kept."""


@dataclass(frozen=True, slots=True)
class Match:
    """Who is meant, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An unknown name with what stands around it."""

    name: str
    objective: str = ""
    """What the step is to do; heard where the name alone leaves several."""
    sources: frozenset[str] = frozenset()
    """Kinds of what goes into it."""


class Names:
    """The specialists there are, to be looked up by names that are not quite theirs."""

    def __init__(self, cards: Cards) -> None:
        self._cards = cards
        self._kinds = {name: kinds_of(card) for name, card in cards.items()}
        self._stems = {name: _bare(name) for name in cards}
        self._media = frozenset(kind for own in self._kinds.values() for kind in own.known) - {"text"}
        self._by_kind = {name: _by_kind(name, narrow=False) for name in cards if self._stems[name]}
        self._turns = {name: direction_of(name) for name in cards}
        self._spoken = {name: named_in(name) for name in cards}
        self._words = {name: plain(name).split() for name in cards}
        self._meanings = Meanings(cards)
        self._narrower: dict[str, bool] = {}
        self._known: dict[Asked, Match | None] = {}

    def meant(self, asked: Asked) -> Match | None:
        """Return who is plainly meant by an unknown name; `None` where nobody or several could be."""
        if len(asked.name) > NAME_CHARS:
            return None
        if asked in self._known:
            return self._known[asked]
        found = self._find(asked)
        if len(self._known) < KNOWN and len(asked.objective) <= OBJECTIVE_CHARS:
            self._known[asked] = found
        return found

    def _find(self, asked: Asked) -> Match | None:
        way = direction_of(asked.name)
        if way is not None:
            return self._directed(way, asked)
        same = self._same(asked.name)
        if same is not None:
            return Match(same, "the same words")
        alike_kind = _only(name for name, own in self._by_kind.items() if own == _by_kind(asked.name, narrow=True))
        if alike_kind is not None:
            return Match(alike_kind, "the same words, for the same kind")
        spoken = named_in(asked.name)
        by = taken_by(asked.name)
        able = [name for name, own in self._kinds.items() if self._may(name, spoken) and (not by or own.may_take(by))]
        ways: tuple[tuple[str, Callable[[str, list[str]], str | None]], ...] = (
            ("a close spelling", self._misspelt),
            ("its description names it", self._mentioned),
            ("the last words of the name", self._ending),
            ("the nearest name", self._contained),
        )
        for reason, look in ways:
            found = look(asked.name, able)
            if found is not None:
                return Match(found, reason)
        return self._understood(asked, able)

    def _may(self, name: str, wanted: frozenset[str]) -> bool:
        """Say whether somebody has to do with the kinds that a name speaks of."""
        own, theirs = self._kinds[name], self._spoken[name]
        if own.takes and own.gives and not wanted <= own.known:
            return False
        if own.speaks is not None and not wanted & self._media <= own.known:
            return False
        if not wanted or not theirs or wanted & theirs or wanted in (own.takes, own.gives):
            return True
        return wanted <= named_in(self._cards[name].description)

    def _may_take(self, name: str, sources: frozenset[str]) -> bool:
        own = self._kinds[name]
        # Where others are described with a kind, who is not does not take it.
        is_strange = own.speaks is not None and sources <= self._media and not sources & own.known
        return own.may_take(sources) and not is_strange

    def _same(self, given: str) -> str | None:
        wanted = sorted(_bare(given))
        found = [name for name, own in self._stems.items() if wanted and sorted(own) == wanted]
        if len(found) > 1:
            found = [name for name in found if self._stems[name] == _bare(given)]
        if len(found) > 1:
            found = [name for name in found if plain(name) == plain(given)]
        return _only(found)

    def _directed(self, way: Direction, asked: Asked) -> Match | None:
        named = _only(name for name, own in self._turns.items() if own == way)
        if named is not None:
            return Match(named, f"it turns {way.source} into {way.target}")
        source, target = frozenset({way.source}), frozenset({way.target})
        able = [name for name, own in self._kinds.items() if own.takes == source and own.gives == target]
        possible = [name for name, own in self._kinds.items() if own.may_turn(way)]
        saying = _only(name for name in possible if self._meanings.says(name, way))
        # Of those who keep the kind, others may do so without saying it.
        clear = _only(able) if source != target or able == possible else None
        chosen = clear or saying or self._meanings.by_objective(possible, asked.objective, asked.name)
        return None if chosen is None else Match(chosen, f"it turns {way.source} into {way.target}")

    def _misspelt(self, given: str, able: list[str]) -> str | None:
        words = plain(given).split()
        if sum(map(len, words)) < LETTERS:
            return None
        ratios = {name: _closeness(words, own) for name, own in self._words.items()}
        found = _best(ratios, CLOSE)
        return found if found in able else None

    def _mentioned(self, given: str, able: list[str]) -> str | None:
        return _only(self._meanings.mentioning(given))

    def _ending(self, given: str, able: list[str]) -> str | None:
        wanted = _bare(given)
        if {"and", "or"} & set(plain(given).split()):
            return None
        found = [name for name in able if (own := self._stems[name]) and _alike(own, wanted[-len(own) :])]
        if len(found) != 1:
            return None
        own = self._stems[found[0]]
        rivals = [name for name, other in self._stems.items() if name != found[0] and _alike(own, other[-len(own) :])]
        return None if rivals else found[0]

    def _contained(self, given: str, able: list[str]) -> str | None:
        wanted = set(_bare(given))
        shares: dict[str, float] = {}
        for name in able:
            words = set(self._stems[name])
            if self._turns[name] is not None or not words or not wanted:
                continue
            # A narrower name is no plain one's where others are narrower too.
            if wanted <= words or (words <= wanted and not self._has_narrower(name)):
                shares[name] = len(words & wanted) / len(words | wanted)
        return _best(shares, SHARED)

    def _has_narrower(self, name: str) -> bool:
        if name not in self._narrower:
            words = set(self._stems[name])
            self._narrower[name] = any(words < set(other) for other in self._stems.values())
        return self._narrower[name]

    def _understood(self, asked: Asked, able: list[str]) -> Match | None:
        near = self._meanings.near(asked.name, able)
        if asked.sources and not taken_by(asked.name):
            fitting = asked.sources if _turns(asked.name) else asked.sources | named_in(asked.name)
            near = [name for name in near if self._may_take(name, fitting)]
        found = _only(near) or self._meanings.by_objective(near, asked.objective, asked.name)
        if found is not None and not self._makes_else(found, asked.name):
            return Match(found, "its name and description have the words")
        turned = self._turning(asked)
        return None if turned is None else Match(turned, "what goes in and what is asked for")

    def _makes_else(self, name: str, given: str) -> bool:
        """Say whether a name asks for a kind to be made that somebody does not give: `Audio Generation` of who makes images of it."""
        gives = self._kinds[name].gives
        return _turns(given, MAKING) and bool(gives) and not gives & named_in(given)

    def _turning(self, asked: Asked) -> str | None:
        """Return whoever turns what goes in into the one other kind that the name speaks of: a `Text Extractor` given an image."""
        wanted = named_in(asked.name)
        if len(wanted) != 1 or len(asked.sources) != 1 or wanted == asked.sources or not _turns(asked.name):
            return None
        way = Direction(next(iter(asked.sources)), next(iter(wanted)))
        return _only(name for name, own in self._turns.items() if own == way)


def _bare(name: str) -> tuple[str, ...]:
    """Return a name's words without endings; what stands in brackets counts only where nothing else does."""
    return stems(without_remarks(name)) or stems(name)


def _by_kind(name: str, *, narrow: bool) -> tuple[str, ...]:
    """Return a name's words with each kind by one word; unless `narrow`, a voice stays one, as not all audio is."""
    words = plain(without_remarks(name)).split()
    return stems(" ".join(SAME.get(word, word) if narrow or word not in NARROW else word for word in words))


def _turns(name: str, beginnings: tuple[str, ...] = TURNING) -> bool:
    """Say whether a name asks for a kind of thing to be got out of another."""
    words = plain(without_remarks(name)).split()
    return len(words) == 2 and words[0] in SAME and words[1].startswith(beginnings)


def _closeness(one: list[str], other: list[str]) -> float:
    """Return how near two names are by their letters; word by word where they have as many, as one word may be the whole difference.

    What is too far to count is 0.
    """
    if len(one) == len(other):
        least = 1.0
        for given, own in zip(one, other, strict=True):
            least = min(least, _ratio(given, own, CLOSE - MARGIN))
            if least == 0:
                break
        return least
    return _ratio("".join(one), "".join(other), CLOSE_JOINED)


def _ratio(one: str, other: str, least: float) -> float:
    if one == other:
        return 1.0
    matcher = difflib.SequenceMatcher(None, one, other)
    if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= least else 0.0


def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other, strict=True))


def _best(scores: Mapping[str, float], least: float) -> str | None:
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] < least or (len(ranked) > 1 and ranked[0][1] - ranked[1][1] < MARGIN):
        return None
    return ranked[0][0]


def _only(found: Iterable[str]) -> str | None:
    known = list(found)
    return known[0] if len(known) == 1 else None
