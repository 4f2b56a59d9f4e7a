"""Concertino: a planner agent for LangGraph.

The names below are the public door; everything else may move. Each is imported when it is first used, so that
`import concertino` costs milliseconds and loads neither LangGraph nor LangChain.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concertino.contracts.brief import Brief, Tools
    from concertino.contracts.budget import Budget, Usage
    from concertino.contracts.errors import (
        BreakerOpen,
        BudgetExceeded,
        ConcertinoError,
        DeadlineExceeded,
        FileInvalid,
        GateRejected,
        InputError,
        JournalError,
        Offline,
        PlanInvalid,
        RunBusy,
        RunNotFound,
        RunStateError,
        SecretFound,
        SetupError,
        StaleLease,
        TapeMiss,
        TaskConflict,
        ToolFailed,
    )
    from concertino.contracts.event import Event
    from concertino.contracts.finding import Declined, Evidence, Finding
    from concertino.contracts.limits import Limits
    from concertino.graph.build import create_planner
    from concertino.graph.planner import Planner
    from concertino.nodes.specialists.declare import specialist
    from concertino.nodes.synthesis import TrackRecord, synthesize
    from concertino.packs.agents import run_agent
    from concertino.tools.breaker import BreakerPolicy
    from concertino.tools.registry import Cost, tool
    from concertino.tools.retry import Transient

__version__ = "0.1.0"

__all__ = [
    "BreakerOpen",
    "BreakerPolicy",
    "Brief",
    "Budget",
    "BudgetExceeded",
    "ConcertinoError",
    "Cost",
    "DeadlineExceeded",
    "Declined",
    "Event",
    "Evidence",
    "FileInvalid",
    "Finding",
    "GateRejected",
    "InputError",
    "JournalError",
    "Limits",
    "Offline",
    "PlanInvalid",
    "Planner",
    "RunBusy",
    "RunNotFound",
    "RunStateError",
    "SecretFound",
    "SetupError",
    "StaleLease",
    "TapeMiss",
    "TaskConflict",
    "ToolFailed",
    "Tools",
    "TrackRecord",
    "Transient",
    "Usage",
    "create_planner",
    "run_agent",
    "specialist",
    "synthesize",
    "tool",
]

_ERRORS = "concertino.contracts.errors"
_HOMES = {
    "Brief": "concertino.contracts.brief",
    "Tools": "concertino.contracts.brief",
    "Budget": "concertino.contracts.budget",
    "Usage": "concertino.contracts.budget",
    "Event": "concertino.contracts.event",
    "Declined": "concertino.contracts.finding",
    "Evidence": "concertino.contracts.finding",
    "Finding": "concertino.contracts.finding",
    "Limits": "concertino.contracts.limits",
    "create_planner": "concertino.graph.build",
    "Planner": "concertino.graph.planner",
    "specialist": "concertino.nodes.specialists.declare",
    "TrackRecord": "concertino.nodes.synthesis",
    "synthesize": "concertino.nodes.synthesis",
    "run_agent": "concertino.packs.agents",
    "BreakerPolicy": "concertino.tools.breaker",
    "Cost": "concertino.tools.registry",
    "tool": "concertino.tools.registry",
    "Transient": "concertino.tools.retry",
}
"""Where each public name lives; a name that is not here is an error of `contracts.errors`."""


if not TYPE_CHECKING:  # type checkers read the imports above; with a `__getattr__` they would let any name pass

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES.get(name, _ERRORS)), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
