"""Structured output in a model's own form: the runnable that its class makes, with the governed model in its place."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding, RunnableParallel, RunnableSequence


def moved(made: Runnable[Any, Any], built: BaseChatModel, governed: BaseChatModel) -> Runnable[Any, Any] | None:
    """Return `made` with `governed` wherever it calls `built`; `None` where that cannot be done for certain.

    What LangChain's classes make is a sequence of the model, with settings bound to it, and a parser; with
    `include_raw` the model stands in a mapping's `raw`.
    """
    if not isinstance(made, RunnableSequence):
        return None
    first: Any = made.first
    if isinstance(first, RunnableParallel) and set(first.steps__) == {"raw"}:
        inner = _bound(first.steps__["raw"], built, governed)
        moved_first: Any = None if inner is None else RunnableParallel(raw=inner)
    else:
        moved_first = _bound(first, built, governed)
    if moved_first is None:
        return None
    return RunnableSequence(moved_first, *made.middle, made.last, name=made.name)


def _bound(given: Any, built: BaseChatModel, governed: BaseChatModel) -> Runnable[Any, Any] | None:
    if isinstance(given, RunnableBinding) and given.bound is built and not given.config_factories:
        bound = governed.bind(**given.kwargs)
        return bound.with_config(given.config) if given.config else bound
    return None
