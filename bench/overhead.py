"""What one subtask that does nothing costs, at 1,000, against bare LangGraph `Send` with its own SQLite saver.

`python bench/overhead.py`. Whole invocations are timed, planning and delivery included. The ten-deep plan is compared
with bare `Send` in ten supersteps of 100, which is the cheaper one, and with a flat one of 1,000.
"""

from __future__ import annotations

import gc
import json
import statistics
from collections.abc import Callable
from typing import Any

import flows

REPEATS = 5
AT_MOST = 1.5


def cases() -> dict[str, Callable[[], float]]:
    """Return what is timed, each a whole run in seconds."""
    flat, deep = flows.layered(1, 1_000), flows.layered(10, 100)
    return {
        "bare flat ainvoke": lambda: flows.now(lambda: flows.bare_async(1, 1_000)),
        "bare deep ainvoke": lambda: flows.now(lambda: flows.bare_async(10, 100)),
        "bare flat invoke": lambda: flows.bare_sync(1, 1_000),
        "bare deep invoke": lambda: flows.bare_sync(10, 100),
        "bare flat astream": lambda: flows.now(lambda: flows.bare_streamed(1, 1_000)),
        "bare deep astream": lambda: flows.now(lambda: flows.bare_streamed(10, 100)),
        "flat ainvoke": lambda: flows.now(lambda: flows.ours_async(flows.noop, flat)),
        "deep ainvoke": lambda: flows.now(lambda: flows.ours_async(flows.noop, deep)),
        "flat astream": lambda: flows.now(lambda: flows.ours_streamed(flows.noop, flat)),
        "deep astream": lambda: flows.now(lambda: flows.ours_streamed(flows.noop, deep)),
        "flat ainvoke, AsyncSqliteSaver": lambda: flows.now(lambda: flows.langgraph_saver_async(flows.noop, flat)),
        "deep ainvoke, AsyncSqliteSaver": lambda: flows.now(lambda: flows.langgraph_saver_async(flows.noop, deep)),
        "flat invoke": lambda: flows.ours_sync(flows.noop, flat),
        "deep invoke": lambda: flows.ours_sync(flows.noop, deep),
        "flat invoke, plain def": lambda: flows.ours_sync(flows.noop_plain, flat),
        "deep invoke, plain def": lambda: flows.ours_sync(flows.noop_plain, deep),
        "flat invoke, SqliteSaver": lambda: flows.langgraph_saver_sync(flows.noop, flat),
        "deep invoke, SqliteSaver": lambda: flows.langgraph_saver_sync(flows.noop, deep),
    }


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Return milliseconds per subtask and ratios to bare `Send`, medians of runs that take turns."""
    spent: dict[str, list[float]] = {}
    found = cases()
    for turn in range(repeats + 1):
        for name, run in found.items():
            gc.collect()  # nobody pays for the one before
            seconds = run()
            if turn:  # the first turn warms up imports and threads
                spent.setdefault(name, []).append(seconds)
    shown: dict[str, Any] = {}
    for name, seconds in spent.items():
        entry: dict[str, float] = {"ms_per_subtask": round(statistics.median(seconds), 3)}
        if not name.startswith("bare"):
            shape, door = name.split(",")[0].split(" ")
            for base in (shape,) if shape == "flat" else ("deep", "flat"):
                ratios = [ours / bare for ours, bare in zip(seconds, spent[f"bare {base} {door}"], strict=True)]
                entry[f"x_bare_{base}"] = round(statistics.median(ratios), 2)
        shown[name] = entry
    return {"runs": shown, "at_most": AT_MOST}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
