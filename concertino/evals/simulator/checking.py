"""Everything DESIGN promises of a run, held against what was seen from outside."""

from __future__ import annotations

from collections.abc import Callable

from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.invariants.breakers import breakers
from concertino.evals.simulator.invariants.calls import calls
from concertino.evals.simulator.invariants.effects import effects
from concertino.evals.simulator.invariants.money import money
from concertino.evals.simulator.invariants.records import records
from concertino.evals.simulator.invariants.results import results
from concertino.evals.simulator.invariants.scheduling import scheduling
from concertino.evals.simulator.invariants.times import times
from concertino.evals.simulator.scenario import Scenario
from concertino.evals.simulator.traces import Trace

__all__ = ["Break", "check"]

CHECKS: tuple[Callable[[Scenario, Trace], list[Break]], ...] = (
    records, money, scheduling, times, calls, breakers, effects, results,
)  # fmt: skip
"""Each takes one scenario's trace and returns what it breaks."""


def check(scenario: Scenario, trace: Trace) -> list[Break]:
    """Return every broken promise, in order of the checks."""
    if trace.fault is not None and trace.fault[0] == "known":
        return []
    found = [] if trace.fault is None else [Break("ends", trace.fault[0], trace.fault[1])]
    return found + [one for judge in CHECKS for one in judge(scenario, trace)]
