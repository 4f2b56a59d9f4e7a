"""The command as a module, for whoever has not got it on the path."""

from __future__ import annotations

import subprocess
import sys

from concertino import __version__


def test_the_package_runs_as_the_command() -> None:
    """`python -m concertino` is `concertino`."""
    done = subprocess.run([sys.executable, "-m", "concertino", "--version"], capture_output=True, text=True, check=True)
    assert __version__ in done.stdout
