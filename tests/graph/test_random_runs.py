"""Random runs against a meter that stands outside; a failing seed makes the same run again."""

from __future__ import annotations

from bench.random_runs import ENOUGH, run_all


def test_no_random_run_passes_a_limit_or_leaks_a_reservation() -> None:
    """500 runs with faults, cuts, cancels, parks and restarts keep every limit and use a short budget up."""
    found = run_all(1, 500, workers=2, step=125)
    assert not [(outcome.seed, what) for outcome in found for what in outcome.wrong]
    assert max(outcome.depth for outcome in found) >= 5
    assert max(outcome.subtasks for outcome in found) >= 300
    assert sum(outcome.parks for outcome in found) > 50
    used = [outcome.used for outcome in found if outcome.used is not None]
    assert len(used) > 50
    assert min(used) >= ENOUGH
