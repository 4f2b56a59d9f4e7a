"""Suites' own modules, as targets are made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertino.contracts.errors import SetupError
from concertino.evals.targets import Target
from tests.evals.suite_folders import PLANNER, make_suite


@pytest.mark.parametrize(
    ("planner", "said"),
    [
        ("import os\nraise ValueError('boom')\n", "small/planner.py:2: ValueError: boom"),
        ("x = 1\ndef create(:\n    pass\n", "small/planner.py:2: SyntaxError: "),
        ("raise SystemExit(3)\n", "small/planner.py:1: SystemExit: 3"),
        ("import no_such_module_at_all\n", "small/planner.py:1: ModuleNotFoundError: No module named"),
        ("def other():\n    return 1\n", "must name a function of the module"),
        ("def broken():\n    1 / 0\n\nbroken()\n", "small/planner.py:2: ZeroDivisionError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_line(tmp_path: Path, planner: str, said: str) -> None:
    """Whatever the suite's code raises, it is one error that names file, line and reason."""
    with pytest.raises(SetupError) as raised:
        Target(make_suite(tmp_path, planner=planner))
    assert said in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


def test_a_mended_module_is_loaded(tmp_path: Path) -> None:
    """Nothing of the failed import stays behind."""
    with pytest.raises(SetupError):
        Target(make_suite(tmp_path, planner="raise ValueError"))
    assert Target(make_suite(tmp_path, planner=PLANNER)).function is not None
