"""How the command ends: codes, messages, and at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from concertino import __version__
from concertino.contracts.errors import (
    BudgetExceeded,
    ConcertinoError,
    InputError,
    JournalError,
    RunBusy,
    RunNotFound,
    SetupError,
)
from concertino.service.cli.exits import ExitCode, of_error, of_state
from concertino.service.cli.main import run

MAIN = "from concertino.service.cli.main import main; main()"


def process(code: str, *arguments: str, stdout: int | None = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Run a program that ends in the command; 30 s bound a hang, not the speed."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError(field="f", value=1, rule="r"), ExitCode.BAD_INPUT),
        (SetupError(field="f", value=1, rule="r"), ExitCode.BAD_INPUT),
        (RunNotFound(task_id="t"), ExitCode.BAD_INPUT),
        (JournalError(place="p", reason="r"), ExitCode.FAILED),
        (RunBusy(run_id="r", owner="o", expires_in_s=1.0), ExitCode.FAILED),
        (BudgetExceeded(scope="run", dimension="calls", asked=2, left=1), ExitCode.FAILED),
    ],
)
def test_errors_that_the_caller_can_mend_are_bad_input(error: ConcertinoError, code: ExitCode) -> None:
    """Whatever the input broke is 2; whatever broke on our side is 4."""
    assert of_error(error) is code


def test_each_end_of_a_run_has_its_code() -> None:
    """A script can tell success, partial, waiting and failure apart."""
    codes = {state: of_state(state) for state in ("success", "partial_success", "waiting", "failed", "cancelled")}
    assert list(codes.values()) == [0, 3, 5, 4, 4]


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints what is installed."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["agent", "run"], ["status", "--no-such-option"]])
def test_a_wrong_command_line_is_bad_input(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown command, a missing or unknown option: code 2, nothing on stdout."""
    assert run(arguments) == 2
    assert capsys.readouterr().out == ""


def test_the_process_ends_although_threads_do_not() -> None:
    """A thread that a deadline gave up cannot keep the process."""
    stuck = "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()\n"
    done = process(stuck + MAIN, "--version")
    assert (done.returncode, done.stdout) == (0, f"{__version__}\n")


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    """Output that cannot be written is no success, and no traceback. A limit of 0 bytes a file stands for the disk."""
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    with (tmp_path / "out.json").open("w") as out:
        done = process(full + MAIN, "agent", "list", stdout=out.fileno())
    assert done.returncode == 4
    assert done.stderr.splitlines() == ["error: standard output: File too large"]


def test_a_reader_that_leaves_is_no_error() -> None:
    """`concertino ... | head -1` ends quietly."""
    writer = subprocess.Popen(
        [sys.executable, "-c", MAIN, "agent", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.close()
    told = writer.stderr.read()
    writer.stderr.close()
    assert (writer.wait(30), told) == (0, "")
