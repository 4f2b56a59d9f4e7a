"""What all calls of models share as tools, and by what LangChain's code can tell models and errors of ours from others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.exceptions import ModelError

from concertino.contracts.errors import ConcertinoError
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.registry import Tool

GOVERNED = "concertino-governed"
"""`_llm_type` of governed models, by which the guard of foreign models knows that it has nothing to do."""
TOOL = "model"
"""Name of the ledger's account, and of the tool in events."""


BREAKER = BreakerPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTool(Tool):
    """A tool of values that were checked where they came from: checking them takes longer than the rest of it."""

    def __post_init__(self) -> None:
        """Check nothing."""


def unretried(error: ConcertinoError) -> Exception:
    """Return an error of ours as one that LangChain's own retries pass on: its class, and `ModelError`'s too.

    They would make a request again that was refused or has been retried here, or turn its error into an answer.
    """
    if isinstance(error, ModelError):
        return error
    kind = type(error)
    made = _made.get(kind) or _made.setdefault(
        kind, type(kind.__name__, (kind, ModelError), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    )
    said: Exception = made.__new__(made, *error.args)
    vars(said).update(vars(error))
    return said


_made: dict[type[Exception], Any] = {}
