"""Who does it: a capability, or a family of A/B variants, becomes the name of one specialist.

Every candidate gets an expected success rate times the room it has left:

    score = rate · 1 / (1 + load / slots)

`rate` is the mean of Beta(1 + completed, 1 + failed), Laplace's rule of succession: a specialist without a record counts 1/2. Among
A/B variants of one family it is a draw from that distribution instead (Thompson sampling), so that a worse variant is asked less
and less but a new one is tried. The draw is seeded by task, family and name: the same task always gets the same answer.
Source: Thompson, Biometrika 25 (1933); Chapelle and Li, NIPS 2011. `load` counts what runs and what this plan has already given.
Healthy and unknown come before degraded, and these before failing ones and open breakers, which stay last resorts. Ties go to
the higher authority, then to the name.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Mapping, Sequence

from concertino.contracts.plan import Subtask
from concertino.contracts.specialist import Cards, SpecialistCard, Standing, Standings

SLOTS = 8
"""Slots assumed for a specialist that declares no `max_concurrency`; the planner's default concurrency."""

RESERVED_NAMES = frozenset({
    "intake", "plan", "approve", "dispatch", "review", "synthesize", "deliver", "remote", "__start__", "__end__",
})  # fmt: skip
"""The graph's own nodes; no specialist can have such a name."""

_UNKNOWN = Standing()


def rank(
    capability: str,
    cards: Cards,
    standings: Standings,
    *,
    task_id: str,
    exclude: Collection[str] = (),
    given: Mapping[str, int] | None = None,
) -> list[str]:
    """Return the specialists that have `capability`, best first.

    Args:
        capability: what is asked for.
        cards: the specialists.
        standings: how they are doing; who is missing there is unknown.
        task_id: seeds the draws among variants.
        exclude: names to leave out.
        given: subtasks already given to each in this plan.
    """
    able = [name for name in cards if capability in capabilities(name, cards) and name not in exclude]
    return _sorted(able, cards, standings, task_id, given or {})


def variants(name: str, cards: Cards) -> list[str]:
    """Return the A/B family of `name`, itself included."""
    family = _family(cards[name])
    return [other for other, card in cards.items() if _family(card) == family]


def pick_variant(
    name: str, cards: Cards, standings: Standings, *, task_id: str, given: Mapping[str, int] | None = None
) -> str:
    """Return the member of the A/B family of `name` that is to work on this task; a family's base name stands for all."""
    members = variants(name, cards)
    if len(members) == 1 or cards[name].variant_of is not None:
        return name
    return _sorted(members, cards, standings, task_id, given or {})[0]


def one_per_family(names: Sequence[str], cards: Cards, standings: Standings, *, task_id: str) -> list[str]:
    """Return `names` with one member of each A/B family, in order."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(_family(cards[name]), []).append(name)
    return [_sorted(members, cards, standings, task_id, {})[0] for members in families.values()]


def alternatives(subtask: Subtask, cards: Cards, standings: Standings, task_id: str) -> list[str]:
    """Return who else could do `subtask`, best first.

    Its own specialist's A/B variants, and the specialists that have the capability it asks for; where it asks by name, those
    that have all capabilities of the one named.
    """
    own = cards.get(subtask.specialist or "")
    wanted = {subtask.capability} if subtask.capability else set(own.capabilities) if own else set()
    family = _family(own) if own is not None else None
    found = [
        name
        for name, card in cards.items()
        if name != subtask.specialist and (_family(card) == family or (wanted and wanted <= capabilities(name, cards)))
    ]
    return _sorted(found, cards, standings, task_id, {})


def takers(subtasks: Sequence[Subtask], cards: Cards) -> list[str]:
    """Return everybody who is among the `alternatives` of some of `subtasks`, in the order of `cards`."""
    families: dict[str, set[str]] = {}
    skilled: dict[str, set[str]] = {}
    for name, card in cards.items():
        families.setdefault(_family(card), set()).add(name)
        for skill in capabilities(name, cards):
            skilled.setdefault(skill, set()).add(name)
    planned: dict[tuple[frozenset[str], str | None], set[str]] = {}
    for subtask in subtasks:
        own = cards.get(subtask.specialist or "")
        wanted = (
            frozenset({subtask.capability}) if subtask.capability else own.capabilities if own else frozenset[str]()
        )
        planned.setdefault((wanted, _family(own) if own else None), set()).add(subtask.specialist or "")
    found: set[str] = set()
    for (wanted, family), names in planned.items():
        able = set.intersection(*(skilled.get(skill, set()) for skill in wanted)) if wanted else set[str]()
        able |= families.get(family or "", set())
        found |= able if len(names) > 1 else able - names
    return [name for name in cards if name in found]


def capabilities(name: str, cards: Cards) -> frozenset[str]:
    """Return what a specialist can do; a variant that declares nothing can do what its base can."""
    card = cards[name]
    if card.capabilities or card.variant_of is None or card.variant_of not in cards:
        return card.capabilities
    return cards[card.variant_of].capabilities


def known_capabilities(cards: Cards) -> tuple[str, ...]:
    """Return every capability that some specialist has, in order of the alphabet."""
    return tuple(sorted({capability for card in cards.values() for capability in card.capabilities}))


def _sorted(
    names: Sequence[str], cards: Cards, standings: Standings, task_id: str, given: Mapping[str, int]
) -> list[str]:
    families = [_family(cards[name]) for name in names]

    def key(name: str) -> tuple[int, float, float, str]:
        card, standing = cards[name], standings.get(name, _UNKNOWN)
        family = _family(card)
        rival = families.count(family) > 1
        rate = _draw(standing, f"{task_id}\0{family}\0{name}") if rival else _mean(standing)
        load = standing.running + given.get(name, 0)
        score = rate / (1 + load / (card.max_concurrency or SLOTS))
        return _class(standing), -round(score, 9), -card.authority, name

    return sorted(names, key=key)


def _class(standing: Standing) -> int:
    if standing.breaker_open or standing.health == "failing":
        return 2
    return 1 if standing.health == "degraded" else 0


def _mean(standing: Standing) -> float:
    return (1 + standing.completed) / (2 + standing.completed + standing.failed)


def _draw(standing: Standing, seed: str) -> float:
    digest = hashlib.sha256(seed.encode()).digest()
    draw = random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311  # an experiment's draw, no secret
    return draw.betavariate(1 + standing.completed, 1 + standing.failed)


def _family(card: SpecialistCard) -> str:
    return card.variant_of or card.name
