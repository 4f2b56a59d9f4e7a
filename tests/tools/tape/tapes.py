"""Tapes made by hand, and a run's calls to models and tools recorded and played under the guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from concertino.contracts.scope import Scope, scoped
from concertino.tools.models.sources import ModelSource, as_model
from concertino.tools.tape.files import Tape
from concertino.tools.tape.injection import Inject
from concertino.tools.tape.lines import Head, Line
from concertino.tools.tape.played_model import PlayedSource
from concertino.tools.tape.player import Player
from concertino.tools.tape.recorded_model import RecordedSource
from concertino.tools.tape.recorder import Recorder
from tests.clocks import StillClock
from tests.tools.models.governing import Governing


def line(n: int = 1, *, scope: str = "w/a#1", said: str = "hi", answer: str = "ho", **fields: Any) -> Line:
    """Return a call to a model."""
    request: Any = {"messages": [{"role": "human", "content": said}]}
    known: dict[str, Any] = {"kind": "model", "name": "openai:m", "request": request, "at": 0.0, "took": 0.5}
    if "error" not in fields and "chunks" not in fields:
        known["response"] = {"content": answer}
    return Line(scope=scope, n=n, **{**known, **fields})


def tape(lines: Iterable[Line] = (), **head: Any) -> Tape:
    """Return a tape of a model that answers with at most 500 tokens."""
    traits = {"openai:m": {"provider": "openai", "model": "m", "cap": 500, "structured": "json_schema"}}
    return Tape(Head(case="c", **{"models": traits, **head}), tuple(lines))


def player(lines: Iterable[Line], *, inject: Inject | None = None, clock: Any = None) -> Player:
    """Return a player of lines, on a clock that jumps over every wait."""
    return Player(tape(lines), clock or StillClock(), inject=inject)


async def recorded(
    given: object, ask: Callable[[Any], Awaitable[Any]], *, scope: str = "w"
) -> tuple[Any, Governing, Tape]:
    """Record what `ask` does with a governed model; an error is its outcome."""
    governing = Governing()
    recorder = Recorder(governing.clock)
    source = RecordedSource(as_model(given, field="model"), recorder)
    outcome = await _asked(governing, source, ask, scope)
    return outcome, governing, Tape(Head(case="c", models={**recorder.models}), recorder.lines())


async def played(
    known: Tape, given: object, ask: Callable[[Any], Awaitable[Any]], *, inject: Inject | None = None, scope: str = "w"
) -> tuple[Any, Governing, Player]:
    """Do the same with the model played from a tape."""
    governing = Governing()
    made = Player(known, governing.clock, inject=inject)
    outcome = await _asked(governing, PlayedSource(as_model(given, field="model"), made), ask, scope)
    return outcome, governing, made


async def _asked(governing: Governing, source: ModelSource, ask: Callable[[Any], Awaitable[Any]], scope: str) -> Any:
    with scoped(Scope(scope)):
        try:
            return await ask(governing.model(source))
        except Exception as error:
            return error
