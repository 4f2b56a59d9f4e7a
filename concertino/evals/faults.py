"""Which calls of a replay go with a fault: chosen by a case's rules, the same every time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from concertino.evals.cases import Fault, Where
from concertino.tools.tape.injection import Called, Inject, Injection


def injecting(faults: Sequence[Fault], *, run: int = 1) -> Inject | None:
    """Return what chooses the calls of one run; `None` where all go as recorded. Another repeat draws others."""
    if not faults:
        return None
    hits: defaultdict[tuple[int, str], int] = defaultdict(int)

    def inject(call: Called) -> Injection | None:
        for number, fault in enumerate(faults):
            if not _is_meant(fault.where, call) or not _is_drawn(fault, call, run):
                continue
            if fault.times is not None and hits[number, call.scope] >= fault.times:
                continue
            hits[number, call.scope] += 1
            return Injection(fault.what, fault.seed + run - 1, fault.retry_after)
        return None

    return inject


def without_a_call(faults: Sequence[Fault], calls: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Return the faults whose `where` speaks of none of the calls of a replay; a `share` that drew none is no matter."""
    counts: Counter[tuple[str, str, str]] = Counter()
    made: list[Called] = []
    for call in sorted(calls, key=lambda one: (one["scope"], one["n"])):
        place = (str(call["scope"]), str(call["kind"]), str(call["name"]))
        counts[place] += 1
        made.append(Called(call["kind"], call["name"], call["scope"], call["n"], counts[place]))
    return [fault for fault in faults if not any(_is_meant(fault.where, call) for call in made)]


def _is_meant(where: Where, call: Called) -> bool:
    if where.kind is not None and where.kind != call.kind:
        return False
    if where.name is not None and where.name != call.name:
        return False
    if where.n is not None and where.n != (call.n if where.kind is None and where.name is None else call.place_n):
        return False
    return where.scope is None or is_within(call.scope, where.scope)


def is_within(scope: str, part: str) -> bool:
    """Say whether a scope, `node/subtask#attempt`, is the part of a run that was named, or a part of that."""
    place, _, attempt = scope.rpartition("#")
    node = place.partition("/")[0]
    return part in (scope, place, node, f"{node}#{attempt}")


def _is_drawn(fault: Fault, call: Called, run: int) -> bool:
    """Draw by the call itself, so that the order in which calls come makes no difference."""
    if fault.share >= 1:
        return True
    text = f"{fault.seed}\n{run}\n{call.kind}\n{call.name}\n{call.scope}\n{call.n}"
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56 < fault.share
