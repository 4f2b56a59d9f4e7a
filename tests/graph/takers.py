"""Specialists of which one fails and others may take over, some of them only if people let them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from concertino import Brief, Finding, specialist
from tests.graph.plans import subtask

ONCE = {"when": "card.delivery == 'at_most_once'", "question": "Let ${card.name} act?"}
A = subtask("a", "reader", inputs={"amount": 1})


class Till:
    """`reader` and whoever else can do `pay`; those in `broken` fail."""

    def __init__(self, *broken: str, takers: tuple[str, ...] = ("payer",), **reader: Any) -> None:
        self.broken = {"reader", *broken}
        self.calls: list[str] = []
        self.on_call: Callable[[str], object] = lambda name: None
        schema = {
            "type": "object",
            "properties": {"amount": {"type": "integer"}},
            "additionalProperties": False,
        }
        self.specialists = [
            self.make("reader", max_attempts=2, **reader),
            *(
                self.make(name, authority=0.9 - number / 10, delivery="at_most_once", input_schema=schema)
                for number, name in enumerate(takers)
            ),
            self.make("beside", capabilities=set()),
        ]

    def make(self, name: str, **options: Any) -> Any:
        """Return a specialist that notes its calls."""

        @specialist(name, **{"capabilities": {"pay"}, **options})
        def work(brief: Brief) -> Finding:
            self.calls.append(name)
            self.on_call(name)
            if name in self.broken:
                raise ValueError(f"{name} is broken")
            return Finding(output={"by": name, "amount": brief.inputs.get("amount")})

        return work
