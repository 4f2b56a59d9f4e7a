"""Who holds a lease, and whether that process still lives."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import uuid
from pathlib import Path


def this_owner() -> str:
    """Return a lease owner for this process: `host:pid:process start:nonce`.

    The nonce differs at every call, so that two planners of one process exclude each other, too. The host part
    carries a digest of the boot id and the process namespace: two containers that share a host name and a volume
    must not take each other's processes for dead ones.
    """
    pid = os.getpid()
    start = _SELF[1] if pid == _SELF[0] else _start(pid)  # a forked child is another process
    return f"{_HOST}:{pid}:{start or 0}:{uuid.uuid4().hex[:12]}"


def is_dead(owner: str) -> bool:
    """Say whether `owner` is a process of this host that is certainly gone.

    False for other hosts and wherever it cannot be told: such a lease has to expire.
    """
    host, _, rest = owner.partition(":")
    pid_text, _, rest = rest.partition(":")
    start_text = rest.partition(":")[0]
    if host != _HOST or not pid_text.isdecimal() or not start_text.isdecimal():
        return False
    pid, start = int(pid_text), int(start_text)
    if start:
        return _start(pid) != start
    if sys.platform == "win32":  # there, signal 0 would interrupt the process
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _read_host() -> str:
    parts = [_read("/proc/sys/kernel/random/boot_id")]
    try:
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append("")
    mark = hashlib.sha256("|".join(parts).encode()).hexdigest()[:8]
    return f"{socket.gethostname().replace(':', '_')}-{mark}"


def _start(pid: int) -> int | None:
    """Return the process's start in clock ticks since boot; `None` when it is gone, a zombie, or there is no /proc.

    Source: proc(5), /proc/pid/stat, fields 3 and 22. The name in field 2 may hold spaces and parentheses.
    """
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in {"Z", "X", "x"}:
        return None
    return int(fields[19])


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


# Read once, at import: owners are named on event loops, which must not wait for files.
_HOST = _read_host()
_SELF = (os.getpid(), _start(os.getpid()))
