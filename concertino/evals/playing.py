"""Playing one case from its tape: in virtual time, without a way out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from concertino.contracts.errors import ConcertinoError, FileInvalid, TapeMiss
from concertino.contracts.json import JsonObject
from concertino.evals.case_files import Faulty, as_error
from concertino.evals.cases import Case
from concertino.evals.disclosure import without_secrets
from concertino.evals.faults import injecting
from concertino.evals.fingerprints import Seen, differences, prints_now
from concertino.evals.offline import offline
from concertino.evals.outcomes import Outcome, TapeState
from concertino.evals.staging import KeptJournal, ask_judge, folder_of, seed_of, stage, task_id_of
from concertino.evals.targets import Target
from concertino.evals.transcripts import sealed, wherever
from concertino.evals.transports import played_specialist
from concertino.evals.virtual import VirtualClock, VirtualLoop, run_virtually
from concertino.evals.virtual.waits import waiting_virtually
from concertino.graph.boundary import Boundary
from concertino.tools.models.sources import ModelSource, unbuilt
from concertino.tools.models.tokens import by_bytes
from concertino.tools.registry import Tool
from concertino.tools.tape.files import Tape, lines_of, read_tape
from concertino.tools.tape.lines import Head
from concertino.tools.tape.player import Player, named
from concertino.tools.tape.secrecy import redacted
from concertino.tools.tape.seeds import Seeded

EPOCH = 1_767_225_600.0
"""When runs without a tape begin: 2026-01-01 00:00 UTC."""


def play_case(target: Target, case: Case, *, seed: int = 0) -> list[Outcome]:
    """Return what every repeat of a case came to. Raises nothing for what is wrong with the case or its tape."""
    path = target.suite.tape_file(case.id)
    tape: Tape | None = None
    if path.is_file():
        try:
            tape = read_tape(path, shown=target.suite.shown(path))
            _check_owner(tape, case, shown=target.suite.shown(path))
        except ConcertinoError as error:
            return [_unplayable(case, number, error) for number in range(1, case.repeats + 1)]
    with replaying():
        return [_play(target, case, tape, number, seed) for number in range(1, case.repeats + 1)]


def _check_owner(tape: Tape, case: Case, *, shown: str) -> None:
    if tape.head.case != case.id:
        rule = f"this is the tape of another case; record {case.id} again"
        raise FileInvalid(file=shown, line=1, value=tape.head.case, rule=rule)


@contextmanager
def replaying() -> Iterator[None]:
    """Take models as names, count by bytes, and allow no way out meanwhile. Targets that are loaded in it sleep virtually."""
    from concertino.tools.models.foreign_doubles import doubling

    held: list[tuple[ContextVar[bool], Any]] = [(one, one.set(True)) for one in (unbuilt, by_bytes)]
    try:
        with offline(), waiting_virtually(), doubling():
            yield
    finally:
        for variable, token in held:
            variable.reset(token)


def _unplayable(case: Case, number: int, error: BaseException) -> Outcome:
    return Outcome(case=case, number=number, tape="none", stand_in=False, error=told(error))


def unread(one: Faulty) -> Outcome:
    """Return the outcome of a case that could not be read."""
    return Outcome(case=Case.unreadable(one.id), number=1, tape="none", stand_in=False, error=told(one.error))


def told(error: BaseException) -> JsonObject:
    """Return an error for an outcome, without secrets."""
    return cast("JsonObject", redacted(as_error(error)))


def _play(target: Target, case: Case, tape: Tape | None, number: int, seed: int) -> Outcome:
    known = tape or Tape(Head(case=case.id, start=EPOCH, seed=seed_of(case.id)), ())
    try:
        return run_virtually(lambda: _played(target, case, known, number, seed, has_tape=tape is not None))
    except ConcertinoError as error:  # nothing can happen any more, or the target cannot be made
        return _unplayable(case, number, error)


async def _played(target: Target, case: Case, tape: Tape, number: int, seed: int, *, has_tape: bool) -> Outcome:
    head = tape.head
    loop = cast("VirtualLoop", asyncio.get_running_loop())
    clock = VirtualClock(loop, head.start - loop.time())
    journal = KeptJournal(clock=clock)
    player = Player(tape, clock, run=number, inject=injecting(case.faults, run=number))
    seeded = Seeded(head.seed + seed, run=number)
    seen = Seen(prints=target.prints)
    plays_tools = has_tape and target.suite.file.tools == "played"
    boundary = boundary_of(player, seeded, journal, clock, seen, plays_tools=plays_tools)
    began = clock.monotonic()
    staged = await stage(target, case, boundary, journal, clock)
    makespan_s = clock.monotonic() - began
    misses = list(player.misses)
    if not misses:
        await ask_judge(target, case, staged.result, boundary)
    state, notes = _state(player, seen, case, number, has_tape=has_tape)
    wrong = misses[0] if misses else staged.error
    allowed, folder = target.suite.file.allow, folder_of(target, case)
    transcript = sealed(
        None if misses else staged.result, journal, task_id_of(case), player.calls(), allowed=allowed, folder=folder
    )
    return Outcome(
        case=case, number=number, tape=state, stand_in=head.stand_in, transcript=transcript, started=head.start,
        makespan_s=round(makespan_s, 6), error=None if wrong is None else told(wrong),
        notes=without_secrets(wherever(notes, folder), allowed=allowed) if notes else notes,
    )  # fmt: skip


def _missed(miss: TapeMiss) -> JsonObject:
    """Return what has changed where a call is not on the tape: the prompt of one that is near, or the call as a whole."""
    asked = f"{miss.kind} {miss.name} by {miss.scope}"
    if miss.nearest is None or miss.nearest.partition("#")[0] != miss.scope.partition("#")[0]:
        return {"what": f"call {asked}", "recorded": None, "now": "is not on the tape"}
    is_prompt = miss.kind == "model" and not any(one.startswith("name:") for one in miss.changes)
    what = "prompt" if is_prompt else "request"
    return {"what": f"{what} of {asked}", "recorded": miss.nearest, "now": "\n".join(miss.changes)}


def boundary_of(
    player: Player, seeded: Seeded, journal: KeptJournal, clock: VirtualClock, seen: Seen, *, plays_tools: bool
) -> Boundary:
    """Return the boundary at which a run is played; without a tape of them, tools are called as they are."""
    # Imported here: LangChain takes a second, which those who only read tapes need not wait for.
    from concertino.tools.tape import foreign_model
    from concertino.tools.tape.played_model import PlayedSource

    def model(source: ModelSource) -> ModelSource:
        seen.models.add(source.name)
        return PlayedSource(source, player)

    def tool(one: Tool) -> Tool:
        seen.tools[one.name] = one
        return player.tool(one) if plays_tools else one

    transports = {line.name for line in player.deck.lines if line.kind == "transport"}
    return Boundary(
        clock=clock, journal=journal, ids=seeded.new_id, random=seeded.random, readings=player.reading,
        models=model, tools=tool, doubles=foreign_model.playing(player, seen.models),
        specialists=lambda one: played_specialist(seen.specialist(one), player) if one.name in transports else seen.specialist(one),
    )  # fmt: skip


def _state(
    player: Player, seen: Seen, case: Case, number: int, *, has_tape: bool
) -> tuple[TapeState, list[JsonObject]]:
    """Return how the tape relates to what was run, and what says so."""
    if not has_tape:
        return "none", []
    lines = lines_of(player.tape, number)
    changed = differences(player.tape.head.fingerprints, prints_now(seen, lines))
    if changed or player.misses:
        return "stale", [*changed, *map(_missed, player.misses)]
    left = [] if case.faults else player.unplayed()
    if left:
        return "unplayed", [{"what": "calls that were not made", "recorded": [*named(left)], "now": None}]
    return "fresh", []
