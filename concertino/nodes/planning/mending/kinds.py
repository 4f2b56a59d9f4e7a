"""Kinds of media that specialists take and give, as far as their schemas, names and descriptions say: what narrows down who can be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning import schemas
from concertino.nodes.planning.mending.described import told
from concertino.nodes.planning.mending.media import SAME
from concertino.nodes.planning.mending.words import plain, without_remarks

ENDINGS = {
    "image": ("jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff", "svg"),
    "audio": ("wav", "mp3", "flac", "ogg", "m4a", "aac"),
    "video": ("mp4", "avi", "mov", "mkv", "webm"),
    "text": ("txt", "md"),
}
_ENDING = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}
_FILE = re.compile(r"[^\s'\"<>]+\.([A-Za-z0-9]{2,4})(?![A-Za-z0-9])")
_DIRECTION = re.compile(r"([a-z]+) to ([a-z]+)")

_FROM = re.compile(rf"\bfrom (?:[a-z0-9]+ ){{0,4}}?({'|'.join(SAME)})\b")


class Direction(NamedTuple):
    """What a name such as `Text-to-Speech` turns into what."""

    source: str
    target: str


class Kinds(NamedTuple):
    """What somebody takes and gives; empty is unknown."""

    takes: frozenset[str]
    gives: frozenset[str]
    speaks: frozenset[str] | None = None
    """Where nothing is declared: all kinds that name and description speak of; `None` where something is."""

    @property
    def known(self) -> frozenset[str]:
        """Return all kinds that it is known to have to do with."""
        return self.takes | self.gives | (self.speaks or frozenset())

    def may_take(self, kinds: frozenset[str]) -> bool:
        """Say whether one of `kinds` may go in, as far as anything is known; that text goes in often goes without saying."""
        if self.speaks:
            unsaid = frozenset[str]() if self.takes else frozenset({"text"})
            return bool(kinds & (self.takes | (self.speaks - self.gives) | unsaid))
        return not self.takes or bool(kinds & self.takes)

    def may_turn(self, way: Direction) -> bool:
        """Say whether one kind may be turned into the other; who is described without a word of one of the two does not."""
        if self.speaks and not {way.source, way.target} <= self.speaks:
            return False
        return self.takes <= {way.source} and self.gives <= {way.target}


def kinds_of(card: SpecialistCard) -> Kinds:
    """Return the kinds that a card's schemas name as properties, else those of its name; of what has no schema, its description's."""
    takes, gives = (
        frozenset(SAME[name.lower()] for name in schemas.property_names(schema) if name.lower() in SAME)
        if schema is not None else frozenset[str]()
        for schema in (card.input_schema, card.output_schema)
    )  # fmt: skip
    way = direction_of(card.name)
    if way is not None:
        takes = takes or frozenset({way.source})
        gives = gives or frozenset({way.target})
    if card.input_schema is not None or card.output_schema is not None:
        return Kinds(takes, gives)
    said = told(card.description)
    return Kinds(takes or taken_by(card.name) or said.takes, gives or said.gives, said.speaks | named_in(card.name))


@lru_cache(maxsize=10_000)
def named_in(text: str) -> frozenset[str]:
    """Return the kinds that a name speaks of."""
    return frozenset(SAME[word] for word in plain(text).split() if word in SAME)


@lru_cache(maxsize=10_000)
def taken_by(name: str) -> frozenset[str]:
    """Return the kinds that a name says it goes by: `Image Search (by Text)`."""
    return frozenset(SAME[word] for word in re.findall(r"\bby ([a-z]+)", plain(name)) if word in SAME)


@lru_cache(maxsize=10_000)
def direction_of(name: str) -> Direction | None:
    """Return what a name turns into what, where it is made of two kinds and no more; what stands in brackets is a remark."""
    found = _DIRECTION.fullmatch(plain(without_remarks(name)))
    if found is None or found[1] not in SAME or found[2] not in SAME:
        return None
    return Direction(SAME[found[1]], SAME[found[2]])


def kinds_in(values: Iterable[Any]) -> frozenset[str]:
    """Return the kinds of the files and addresses that stand in arguments."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, str):
            files = {_ENDING[end.lower()] for end in _FILE.findall(value) if end.lower() in _ENDING}
            found |= files or ({"url"} if _is_address(value) else set())
        elif isinstance(value, Mapping):
            found |= kinds_in(value.values())
        elif isinstance(value, list | tuple):
            found |= kinds_in(value)
    return frozenset(found)


def spoken_of(objective: str) -> frozenset[str]:
    """Return the kind that an objective takes something from: `extract the text from the stylized image`."""
    found = [SAME[word] for word in _FROM.findall(plain(objective)) if word in SAME]
    return frozenset(found) if len(set(found)) == 1 else frozenset()


def _is_address(text: str) -> bool:
    try:
        return urlsplit(text.strip(" <>'\"")).scheme in ("http", "https")
    except ValueError:
        return False
