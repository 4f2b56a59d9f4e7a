"""One request to a model: how much it may use, and what it is capped to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concertino.budgets import Amounts
from concertino.budgets.amounts import NANO
from concertino.contracts.errors import InputError
from concertino.tools.models.caps import refuse_unbounded
from concertino.tools.models.prices import Price
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.registry import Cost

OUTPUT_TOKENS = 4_096
"""Output tokens asked for where neither caller nor model says; chosen by hand."""
LEAST_OUTPUT = 16
"""Output tokens below which a request is not worth sending. Source: the least that OpenAI's Responses API accepts."""
CAPS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
"""What LangChain's models call their output cap."""
NESTED = ("model_kwargs", "extra_body")
"""Settings that hold further settings of a request."""
IN_PROMPT = ("response_format", "functions", "text", "ls_structured_output_format")
"""Settings of a request that become input tokens, beside its tools."""


@dataclass(frozen=True, slots=True)
class Bounding:
    """What of a model's settings bounds its requests, where these say nothing of their own."""

    cap: int | None
    choices: int
    service_tier: Any

    @classmethod
    def of(cls, model: Any) -> Bounding:
        """Read it from a model."""
        choices = max(_whole(vars(model), ("n",)), default=1)
        return cls(cap_of(model), choices, getattr(model, "service_tier", None))


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
        model: Bounding,
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
        if not settings:
            inputs, wanted, choices, tier = counter.bound(messages), model.cap, model.choices, model.service_tier
        else:
            refuse_unbounded(settings)
            prompt = {name: schema_of(settings[name]) for name in IN_PROMPT if name in settings}
            inputs = counter.bound(messages, settings.get("tools"), **prompt)
            _refuse_odd(settings)
            wanted = min(_whole(settings, CAPS), default=model.cap)
            choices = max(_whole(settings, ("n",)), default=model.choices)
            tier = settings.get("service_tier") or model.service_tier
        priced = None if price is None else price.tier(tier)
        return cls(inputs, OUTPUT_TOKENS if wanted is None else wanted, choices, priced)

    def most(self) -> Amounts:
        """Return the most it can use."""
        return self._amounts(self.wanted)

    def least(self) -> Amounts:
        """Return the least it can do with."""
        return self._amounts(min(self.wanted, LEAST_OUTPUT))

    def cap(self, granted: Amounts) -> int:
        """Return the output cap that what is granted pays for; of each choice."""
        tokens = granted.tokens - self.inputs
        if self.price is not None:
            tokens = min(tokens, self.price.most_output(self.inputs, granted.nano_usd))
        return max(1, min(self.wanted, tokens // self.choices))

    def held(self, cap: int) -> Cost:
        """Return the most that it can have used with this cap: nothing was reported."""
        return cost_of(self._amounts(cap))

    def used(self, usage: Mapping[str, Any] | None) -> Cost | None:
        """Return what a reported usage comes to; `None` where nothing was reported, or only zeros."""
        if not usage:
            return None
        tokens = max(usage.get("input_tokens", 0) + usage.get("output_tokens", 0), usage.get("total_tokens", 0))
        if not tokens:
            return None
        return Cost(tokens=tokens, usd=self.price.actual(usage) / NANO if self.price is not None else 0.0)

    def _amounts(self, output: int) -> Amounts:
        output *= self.choices
        nano = self.price.bound(self.inputs, output) if self.price is not None else 0
        return Amounts(tokens=self.inputs + output, calls=1, nano_usd=nano)


def cost_of(amounts: Amounts) -> Cost:
    """Return what a ledger counts as a tool's cost."""
    return Cost(tokens=amounts.tokens, calls=amounts.calls, usd=amounts.nano_usd / NANO)


def cap_of(model: Any, settings: Mapping[str, Any] | None = None) -> int | None:
    """Return the output cap that a request's settings, else its model, set: the lowest; `None` without one."""
    asked = min(_whole(settings or {}, CAPS), default=None)
    return min(_whole(vars(model), CAPS), default=None) if asked is None else asked


def without_caps(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without output caps, also of those inside."""
    made = {name: value for name, value in settings.items() if name not in CAPS}
    for name in NESTED:
        if isinstance(inner := made.get(name), Mapping):
            made[name] = without_caps(inner)
    return made


def _refuse_odd(settings: Mapping[str, Any]) -> None:
    """Refuse an output cap that a request cannot have, `num_predict` aside, where -1 is Ollama's word for none.

    Raises:
        InputError: no whole number from 1.
    """
    for name in CAPS:
        value = settings.get(name)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and name != "num_predict" and not (is_whole and value > 0):
            raise InputError(field=f"model.{name}", value=value, rule="must be a whole number from 1")


def _whole(settings: Mapping[str, Any], names: Iterable[str]) -> Iterator[int]:
    """Yield the numbers from 1 that settings, and those inside, have under any of `names`."""
    for name in names:
        value = settings.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield value
    for name in NESTED:
        if isinstance(inner := settings.get(name), Mapping):
            yield from _whole(inner, names)


def schema_of(value: Any) -> Any:
    """Return a response format as what is sent: a class's schema."""
    schema = getattr(value, "model_json_schema", None)
    return schema() if isinstance(value, type) and callable(schema) else value
