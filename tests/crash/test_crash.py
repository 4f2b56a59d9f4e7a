"""`kill -9` at many moments, one resume each."""

from __future__ import annotations

from tests.crash.harness import crash_all, points


def test_a_killed_run_is_carried_on_without_loss_swap_or_second_effect() -> None:
    """At 48 moments over three plan shapes, one resume ends right and repeats only what was in flight."""
    report = crash_all(points(48, seed=20, fresh_every=24), workers=2)
    assert not report.wrong, "\n".join(report.wrong)
    assert report.points == 48
    assert report.kills >= 40
    assert report.in_flight > 0
