"""What stands for the world when a run is played from its tape: every call is answered as it was, after as long."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from concertino.contracts.clock import Clock
from concertino.contracts.errors import TapeMiss
from concertino.contracts.json import JsonObject
from concertino.tools.registry import Tool
from concertino.tools.tape.failures import HANGS, TimedOut, raised
from concertino.tools.tape.files import Tape, lines_of
from concertino.tools.tape.injection import Called, Inject, Injection, answers, damaged
from concertino.tools.tape.lines import CallKind, Line
from concertino.tools.tape.matching import Deck
from concertino.tools.tape.recorder import tool_request
from concertino.tools.tape.seeds import scope_now
from concertino.tools.tape.values import decode

HANG_S = 86_400.0
"""How long a thread waits for what never comes, in virtual seconds: longer than any deadline. Chosen by hand."""


class Play:
    """One call being played."""

    __slots__ = ("_player", "at", "fault", "line", "log")

    def __init__(self, player: Player, line: Line, fault: str | None, log: dict[str, Any]) -> None:
        self._player, self.line, self.fault, self.log = player, line, fault, log
        self.at = player.seconds()

    async def wait(self) -> None:
        """Let as much time pass as the call took, then raise its error, if it had one."""
        error = self.line.error
        if error is not None and error["kind"] == HANGS:
            await asyncio.get_running_loop().create_future()
        if self.line.took > 0:
            await self._player.clock.asleep(self.line.took)
        if error is not None:
            raise raised(error)

    def wait_blocking(self) -> None:
        """Do as `wait` in a thread."""
        error = self.line.error
        if error is not None and error["kind"] == HANGS:
            self._player.clock.sleep(HANG_S)
            raise TimedOut(f"nothing came within {HANG_S:g} s")
        if self.line.took > 0:
            self._player.clock.sleep(self.line.took)
        if error is not None:
            raise raised(error)

    async def until(self, seconds: float) -> None:
        """Wait until so many seconds from the call's begin."""
        left = self.at + seconds - self._player.seconds()
        if left > 0:
            await self._player.clock.asleep(left)

    def until_blocking(self, seconds: float) -> None:
        """Do as `until` in a thread."""
        left = self.at + seconds - self._player.seconds()
        if left > 0:
            self._player.clock.sleep(left)


class Player:
    """Plays one run of a tape. Not to be used again for another run."""

    def __init__(self, tape: Tape, clock: Clock, *, run: int = 1, inject: Inject | None = None) -> None:
        """Begin now.

        Args:
            tape: What was recorded.
            clock: The run's; the seconds that calls took pass on it.
            run: Which of the case's repeats.
            inject: Chooses the calls that go with a fault.
        """
        self.clock, self.tape = clock, tape
        self.deck = Deck(lines_of(tape, run))
        self._began = clock.monotonic()
        self._inject = inject
        self._lock = threading.Lock()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._kind_counts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._readings = Counter(line.scope for line in self.deck.lines if line.kind == "clock")
        self._log: list[dict[str, Any]] = []
        self.misses: list[TapeMiss] = []
        """Calls that the tape does not have, whatever the run made of their errors."""
        self.goes_on = False
        """Whether what the tape does not have is asked of the world and added to it: while a faulty run is recorded."""

    def seconds(self) -> float:
        """Return the seconds since the run began."""
        return self.clock.monotonic() - self._began

    def play(self, kind: CallKind, name: str, request: JsonObject, *, is_stream: bool = False) -> Play:
        """Return the call that answers one that is made here and now.

        Raises:
            TapeMiss: it is not on the tape.
        """
        scope = scope_now()
        with self._lock:
            self._counts[scope] = n = self._counts[scope] + 1
            fault: Injection | None = None
            if self._inject is not None:
                self._kind_counts[scope, kind, name] = place_n = self._kind_counts[scope, kind, name] + 1
                fault = self._inject(Called(kind, name, scope, n, place_n))
            try:
                line = self._line(kind, name, scope, request, fault, is_stream=is_stream)
            except TapeMiss as error:
                if not self.goes_on:
                    self.misses.append(error)
                raise
            log: dict[str, Any] = {
                "kind": kind, "name": name, "scope": scope, "n": n, "request": request, "at": round(self.seconds(), 6),
                "took": round(line.took, 6),
            }  # fmt: skip
            for part in ("response", "error", "usage"):
                if (value := getattr(line, part)) is not None:
                    log[part] = value
            if line.chunks is not None:
                log["chunks"] = [[round(at, 6), piece] for at, piece in line.chunks]
            if fault is not None:
                log["fault"] = fault.what
            self._log.append(log)
        return Play(self, line, None if fault is None else fault.what, log)

    def _line(
        self, kind: str, name: str, scope: str, request: JsonObject, fault: Injection | None, *, is_stream: bool
    ) -> Line:
        if fault is None:
            return self.deck.find(kind, name, scope, request)
        if answers(fault):
            return damaged(self.deck.find(kind, name, scope, request), fault, is_stream=is_stream)
        # What never answers takes nothing from the tape: the next try finds the answer.
        line = self.deck.peek(kind, name, scope, request)
        if line is None:
            raise self.deck.miss(kind, name, scope, request)
        return damaged(line, fault, is_stream=is_stream)

    def reading(self, now: Callable[[], float]) -> Callable[[], float]:
        """Return a wall clock that each scope reads as it did; after its last recorded reading, `now` is the time."""

        def read() -> float:
            scope = scope_now()
            with self._lock:
                if self._readings[scope] == 0:
                    return now()
                self._readings[scope] -= 1
                self._counts[scope] = n = self._counts[scope] + 1
                line = self.deck.find("clock", "now", scope, {})
                log: dict[str, Any] = {
                    "kind": "clock", "name": "now", "scope": scope, "n": n, "request": {}, "at": round(self.seconds(), 6),
                    "took": 0.0, "response": line.response,
                }  # fmt: skip
                self._log.append(log)
            told: Any = line.response or {}
            return float(told["value"])

        return read

    def calls(self) -> list[JsonObject]:
        """Return the calls that were made, in a tape's order."""
        return sorted(self._log, key=lambda one: (one["scope"], one["n"]))

    def unplayed(self) -> list[Line]:
        """Return the recorded calls that were not made."""
        return self.deck.unplayed()

    def tool(self, tool: Tool) -> Tool:
        """Return a tool that is played; the one it stands for is called only where the player goes on without its tape."""
        return replace(
            tool,
            fn=None if tool.fn is None else self._blocking(tool.name, tool.fn),
            afn=None if tool.afn is None else self._awaiting(tool.name, tool.afn),
        )

    def _blocking(self, name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                play = self.play("tool", name, tool_request(name, args, kwargs))
            except TapeMiss:
                if not self.goes_on:
                    raise
                return fn(*args, **kwargs)
            play.wait_blocking()
            return _value(play, name)

        return call

    def _awaiting(self, name: str, afn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(afn, updated=())
        async def call(*args: Any, **kwargs: Any) -> Any:
            try:
                play = self.play("tool", name, tool_request(name, args, kwargs))
            except TapeMiss:
                if not self.goes_on:
                    raise
                return await afn(*args, **kwargs)
            await play.wait()
            return _value(play, name)

        return call


def _value(play: Play, name: str) -> Any:
    response: Mapping[str, Any] = play.line.response or {}
    return decode(response.get("value"), field=f"tools.{name}")


def named(lines: Sequence[Line]) -> list[str]:
    """Return what people are told of calls: who made which."""
    return [f"{line.kind} {line.name} ({line.label})" for line in lines]
