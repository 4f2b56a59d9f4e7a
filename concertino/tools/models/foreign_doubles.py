"""Doubles of foreign models: while runs are recorded or replayed, another model is called in place of one that a specialist brings.

LangChain's chat models have no place where one could be put in the way of all their calls: caches are not asked by streams,
nor by models that want none, and callbacks cannot answer. So the few methods by which every call comes in are wrapped
while somebody records or replays, and are as they were afterwards. Inside an attempt that has a double for its models they
are run by the double; everywhere else by the model itself. All that LangChain does around a call stays as it is, the
guard of foreign models with it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.language_models import BaseChatModel, BaseLLM

from concertino.tools.models.foreign_callbacks import admission_here
from concertino.tools.models.own import GOVERNED
from concertino.tools.models.standby import Standby

CALLS = ("generate", "agenerate", "stream", "astream", "stream_events", "astream_events")
"""Through these comes whatever a model is asked, e.g. `invoke` through `generate`, and `batch` through `invoke`."""
IS_DOUBLE = "concertino_double"
"""Marks a class whose models are doubles, or otherwise of ours."""

_lock = threading.Lock()
_users = 0
_kept: list[tuple[type, str, Any]] = []


@contextmanager
def doubling() -> Iterator[None]:
    """Have attempts' doubles called meanwhile, in the whole process."""
    global _users  # the wrapped methods belong to the process
    with _lock:
        _users += 1
        if _users == 1:
            _wrap()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                while _kept:
                    kind, name, call = _kept.pop()
                    setattr(kind, name, call)


def _wrap() -> None:
    for kind in (BaseChatModel, BaseLLM):
        for name in CALLS:
            call = vars(kind).get(name)
            if call is not None:
                _kept.append((kind, name, call))
                setattr(kind, name, _led(call))


def _led(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that is run by the double of its model, where there is one."""

    @functools.wraps(call)
    def led(model: Any, *args: Any, **kwargs: Any) -> Any:
        return call(double_of(model), *args, **kwargs)

    return led


def double_of(model: Any) -> Any:
    """Return who is called here instead of a model; itself where nobody is.

    Raises:
        InputError: there is no double for it, where one has to be.
    """
    held = admission_here()
    double = held.double if isinstance(held, Standby) else None
    if double is None or getattr(type(model), IS_DOUBLE, False) or model._llm_type == GOVERNED:
        return model
    return double(model)
