"""Effects: one key whatever happens, and one key for each."""

from __future__ import annotations

from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.scenario import Scenario
from concertino.evals.simulator.traces import Trace


def effects(scenario: Scenario, trace: Trace) -> list[Break]:
    """Check that an effect's key is the same on every attempt and after every resume, and no other effect's."""
    found: list[Break] = []
    keys: dict[tuple[str, str, str], str] = {}
    whose: dict[str, tuple[str, str, str]] = {}
    for body in trace.bodies:
        for name, key in body.effects:
            effect = body.run_id, body.subtask_id, name
            if keys.setdefault(effect, key) != key:
                found.append(Break("effects", "an effect keeps its key", f"{effect}: {keys[effect]}, then {key}"))
            if whose.setdefault(key, effect) != effect:
                found.append(Break("effects", "a key is one effect's", f"{key}: {whose[key]} and {effect}"))
    return found
