"""Standard streams: closed, full, no longer read, or in another encoding, they cost words at most, never a run."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from concertino.service.cli.output import emit, emit_line
from concertino.service.cli.streams import Unfailing

COMMAND = f"{sys.executable} -m concertino"
CANDIDATE = {"role": "Staff Engineer", "level": "Staff", "location": "Remote - US", "experience_years": 12}
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")


class Full(io.RawIOBase):
    """A device without room."""

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        raise OSError(28, "No space left on device")


class Unread(Full):
    """A pipe whose reader has gone."""

    def write(self, data: object, /) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def shell(command: str, folder: Path, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, **options}
    )


def offer(folder: Path, redirected: str) -> subprocess.CompletedProcess[str]:
    (folder / "candidate.json").write_text(json.dumps(CANDIDATE))
    return shell(f"{COMMAND} agent run offer-orchestrator-mag --json candidate.json {redirected}", folder)


@FULL
def test_a_run_whose_progress_nobody_can_see_comes_to_its_end(tmp_path: Path) -> None:
    """A log file on a full disk does not stop the work: the packet is on stdout all the same."""
    told = offer(tmp_path, "2>/dev/full")
    assert told.returncode == 0
    assert json.loads(told.stdout)["offer"]["base_salary"]["amount"] > 0


def test_a_run_with_every_stream_closed_comes_to_its_end(tmp_path: Path) -> None:
    """As a daemon starts it; the journal does not get the number of a standard stream."""
    assert offer(tmp_path, "--task-id t-1 <&- >&- 2>&-").returncode == 0
    assert json.loads((tmp_path / ".runs/agents/t-1/logs.jsonl").read_text().splitlines()[-1])["event"] == "end"


def test_a_closed_standard_input_is_bad_input(tmp_path: Path) -> None:
    """Where the payload was to come from there, one clear error."""
    told = shell(f"{COMMAND} agent run offer-orchestrator-mag --json - <&-", tmp_path)
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "--json" in told.stderr


def test_json_is_escaped_for_an_encoding_that_lacks_its_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays the same JSON."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    emit({"role": "Ingénieur 工程师"})
    emit_line("Zürich")
    role, line = raw.getvalue().decode("ascii").rsplit("\n", 2)[:2]
    assert (json.loads(role), json.loads(line)) == ({"role": "Ingénieur 工程师"}, "Zürich")


def test_json_is_readable_where_the_encoding_has_its_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is escaped without need."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    emit_line("Zürich")
    assert raw.getvalue().decode() == '"Zürich"\n'


def test_a_reader_that_has_seen_enough_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows is not read either, and the command goes on to its own exit code."""
    gone = io.TextIOWrapper(io.BufferedWriter(Unread()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", gone)
    assert emit_line(1) is False
    assert sys.stdout is not gone
    emit({"more": True})
    sys.stdout.close()
    with pytest.raises(BrokenPipeError):
        gone.close()


def test_a_full_stdout_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that was lost is an error, and it says where."""
    full = io.TextIOWrapper(io.BufferedWriter(Full()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", full)
    with pytest.raises(OSError, match="standard output"):
        emit(1)
    with pytest.raises(OSError, match="No space"):
        full.close()


def test_words_that_cannot_be_written_are_lost_without_an_error() -> None:
    """Before and after the buffer is full."""
    stream = Unfailing(Full(), encoding="utf-8", write_through=True)  # type: ignore[arg-type]  # raw does as a buffer
    assert stream.write("hello\n") == 6
    stream.flush()
