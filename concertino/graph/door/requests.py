"""Reading what an invocation is given: a task, or chat messages whose last one becomes the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import convert_to_messages
from pydantic import ValidationError

from concertino.budgets import Ledger
from concertino.contracts.errors import InputError, SetupError
from concertino.contracts.task import Task, input_error, read_task
from concertino.graph.options import Options
from concertino.graph.runs.models import check_prices
from concertino.graph.setup import dollars_limited
from concertino.graph.state import Policy

TITLE_CHARS = 80
"""How much of a message becomes its task's title; chosen by hand."""


def requested(given: Any, options: Options) -> Task:
    """Return the task that a graph's input asks for.

    Raises:
        InputError: neither a task nor messages, or a faulty one.
    """
    if isinstance(given, Mapping) and given.get("task") is not None:
        return prepared(given["task"], options)
    messages = given.get("messages") if isinstance(given, Mapping) else None
    if not messages:
        raise InputError(field="input", value=given, rule='must be {"task": {...}} or {"messages": [...]}')
    text = _text(messages[-1] if isinstance(messages, list) else messages)
    return prepared({"title": text[:TITLE_CHARS], "description": text}, options)


def prepared(given: Any, options: Options) -> Task:
    """Return a task from outside, validated and completed by the planner's own `prepare`."""
    task = read_task(given, limits=options.limits, ids=options.ids)
    return task if options.prepare is None else options.prepare(task)


def allowed(context: object, config: Mapping[str, Any], options: Options) -> Policy:
    """Return the rules of one run: the planner's own, narrowed by the invocation's context and config.

    Raises:
        InputError: an unknown or impossible setting.
        SetupError: a model that cannot be had, or one without a price where dollars are limited.
    """
    try:
        policy = Policy.of(options.policy, context)
    except ValidationError as error:
        raise input_error(error, field="context") from error
    led = options.models.led_by(policy.model)
    check_prices(
        led,
        options.prices,
        are_limited=dollars_limited(options, policy.budget),
        now=options.clock.now,
        field="context.model",
    )
    try:
        if policy.budget is not options.policy.budget:  # the planner's own holds its floor
            Ledger(policy.budget, floor=options.floor)
    except SetupError as error:
        raise InputError(field="context", value=policy.budget.model_dump(exclude_none=True), rule=str(error)) from error
    return policy.within(config.get("max_concurrency"))


def _text(message: Any) -> str:
    try:
        text = convert_to_messages([message])[0].text
    except (ValueError, NotImplementedError, TypeError, KeyError) as error:
        raise InputError(field="messages[-1]", value=message, rule="must be a chat message") from error
    if not text.strip():
        raise InputError(field="messages[-1].content", value=message, rule="must have text")
    return str(text)
