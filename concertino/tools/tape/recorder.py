"""What takes down every call that crosses a planner's boundary, while the calls themselves go where they would."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from concertino.contracts.clock import Clock
from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject, canonical, digest
from concertino.tools.outcome import is_ours
from concertino.tools.registry import Tool
from concertino.tools.tape.failures import HANGS, failure_of
from concertino.tools.tape.lines import CallKind, Line
from concertino.tools.tape.seeds import scope_now
from concertino.tools.tape.values import encode

PRINT_CHARS = 12
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
"""In what Python shows of an object; another one in every process."""


class Taking:
    """One call that is being taken down; closed once, by whichever ending comes first."""

    def __init__(self, recorder: Recorder, line: Line) -> None:
        self._recorder, self.line = recorder, line
        self._pieces: list[tuple[float, object]] = []
        self._is_closed = False

    @property
    def call(self) -> str:
        """What ids within this call begin with."""
        return f"call-{digest([self.line.scope, self.line.n])[:8]}"

    def piece(self, piece: object) -> None:
        """Take down a piece of a stream."""
        self._pieces.append((self._seconds(), piece))

    def answered(self, response: JsonObject | None, usage: JsonObject | None = None) -> None:
        """Take down the answer; of a stream that was read to its end, or given up, its pieces are the answer."""
        self._close(response=response, usage=usage)

    def failed(self, error: BaseException) -> None:
        """Take down an error; one that was given up while it ran has not answered."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
            self._close(error={"kind": HANGS})
        elif isinstance(error, InputError) or not is_ours(error):
            self._close(error=failure_of(error, now=self._recorder.clock.now()))
        else:
            self._is_closed = True

    def _close(self, **ending: Any) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        chunks = tuple(self._pieces) if self._pieces else None
        self._recorder.take(replace(self.line, took=self._seconds(), chunks=chunks, **ending))

    def _seconds(self) -> float:
        return self._recorder.seconds() - self.line.at


class Recorder:
    """Takes down the calls of one run. Safe in threads."""

    def __init__(
        self, clock: Clock, *, run: int = 1, code: Callable[[str], str] = lambda _: "", after: Iterable[Line] = ()
    ) -> None:
        """Begin now.

        Args:
            clock: The run's.
            run: Which of the case's repeats this is.
            code: Fingerprint of the code behind a scope.
            after: Calls that have been recorded; the next ones of a scope are numbered behind them.
        """
        self.clock, self._run, self._code = clock, run, code
        self._began = clock.monotonic()
        self._lock = threading.Lock()
        self._lines: list[Line] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        for line in after:
            self._counts[line.scope] = max(self._counts[line.scope], line.n)
        self._refused: InputError | None = None
        self.models: dict[str, JsonObject] = {}
        """What was seen of the models, by name."""
        self.foreign: list[JsonObject] = []
        """The same of models that specialists brought, call by call; several of one name may be set differently."""
        self.tool_prints: dict[str, str] = {}

    def seconds(self) -> float:
        """Return the seconds since the run began."""
        return self.clock.monotonic() - self._began

    def begin(
        self,
        kind: CallKind,
        name: str,
        request: JsonObject,
        *,
        cap: int | None = None,
        prints: Mapping[str, str] | None = None,
    ) -> Taking:
        """Begin to take down a call of whoever is at work here."""
        scope = scope_now()
        with self._lock:
            self._counts[scope] = number = self._counts[scope] + 1
        known: JsonObject = {**(prints or {})}
        if code := self._code(scope):
            known["code"] = code
        line = Line(
            kind=kind, name=name, scope=scope, n=number, request=request, at=self.seconds(), took=0.0, cap=cap, prints=known,
            run=self._run,
        )  # fmt: skip
        return Taking(self, line)

    def take(self, line: Line) -> None:
        """Keep a line."""
        with self._lock:
            self._lines.append(line)

    def refuse(self, error: InputError) -> None:
        """Note that something cannot be recorded."""
        self._refused = self._refused or error

    def lines(self) -> tuple[Line, ...]:
        """Return what was taken down.

        Raises:
            InputError: something came back that a tape cannot hold.
        """
        if self._refused is not None:
            raise self._refused
        with self._lock:
            return tuple(self._lines)

    def reading(self, now: Callable[[], float]) -> Callable[[], float]:
        """Return a wall clock whose readings are taken down."""

        def read() -> float:
            taking = self.begin("clock", "now", {})
            seconds = round(now(), 6)
            taking.answered({"value": seconds})
            return seconds

        return read

    def tool(self, tool: Tool) -> Tool:
        """Return a tool whose calls are taken down."""
        self.tool_prints[tool.name] = tool_print(tool)
        return replace(
            tool,
            fn=None if tool.fn is None else self._blocking(tool.name, tool.fn),
            afn=None if tool.afn is None else self._awaiting(tool.name, tool.afn),
        )

    def _blocking(self, name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            taking = self._of_tool(name, args, kwargs)
            try:
                value = fn(*args, **kwargs)
            except BaseException as error:
                taking.failed(error)
                raise
            self._returned(taking, value)
            return value

        return call

    def _awaiting(self, name: str, afn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(afn, updated=())
        async def call(*args: Any, **kwargs: Any) -> Any:
            taking = self._of_tool(name, args, kwargs)
            try:
                value = await afn(*args, **kwargs)
            except BaseException as error:
                taking.failed(error)
                raise
            self._returned(taking, value)
            return value

        return call

    def _of_tool(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Taking:
        return self.begin("tool", name, tool_request(name, args, kwargs), prints={"schema": self.tool_prints[name]})

    def _returned(self, taking: Taking, value: Any) -> None:
        try:
            taking.answered({"value": encode(value, field=f"tools.{taking.line.name}", is_strict=True)})
        except InputError as error:
            self.refuse(error)


def tool_request(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JsonObject:
    """Return what a tool is asked."""
    made: JsonObject = {}
    if args:
        made["args"] = encode(list(args), field=f"tools.{name}", is_strict=False)
    if kwargs:
        made["arguments"] = encode(dict(kwargs), field=f"tools.{name}", is_strict=False)
    return made


def tool_print(tool: Tool) -> str:
    """Return the fingerprint of what a tool says of itself: its arguments, too."""
    cost = tool.cost
    said: list[JsonValue] = [
        tool.name,
        tool.description,
        [_arguments(one) for one in (tool.fn, tool.afn) if one is not None],
        cost.tokens,
        cost.calls,
        cost.usd,
        cost.documents,
        tool.timeout_s,
        tool.attempts,
    ]
    return digest(said)[:PRINT_CHARS]


def _arguments(function: Callable[..., Any]) -> JsonValue:
    """Return the schema of what a LangChain tool takes, or a function's parameters as it declares them."""
    for cell in getattr(function, "__closure__", None) or ():
        schema = getattr(cell.cell_contents, "args", None)
        if isinstance(schema, dict) and hasattr(cell.cell_contents, "args_schema"):
            return canonical(schema)
    try:
        return [ADDRESS.sub("", str(one)) for one in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return None
