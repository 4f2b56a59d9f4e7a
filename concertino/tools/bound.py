"""The tools of one subtask attempt: `brief.tools`, bound to its account, its deadline and its keys."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from concertino.tools.attempt import Account, Order
from concertino.tools.guard import Guard
from concertino.tools.registry import Tool


class BoundTools:
    """Implements `contracts.brief.Tools`. Made anew for every attempt of a subtask; safe in threads."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        *,
        guard: Guard,
        account: Callable[[Tool], Account],
        key: str,
        blocking: bool,
        deadline: float | None = None,
        caller: str = "",
    ) -> None:
        """Bind tools.

        Args:
            tools: what this specialist may call, by name.
            guard: the run's.
            account: the ledger's account on which a tool is charged here.
            key: identity of this attempt, `subtask id:attempt`, new in its ledger: the n-th call of a tool reserves under
                `key:tool:n#attempt of the call`, and the ledger refuses a key it has seen.
            blocking: for a plain function: calls return results. Else they return coroutines.
            deadline: on the monotonic clock.
            caller: identity of the subtask on its specialist, the same for all its attempts: the n-th call of a tool gets
                no more than the tool's attempts over all of them.
        """
        self._tools, self._guard, self._account = dict(tools), guard, account
        self._key, self._blocking, self._deadline = key, blocking, deadline
        self._caller = caller
        self._counts: defaultdict[str, Iterator[int]] = defaultdict(functools.partial(itertools.count, 1))
        self._closed: Exception | None = None

    def names(self) -> tuple[str, ...]:
        """Return the tools that may be called now; one whose breaker is open is left out."""
        breakers = self._guard.desk.breakers
        return tuple(
            name
            for name, tool in self._tools.items()
            if not breakers.get(tool.name, tool.endpoint, policy=tool.breaker).is_open
        )

    def call(self, name: str, /, *args: Any, **arguments: Any) -> Any:
        """Call a tool by name.

        Raises:
            KeyError: there is no such tool.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise KeyError(self._unknown(name))
        number = next(self._counts[name])
        order = Order(
            tool=tool,
            account=self._account(tool),
            key=f"{self._key}:{name}:{number}",
            call=f"{self._caller}:{name}:{number}" if self._caller else "",
            deadline=self._deadline,
            revoked=lambda: self._closed,
        )
        if self._blocking:
            return self._guard.call_blocking(order, args, arguments)
        return self._guard.call(order, args, arguments)

    def close(self, error: Exception) -> None:
        """End these tools: every further attempt raises `error`, also in a thread that could not be stopped."""
        self._closed = error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._tools:
            raise AttributeError(self._unknown(name) if not name.startswith("_") else name)
        return functools.partial(self.call, name)

    def __getitem__(self, name: str) -> Any:
        if name not in self._tools:
            raise KeyError(self._unknown(name))
        return functools.partial(self.call, name)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def _unknown(self, name: str) -> str:
        return f"no tool {name!r}; there are: {', '.join(self._tools) or 'none'}"
