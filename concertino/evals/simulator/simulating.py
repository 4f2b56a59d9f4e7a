"""One seed: its scenario played and judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from concertino.evals.simulator.checking import Break, check
from concertino.evals.simulator.generating import SIZE, scenario_of
from concertino.evals.simulator.playing import play
from concertino.evals.simulator.scenario import Scenario
from concertino.evals.simulator.traces import Trace


@dataclass(frozen=True, slots=True)
class Report:
    """What a scenario came to."""

    scenario: Scenario
    breaks: tuple[Break, ...]
    statuses: tuple[str, ...]
    """Of its tasks that ended, in order."""
    processes: int
    """How many took part."""
    events: int
    calls: int
    virtual_s: float
    is_refused: bool
    """Whether its plan was refused at the door, rightly or not; nothing is judged then."""
    digest: str
    """Of everything that was seen: the same whenever the same scenario is played."""

    @property
    def seed(self) -> int:
        """Return the seed."""
        return self.scenario.seed


def simulate(seed: int, *, size: int = SIZE) -> Report:
    """Play the scenario of a seed in virtual time and return what it breaks; the same on every machine."""
    return judge(scenario_of(seed, size=size))


def judge(scenario: Scenario) -> Report:
    """Play a scenario and judge it."""
    trace = play(scenario)
    return Report(
        scenario=scenario,
        breaks=tuple(check(scenario, trace)),
        statuses=tuple(str(result["status"]) for result in trace.results.values()),
        processes=1 + max((entry.process for entry in trace.entries), default=0),
        events=sum(len(events) for events in trace.records.values()),
        calls=len(trace.calls),
        virtual_s=trace.ended,
        is_refused=trace.fault is not None and trace.fault[0] == "known",
        digest=_digest(trace),
    )


def _digest(trace: Trace) -> str:
    seen = hashlib.blake2b(digest_size=16)
    for part in (trace.bodies, trace.calls, trace.appends, trace.entries, trace.died, trace.fault, trace.ended):
        seen.update(repr(part).encode())
    return seen.hexdigest()
