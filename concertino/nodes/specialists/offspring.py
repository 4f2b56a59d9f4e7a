"""One child process: started, watched and reaped by a thread, so that no event loop ever blocks on it or must own it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Final

from concertino.tools import threads

_START: Final = (
    "import json, sys; order = json.loads(sys.argv.pop()); sys.path[:] = order['path']; "
    "from concertino.nodes.specialists.child import main; main(order['fd'], order['parent'])"
)
"""Not `-m`: the parent's `sys.path` must be in force before the first import."""


class Offspring:
    """A child process in a session and group of its own.

    The thread that starts it lives until it has reaped it: Linux tells a child of its parent's death when the *thread*
    that forked it ends.
    """

    def __init__(self, theirs: socket.socket, *, on_end: Callable[[str], None]) -> None:
        """Prepare a child that gets the socket `theirs`; `on_end` is called in a thread, with how it ended in words."""
        self._theirs, self._on_end = theirs, on_end
        self._lock = threading.Lock()
        self._group: int | None = None
        self._unwanted = False

    def start(self) -> None:
        """Start it; returns at once."""
        threads.submit(self._live)

    def kill(self) -> None:
        """Kill the whole group with SIGKILL, or as soon as it exists. Never blocks; idempotent."""
        with self._lock:
            self._unwanted = True
            self._kill_group()

    def _kill_group(self) -> None:
        if self._group is None:
            return
        try:
            os.killpg(self._group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # nobody is left in it; macOS says EPERM of a group of zombies

    def _live(self) -> None:
        try:
            with self._theirs:
                if self._unwanted:
                    self._on_end("was not started")
                    return
                process = self._spawn()
        except OSError as error:
            self._on_end(f"could not be started: {error}")
            return
        with self._lock:
            self._group = process.pid
            if self._unwanted:
                self._kill_group()
        code = _exit_code(process)
        with self._lock:
            # Before reaping: until then the number of the group cannot pass to another.
            self._kill_group()
            self._group = None
            process.wait()
        self._on_end(_words(code))

    def _spawn(self) -> subprocess.Popen[bytes]:
        fd = self._theirs.fileno()
        order = {"fd": fd, "parent": os.getpid(), "path": [str(entry) for entry in sys.path]}
        stderr = 2 if _is_open(2) else subprocess.DEVNULL
        return subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            pass_fds=(fd,),
            start_new_session=True,
        )


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for the end without reaping where the system can; `None` if somebody else took the status."""
    if not hasattr(os, "waitid"):
        return process.wait()
    try:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return None
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _words(code: int | None) -> str:
    if code is None:
        return "ended, and its exit status was taken by other code of this process"
    if code >= 0:
        return f"exited with code {code} before it answered"
    try:
        return f"was killed by {signal.Signals(-code).name} before it answered"
    except ValueError:
        return f"was killed by signal {-code} before it answered"


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
