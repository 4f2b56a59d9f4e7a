"""One logical call to a governed model: what it may use, the cap its attempts are granted, and how it reaches the wire."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from concertino.budgets import Amounts
from concertino.contracts.errors import ToolFailed
from concertino.contracts.ids import Ids, new_id
from concertino.contracts.json import digest_of_text
from concertino.tools.attempt import Account, Order
from concertino.tools.guard import Guard
from concertino.tools.models.outlet import Outlet
from concertino.tools.models.own import BREAKER, TOOL, CheckedTool
from concertino.tools.models.prices import Price
from concertino.tools.models.request import Request, cost_of, without_caps
from concertino.tools.models.sources import ModelSource
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.registry import Cost
from concertino.tools.retry import MAX_ATTEMPTS

GRACE_S = 0.25
"""Seconds after the deadline at which HTTP gives up: later than the guard, which says why. Chosen by hand."""


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

    __slots__ = ("_binding", "_given", "_messages", "_most", "_outlet", "cap", "request")

    def __init__(
        self, binding: Binding, outlet: Outlet, messages: Sequence[BaseMessage], given: dict[str, Any]
    ) -> None:
        self._binding, self._outlet, self._messages, self._given = binding, outlet, messages, given
        self.request = Request.of(outlet.bounding, messages, given, counter=binding.counter, price=binding.price)
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

    def order(self, *, used: Callable[[Any], Any], fn: Any = None, afn: Any = None, is_stream: bool = False) -> Order:
        """Return the order for the guard.

        Raises:
            ToolFailed: this very call has failed as often as it may, whoever makes it again.
        """
        binding = self._binding
        made = binding.guard.made_in_vain(self.identity)
        if made >= MAX_ATTEMPTS:
            raise ToolFailed(tool=TOOL, attempts=0, reason=f"the same request has failed {made} times already")
        tool = CheckedTool(
            name=TOOL, breaker=BREAKER, attempts=MAX_ATTEMPTS, fn=fn, afn=afn, endpoint=binding.source.endpoint,
            cost=cost_of(self._most), timeout_s=None, used=lambda made: self._used(used(made)),
        )  # fmt: skip
        return Order(
            tool=tool, account=binding.account, key=f"{binding.key}:{TOOL}:{next(binding.numbers)}", call=self.identity,
            deadline=binding.deadline, least=self.request.least(), granted=self._granted, revoked=binding.revoked,
            heeds=self._outlet.heeds and not is_stream,
        )  # fmt: skip

    def answered(self) -> None:
        """Note that it was answered: the same messages sent again are another call."""
        self._binding.guard.forget(self.identity)

    def capped(self) -> Any:
        """Return the copy of the model to ask, which asks for no more output than was granted."""
        return self._outlet.capped(self.cap)

    def settings(self) -> dict[str, Any]:
        """Return the request's own settings, with the cap where the model has no field for it.

        OpenAI's clients take their HTTP timeout with the request; of others the guard keeps the deadline.
        """
        outlet, deadline = self._outlet, self._binding.deadline
        made = without_caps(self._given) if self._given else {}
        if not outlet.has_cap:
            made["max_tokens"] = self.cap
        if deadline is not None and outlet.takes_timeout:
            made["timeout"] = GRACE_S + max(0.0, deadline - self._binding.guard.desk.clock.monotonic())
        return made

    def failed(self, error: Exception) -> None:
        """Put on an error what it is known to have used: OpenAI's parser refuses an answer that was billed."""
        usage = getattr(getattr(error, "completion", None), "usage", None)
        if usage is not None:
            told = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
            if (cost := self.request.used(told)) is not None:
                vars(error)["usage"] = cost

    def _used(self, usage: Any) -> Cost:
        """Return what an answer came to: where nothing was reported the most it can have used."""
        return self.request.used(usage) or self.request.held(self.cap)

    def _granted(self, amounts: Amounts) -> None:
        self.cap = self.request.wanted if amounts == self._most else self.request.cap(amounts)
