"""One request to a model: how much it may use, what it is capped to, and how a stream of it is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concertino.budgets import Amounts
from concertino.budgets.amounts import NANO
from concertino.tools.models.prices import Price
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.registry import Cost

OUTPUT_TOKENS = 4_096
"""Output tokens asked for where neither caller nor model says; chosen by hand."""
LEAST_OUTPUT = 16
"""Output tokens below which a request is not worth sending. Source: the least that OpenAI's Responses API accepts."""
CAPS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
"""What LangChain's models call their output cap."""
IN_PROMPT = ("response_format", "functions", "text", "ls_structured_output_format")
"""Settings of a request that become input tokens, beside its tools."""
CHARS_PER_TOKEN = 5
"""More characters than a token has on average in any common language; chosen by hand."""


@dataclass(frozen=True, slots=True)
class Request:
    """The bounds of one request; the output cap follows from what was granted."""

    inputs: int
    """Upper bound of its input tokens."""
    wanted: int
    """Output tokens asked for, of each choice."""
    choices: int
    price: Price | None

    @classmethod
    def of(
        cls,
        model: Any,
        messages: Sequence[Any],
        settings: Mapping[str, Any],
        *,
        counter: TokenCounter,
        price: Price | None,
    ) -> Request:
        """Return the bounds of a request that `model` would make.

        Raises:
            InputError: its input cannot be bounded.
        """
        prompt = {name: settings[name] for name in IN_PROMPT if name in settings}
        inputs = counter.bound(messages, settings.get("tools"), **prompt)
        wanted = cap_of(model, settings)
        choices = settings.get("n") or getattr(model, "n", None)
        return cls(
            inputs, OUTPUT_TOKENS if wanted is None else wanted, choices if isinstance(choices, int) else 1, price
        )

    def cost(self) -> Cost:
        """Return the most it can use."""
        return self._cost(self.wanted)

    def least(self) -> Amounts:
        """Return the least it can do with."""
        return self._amounts(min(self.wanted, LEAST_OUTPUT))

    def cap(self, granted: Amounts) -> int:
        """Return the output cap that what is granted pays for; of each choice."""
        tokens = granted.tokens - self.inputs
        if self.price is not None:
            tokens = min(tokens, self.price.most_output(self.inputs, granted.nano_usd))
        return max(1, min(self.wanted, tokens // self.choices))

    def used(self, usage: Mapping[str, Any] | None) -> Cost | None:
        """Return what a reported usage comes to; `None` where nothing was reported."""
        if not usage:
            return None
        tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        usd = self.price.actual(usage) / NANO if self.price is not None else 0.0
        return Cost(tokens=max(tokens, usage.get("total_tokens", 0)), usd=usd)

    def _cost(self, output: int) -> Cost:
        most = self._amounts(output)
        return Cost(tokens=most.tokens, calls=most.calls, usd=most.nano_usd / NANO)

    def _amounts(self, output: int) -> Amounts:
        output *= self.choices
        nano = self.price.bound(self.inputs, output) if self.price is not None else 0
        return Amounts(tokens=self.inputs + output, calls=1, nano_usd=nano)


def cap_of(model: Any, settings: Mapping[str, Any] | None = None) -> int | None:
    """Return the output cap that a model or a request's settings set; `None` without one."""
    found = [settings[name] for name in CAPS if settings and settings.get(name) is not None]
    found += [value for name in CAPS if (value := getattr(model, name, None)) is not None]
    return next(
        (value for value in found if isinstance(value, int) and not isinstance(value, bool) and value > 0), None
    )


class Meter:
    """Counts a stream as it comes. Never more than was really sent, so that no answer within its cap is cut."""

    def __init__(self, counter: TokenCounter, cap: int) -> None:
        self._counter, self._cap = counter, cap
        self._pieces = self._tokens = self._chars = 0

    def is_over(self, text: str) -> bool:
        """Take in a piece; say whether the stream has passed its cap, which a server that keeps it never does."""
        if text:
            self._pieces += 1
            self._chars += len(text)
            if self._counter.is_exact:
                self._tokens += self._counter.text(text)
        counted = self._tokens if self._counter.is_exact else self._chars // CHARS_PER_TOKEN
        return max(counted, self._pieces) > self._cap
