"""What one more specialist would be worth to an answer already given, and whose change of mind would turn it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Set
from itertools import combinations

from concertino.nodes.synthesis.learned.cases import Asked, Reply
from concertino.nodes.synthesis.learned.claims import fraction
from concertino.nodes.synthesis.learned.labels import LabelModel, Pooled
from concertino.nodes.synthesis.learned.worth import worth_of_one_more
from concertino.nodes.synthesis.result import Worth

SWITCHES = 3
"""At most so many supporters are tried as going over to the rival."""
SMALL = 5
"""Among up to so many voices all sets of supporters are tried; more would take milliseconds. Chosen by hand."""


def worth_of(
    model: LabelModel,
    asked: Asked,
    pooled: Pooled,
    *,
    winner: str,
    barred: Set[str],
    missing: Sequence[tuple[str, float]],
) -> tuple[Worth, ...]:
    """Return what each missing specialist, and a stranger, would be worth.

    One vote for the strongest rival, said or not, turns the answer where its weight, in this company, is at least the log ratio of the
    two. This is exact for log odds; ways that let the surest decide are turned less easily. Whoever copies somebody present says what that
    one says, and adds nothing.

    Args:
        model: What was learned.
        asked: The question with everybody who is heard.
        pooled: What they say together.
        winner: The answer.
        barred: Answers that may not be given.
        missing: By name, with the authority of each.
    """
    chances = dict(zip(pooled.labels, pooled.probabilities, strict=True))
    rival = max((p for label, p in chances.items() if label != winner and label not in barred), default=0.0)
    lead = math.log(chances[winner] / rival) if rival > 0 < chances[winner] else math.inf
    skills, t = model.skills, max(pooled.temperature, 1e-6)
    people: list[tuple[str | None, float]] = [
        (name, skills.log_odds(name, skills.centre, asked.domain, authority)) for name, authority in missing
    ]
    present = {reply.source for reply in asked.replies}
    copying = {name for group in model.suspects.copies if group & present for name in group}
    found: list[Worth] = []
    for name, z in (*people, (None, skills.mean)):
        gain = 0.0 if name in copying else worth_of_one_more(pooled.probabilities, log_odds=z, temperature=t)
        found.append(Worth(specialist=name, gain=fraction(gain), could_flip=(z + model.spread) / t >= lead))
    return tuple(found)


def switches_of(model: LabelModel, asked: Asked, pooled: Pooled, *, winner: str, rival: str) -> tuple[str, ...]:
    """Return the supporters whose change of mind turns the answer: the fewest, at most three; none where there are no such.

    Among up to `SMALL` voices every set is tried, so these are the fewest there are. Among more the heaviest are tried together; it
    happens, rarely, that lighter ones would do in fewer, because the ways of merging weigh differently.
    """
    replies = asked.replies
    mine = sorted(
        (n for n, one in enumerate(replies) if one.label == winner),
        key=lambda n: (-pooled.weights[n], replies[n].source),
    )

    def turned(going: tuple[int, ...]) -> bool:
        moved = tuple(
            Reply(one.source, rival, one.confidence, one.authority) if n in going else one
            for n, one in enumerate(replies)
        )
        again = model.pool(Asked(asked.question_id, asked.domain, moved))
        chances = dict(zip(again.labels, again.probabilities, strict=True))
        return chances[rival] > chances.get(winner, 0.0)

    def tries() -> Iterator[tuple[int, ...]]:
        for size in range(1, min(SWITCHES, len(mine)) + 1):
            yield from combinations(mine, size) if len(replies) <= SMALL else [tuple(mine[:size])]

    return next((tuple(replies[n].source for n in going) for going in tries() if turned(going)), ())
