"""Who is alive."""

from __future__ import annotations

import os

from concertino.journal import is_dead, this_owner


def test_this_process_lives() -> None:
    """Its own owner string is not dead, and each is new."""
    first, second = this_owner(), this_owner()
    assert not is_dead(first)
    assert first != second
    assert first.rpartition(":")[0] == second.rpartition(":")[0]


def test_a_process_id_that_was_given_away_is_dead() -> None:
    """Another start time under a living id means another process."""
    host, pid, start, nonce = this_owner().split(":")
    assert is_dead(f"{host}:{pid}:{int(start) + 1}:{nonce}")


def test_a_process_that_ended_is_dead() -> None:
    """Before and after its parent collects it."""
    host, _, start, nonce = this_owner().split(":")
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(f"{host}:{pid}:{start}:{nonce}")
    os.waitpid(pid, 0)
    assert is_dead(f"{host}:{pid}:{start}:{nonce}")
    assert is_dead(f"{host}:{pid}:0:{nonce}")


def test_what_cannot_be_told_is_not_dead() -> None:
    """Another host, or a string of somebody else's making, has to expire."""
    host = this_owner().split(":")[0]
    assert not any(
        is_dead(owner) for owner in ("elsewhere:1:1:x", "", "x", f"{host}:a:b:c", f"{host}:{os.getpid()}:0:x")
    )
