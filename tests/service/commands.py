"""Commands run in the test's own process, and what they left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from concertino.service.cli.main import run


class Told(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def run_command(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> Told:
    """Run a command; what was printed before it is not its own, and no user is shown a traceback."""
    capsys.readouterr()
    code = run(arguments)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return Told(code, out, err)
