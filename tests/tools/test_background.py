"""Work on a loop in another thread, waited for by whoever has none."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import wait
from typing import Any

import pytest

from concertino.tools import background


def test_interrupted_work_has_ended_when_control_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done on the way out, as giving a lease back, is done before the process may end."""
    begun, ended, waits = threading.Event(), threading.Event(), iter([True, False])

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if next(waits):
            assert begun.wait(20)
            raise KeyboardInterrupt
        return wait(*args, **kwargs)

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(1_000):
                await asyncio.sleep(0)
            ended.set()

    monkeypatch.setattr(background, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        background.conducting().run(work())
    assert ended.is_set()
