"""The guide keeps its word: its programs run as they stand, where they need no model."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
PROGRAMS = [
    (page.stem, number, block)
    for page in sorted(GUIDE.glob("*.md"))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    if "openai" not in block and "examples/" not in block
]


@pytest.mark.parametrize(
    ("page", "number", "block"), PROGRAMS, ids=lambda one: one if isinstance(one, str) and "\n" not in one else ""
)
def test_a_program_of_the_guide_runs_as_it_stands(page: str, number: int, block: str, tmp_path: Path) -> None:
    """Each block is a whole program, and ends well and quietly."""
    program = tmp_path / f"{page}_{number}.py"
    program.write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_guide_has_programs() -> None:
    """Most pages show one that needs no model."""
    assert {page for page, _, _ in PROGRAMS} >= {"models", "plans", "refinement", "runs", "specialists", "synthesis"}
