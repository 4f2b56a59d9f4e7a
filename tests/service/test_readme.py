"""The README keeps its word: what it shows runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from typer.main import get_command

from concertino.service.cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_quick_start_runs_as_it_stands(tmp_path: Path) -> None:
    """The first Python block, put into a file, prints a finished answer."""
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block is not None
    assert len([line for line in block[1].splitlines() if line.strip()]) <= 20
    program = tmp_path / "quick_start.py"
    program.write_text(block[1], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.startswith("success {'risk': ")


def test_every_command_shown_exists() -> None:
    """The README speaks of no command that the program does not have, and leaves none out."""
    shown = set(re.findall(r"^concertino ([a-z]+)", README, re.MULTILINE))
    root = get_command(app)
    assert shown | {"restart"} == set(root.commands)  # type: ignore[attr-defined]  # the app is a group


def test_every_linked_file_exists() -> None:
    """A relative link leads somewhere."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
