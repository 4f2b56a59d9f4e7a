"""Reallocation: what specialists that have nothing left to do did not use, others may use.

Source: document 004, resource allocation: "orchestrator monitors and reallocates resources"; its shares are the weights. What a
specialist may use is a cap, not a reservation, so moving caps takes nothing from anybody and the limits above them hold as
before. The caps are a function of what was planned and what is used: asked again, the same comes out, after a crash too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from concertino.contracts.budget import Dimension


@dataclass(frozen=True, slots=True)
class Party:
    """One account that takes part, in every dimension in which it is bounded."""

    bound: tuple[int | None, ...]
    """What it was given to begin with; `None` takes no part."""
    most: tuple[int | None, ...]
    """What it may never pass; `None` is no such bound."""
    is_done: bool
    """Whether nothing is left for it to do."""


class Share(NamedTuple):
    """One party in one dimension."""

    bound: int
    used: int
    """Settled, held and granted."""
    most: int | None
    is_done: bool


class Move(NamedTuple):
    """A cap that was changed."""

    path: tuple[str, ...]
    dimension: Dimension
    before: int
    after: int


def divided(shares: Sequence[Share]) -> list[int]:
    """Return each party's cap, in order.

    What is left of all bounds together goes to those that are not done: first up to their own bounds, then by weight,
    which is the bound, as far as they may have more. What nobody may have stays with those that are done. Nobody gets
    less than it has used; together they never get more than the bounds, or than was used where that is more.
    Rounding goes to the largest remainder, then to the first.
    """
    caps = [share.used for share in shares]
    left = max(0, sum(share.bound for share in shares) - sum(caps))
    waiting = [at for at, share in enumerate(shares) if not share.is_done]
    own = [max(0, _most(shares[at], shares[at].bound) - caps[at]) for at in waiting]
    for at, n in zip(waiting, _spread(min(left, sum(own)), own, own), strict=True):
        caps[at] += n
        left -= n
    room = [max(0, _most(shares[at], caps[at] + left) - caps[at]) for at in waiting]
    for at, n in zip(waiting, _spread(left, [shares[at].bound for at in waiting], room), strict=True):
        caps[at] += n
        left -= n
    done = [at for at, share in enumerate(shares) if share.is_done]
    kept = [max(0, _most(shares[at], shares[at].bound) - caps[at]) for at in done]
    for at, n in zip(done, _spread(left, kept, kept), strict=True):
        caps[at] += n
    return caps


def _most(share: Share, wanted: int) -> int:
    return wanted if share.most is None else min(wanted, share.most)


def _spread(total: int, weights: Sequence[int], room: Sequence[int]) -> list[int]:
    """Return how much of `total` each gets: by weight, none more than its room."""
    given = [0] * len(weights)
    while total > 0:
        open_ = [at for at, weight in enumerate(weights) if weight > 0 and given[at] < room[at]]
        if not open_:
            break
        weight = sum(weights[at] for at in open_)
        exact = {at: divmod(total * weights[at], weight) for at in open_}
        full = [at for at in open_ if exact[at][0] >= room[at] - given[at]]
        if full:
            # Who has enough by its weight leaves the rest to the others.
            for at in full:
                total -= room[at] - given[at]
                given[at] = room[at]
            continue
        spare = total - sum(whole for whole, _ in exact.values())
        for at in sorted(open_, key=lambda at: (-exact[at][1], at)):
            extra = 1 if spare > 0 else 0
            spare -= extra
            given[at] += exact[at][0] + extra
        break
    return given
