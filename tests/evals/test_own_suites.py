"""The suites in `evals/`: every case passes, offline, from its tape."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from concertino.evals.judging import judge
from concertino.evals.recording import record_suite
from concertino.evals.running import run_suite
from concertino.evals.suites import list_suites, load_suite

ROOT = Path(__file__).parents[2] / "evals"
NAMES = ("budgets", "diligence", "faults", "offers", "routing")


def test_there_are_enough_cases_of_every_kind() -> None:
    """None of them faulty, and no tape without its case."""
    assert list_suites(ROOT) == list(NAMES)
    suites = [load_suite(name, root=ROOT) for name in NAMES]
    assert sum(len(suite.cases) for suite in suites) >= 60
    assert [(suite.faulty, suite.orphans) for suite in suites] == [((), ())] * len(NAMES)
    expected = [str(sorted(case.expect.items())) for suite in suites for case in suite.cases]
    assert len(set(expected)) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_passes(name: str) -> None:
    """What stood in for a model says so; where code has changed since the recording, the answers are the same."""
    suite = load_suite(name, root=ROOT)
    outcomes = run_suite(suite)
    failed = {
        outcome.case.id: (outcome.error, [verdict for verdict in judge(outcome) if not verdict.passed])
        for outcome in outcomes
        if not all(verdict.passed for verdict in judge(outcome))
    }
    assert failed == {}
    assert {outcome.tape for outcome in outcomes} <= {"fresh", "stale", "none"}
    assert all(outcome.stand_in for outcome in outcomes if outcome.tape != "none")


@pytest.mark.parametrize("name", ["budgets", "faults"])
def test_recording_again_gives_the_same_tapes(name: str, tmp_path: Path) -> None:
    """Whoever changes nothing changes no tape."""
    shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    tapes = {path.name: path.read_bytes() for path in (tmp_path / name / "tapes").iterdir()}
    record_suite(load_suite(name, root=tmp_path))
    assert {path.name: path.read_bytes() for path in (tmp_path / name / "tapes").iterdir()} == tapes
