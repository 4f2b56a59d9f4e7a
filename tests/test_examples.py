"""The examples run as they stand, and stay small."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
MAX_LINES = 60

SAID = {
    "three_functions.py": ["status: success", "'advice': 'wait'", "calls used: 1 of 10"],
    "gate.py": ["asked: pay - Pay this invoice?", "'amount': 950", "status: success", "{'paid': 900, 'key': 'pay'}"],
    "subgraph.py": ["RUN_ADMITTED", "TASK_COMPLETED t1", "RUN_COMPLETED", "words: 10"],
}


@pytest.mark.parametrize("name", SAID)
def test_an_example_says_what_it_promises(name: str) -> None:
    """Each example ends well, quietly, with the lines it is there for."""
    program = EXAMPLES / name
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        cwd=EXAMPLES.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for line in SAID[name]:
        assert line in done.stdout


@pytest.mark.parametrize("program", sorted(EXAMPLES.glob("*.py")), ids=lambda program: program.name)
def test_an_example_is_small(program: Path) -> None:
    """An example fits on a screen, and each one is run here."""
    assert len(program.read_text().splitlines()) < MAX_LINES
    assert program.name in SAID
