"""Whole processes against `python -c "import langgraph.graph"`, medians of pairs that take turns. `python bench/startup.py`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPEATS = 7
HELP_AT_MOST, OFFER_AT_MOST = 0.4, 2.5
ROOT = Path(__file__).parents[1]
CLI = [str(Path(sys.executable).with_name("concertino"))]


def _spent(command: list[str], cwd: str) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    spent = time.perf_counter() - start
    assert done.returncode == 0, done.stderr.decode()
    return spent


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Return ratios of `concertino --help` and of a whole offer run, and the seconds behind them."""
    spent: dict[str, list[float]] = {"langgraph": [], "help": [], "offer": []}
    with tempfile.TemporaryDirectory(prefix="concertino-bench-") as folder:
        for turn in range(repeats + 1):
            offer = ["agent", "run", "offer-orchestrator-mag", "--json", str(ROOT / "examples" / "candidate.json")]
            commands = {
                "langgraph": [sys.executable, "-c", "import langgraph.graph"],
                "help": [*CLI, "--help"],
                "offer": [*CLI, *offer],
            }
            for name, command in commands.items():
                seconds = _spent(command, folder)
                if turn:  # the first turn fills the file cache
                    spent[name].append(seconds)
    ratios = {
        name: round(statistics.median(a / b for a, b in zip(spent[name], spent["langgraph"], strict=True)), 3)
        for name in ("help", "offer")
    }
    return {
        "x_import_langgraph": ratios,
        "seconds": {name: round(statistics.median(found), 3) for name, found in spent.items()},
        "at_most": {"help": HELP_AT_MOST, "offer": OFFER_AT_MOST},
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
