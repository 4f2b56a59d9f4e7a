"""One logical call to a governed model: what it may use, the cap its attempts are granted, and how it reaches the wire."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from concertino.budgets import Amounts
from concertino.contracts.errors import ToolFailed
from concertino.contracts.ids import Ids, new_id
from concertino.contracts.json import digest_of_text
from concertino.tools.attempt import Account, Order
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.guard import Guard
from concertino.tools.models.own import TOOL
from concertino.tools.models.prices import Price
from concertino.tools.models.request import CAPS, NESTED, Request, cost_of, without_caps
from concertino.tools.models.sources import ModelSource
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.registry import Tool
from concertino.tools.retry import MAX_ATTEMPTS

BREAKER = BreakerPolicy()
GRACE_S = 0.25
"""Seconds after the deadline at which HTTP gives up: later than the guard, which says why. Chosen by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked(Tool):
    """A tool of values that were checked where they came from: checking them takes longer than the rest of it."""

    def __post_init__(self) -> None:
        """Check nothing."""


def never() -> None:
    """Revoke nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What ties a model to one attempt at one subtask, or to one of our own nodes."""

    source: ModelSource
    guard: Guard
    account: Account
    key: str
    """Unique in the run; the n-th request reserves under `key:model:n`."""
    counter: TokenCounter
    price: Price | None = None
    deadline: float | None = None
    """On the monotonic clock."""
    caller: str = ""
    """The same for all attempts at a subtask: one logical call gets no more than three requests over all of them."""
    revoked: Callable[[], Exception | None] = never
    ids: Ids = new_id
    """Names answers that the model does not name."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


class Sent:
    """One logical call: its bounds, and the cap that its attempts are granted."""

    def __init__(self, binding: Binding, messages: Sequence[BaseMessage], given: dict[str, Any]) -> None:
        self._binding, self._messages, self._given = binding, messages, given
        self.request = Request.of(binding.source.built, messages, given, counter=binding.counter, price=binding.price)
        self.cap = self.request.wanted
        self._most = self.request.most()

    def identity(self) -> str:
        """Return what is the same for all who make this very call: whose it is, and what is said."""
        binding = self._binding
        about = [(one.type, one.content, getattr(one, "tool_calls", None)) for one in self._messages]
        said = digest_of_text(repr((binding.source.name, about, sorted(self._given))))
        return f"{binding.caller or binding.key}:{TOOL}:{said[:32]}"

    @property
    def counter(self) -> TokenCounter:
        """What counts the model's tokens."""
        return self._binding.counter

    def order(self, *, used: Callable[[Any], Any], fn: Any = None, afn: Any = None) -> Order:
        """Return the order for the guard.

        Raises:
            ToolFailed: this very call has failed as often as it may, whoever makes it again.
        """
        binding = self._binding
        made = binding.guard.made_in_vain(self.identity)
        if made >= MAX_ATTEMPTS:
            raise ToolFailed(tool=TOOL, attempts=0, reason=f"the same request has failed {made} times already")
        tool = _Checked(
            name=TOOL, breaker=BREAKER, attempts=MAX_ATTEMPTS, fn=fn, afn=afn, endpoint=binding.source.endpoint, cost=cost_of(self._most), timeout_s=None,
            used=lambda result: self.request.used(used(result)) or self.request.held(self.cap),
        )  # fmt: skip
        return Order(
            tool=tool, account=binding.account, key=f"{binding.key}:{TOOL}:{next(binding.numbers)}", call=self.identity,
            deadline=binding.deadline, least=self.request.least(), granted=self._granted, revoked=binding.revoked,
        )  # fmt: skip

    def answered(self) -> None:
        """Note that it was answered: the same messages sent again are another call."""
        self._binding.guard.forget(self.identity)

    def capped(self, model: BaseChatModel) -> BaseChatModel:
        """Return a copy of a model that asks for no more output than was granted, wherever its cap stood."""
        fields = type(model).model_fields
        update: dict[str, Any] = {name: self.cap for name in CAPS if name in fields}
        for name in NESTED:
            held = getattr(model, name, None) if name in fields else None
            if isinstance(held, Mapping):
                update[name] = without_caps(held)
        return model.model_copy(update=update)

    def settings(self, model: BaseChatModel) -> dict[str, Any]:
        """Return the request's own settings, with the cap where the model has no field for it.

        OpenAI's clients take their HTTP timeout with the request; of others the guard keeps the deadline.
        """
        made = without_caps(self._given)
        if not any(name in type(model).model_fields for name in CAPS):
            made["max_tokens"] = self.cap
        deadline = self._binding.deadline
        if deadline is not None and hasattr(model, "root_async_client"):
            made["timeout"] = GRACE_S + max(0.0, deadline - self._binding.guard.desk.clock.monotonic())
        return made

    def failed(self, error: Exception) -> None:
        """Put on an error what it is known to have used: OpenAI's parser refuses an answer that was billed."""
        usage = getattr(getattr(error, "completion", None), "usage", None)
        if usage is not None:
            told = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
            if (cost := self.request.used(told)) is not None:
                vars(error)["usage"] = cost

    def _granted(self, amounts: Amounts) -> None:
        self.cap = self.request.wanted if amounts == self._most else self.request.cap(amounts)
