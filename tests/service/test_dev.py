"""`concertino dev`: the command line it hands over to."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertino.contracts.errors import InputError
from concertino.service.cli.dev import command


def test_the_server_starts_offline(tmp_path: Path) -> None:
    """No browser, no reload, no blocking allowed, and the caller's own options at the end."""
    config = tmp_path / "langgraph.json"
    config.write_text("{}")
    line = command(config=config, port=2025, host="127.0.0.1", extra=["--n-jobs-per-worker", "2"])
    assert line[1:6] == ["-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    assert line[-4:] == ["--port", "2025", "--n-jobs-per-worker", "2"]
    assert "--allow-blocking" not in line
    assert line.count("--n-jobs-per-worker") == 1


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    """Started in another directory, the command says which file it wants."""
    with pytest.raises(InputError, match=r"langgraph\.json.*no such file"):
        command(config=tmp_path / "langgraph.json", port=2024, host="127.0.0.1", extra=[])
