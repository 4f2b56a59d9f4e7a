"""Recording cases: run once with the world as it is, or with a scripted stand-in for its models, and kept as tapes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from concertino import __version__
from concertino.contracts.clock import Clock, SystemClock
from concertino.contracts.errors import FileInvalid, SetupError
from concertino.contracts.json import JsonObject, canonical
from concertino.evals.cases import Case
from concertino.evals.faults import injecting
from concertino.evals.fingerprints import Seen, prints_now
from concertino.evals.judging.rubric import NODE
from concertino.evals.outcomes import Outcome
from concertino.evals.playing import EPOCH, replaying, told, unread
from concertino.evals.soundness import refuse_broken, stops_recording
from concertino.evals.staging import KeptJournal, Staged, ask_judge, folder_of, seed_of, stage, task_id_of
from concertino.evals.suites import Suite
from concertino.evals.targets import Target, load
from concertino.evals.transcripts import sealed
from concertino.evals.virtual import VirtualClock, VirtualLoop, run_virtually
from concertino.graph.boundary import Boundary
from concertino.tools.models.sources import ModelSource
from concertino.tools.models.tokens import by_bytes
from concertino.tools.registry import Tool
from concertino.tools.tape.files import Tape, read_tape, write_tape
from concertino.tools.tape.lines import Head, Line
from concertino.tools.tape.player import Player
from concertino.tools.tape.recorder import Recorder
from concertino.tools.tape.seeds import Seeded, scope_now
from concertino.tools.tape.traits import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.language_models import BaseChatModel

MOST_PASSES = 12
"""Times that a case with faults is run while it asks for something new; chosen by hand."""

Make = Callable[[Case], "BaseChatModel"]
"""Makes the model that stands in while a case is recorded."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One repeat of a case as it was recorded."""

    staged: Staged
    journal: KeptJournal
    lines: tuple[Line, ...]
    head: Head
    makespan_s: float


def record_suite(suite: Suite, *, cases: Collection[str] | None = None, live: bool = False) -> list[Outcome]:
    """Record cases of a suite, write their tapes, and return what the runs came to.

    A case whose run calls nothing has no tape. One that cannot be recorded says why in its outcome, and its old tape stays:
    also where connection or provider broke it. A case that cannot be read is an outcome, too.

    Args:
        suite: Which one.
        cases: Ids; all of them where left out.
        live: Ask the models that the suite names, on the real clock. Else the suite's stand-in answers, in virtual time,
            and recording again gives the same tape.

    Raises:
        FileInvalid: there is no such case.
        SetupError: the target cannot be made ready.
    """
    _check_ids(suite, cases)
    made = [unread(one) for one in suite.faulty if cases is None or one.id in cases]
    with _world(live=live):
        target = Target(suite)
        stand_in = (
            None if live or suite.file.stand_in is None else load(suite.file.stand_in, suite.folder, field="stand_in")
        )
        for case in suite.cases:
            if cases is None or case.id in cases:
                made += record_case(target, case, stand_in=stand_in, live=live)
    return sorted(made, key=lambda outcome: (outcome.case.id, outcome.number))


def _check_ids(suite: Suite, cases: Collection[str] | None) -> None:
    known = {case.id for case in suite.cases} | {one.id for one in suite.faulty}
    for one in sorted(set(cases or ()) - known):
        raise FileInvalid(
            file=f"{suite.name}/suite.yaml", line=None, value=one, rule="the suite has no case of this id"
        )


@contextmanager
def _world(*, live: bool) -> Iterator[None]:
    from concertino.tools.models.foreign_doubles import doubling

    token = by_bytes.set(True)
    try:
        with doubling() if live else replaying():
            yield
    finally:
        by_bytes.reset(token)


def record_case(target: Target, case: Case, *, stand_in: Make | None, live: bool) -> list[Outcome]:
    """Record all repeats of a case and write its tape."""
    try:
        runs = [_record(target, case, number, stand_in, live=live) for number in range(1, case.repeats + 1)]
        _check_sound(target.suite, case, runs, live=live)
        if case.faults:
            runs = [_record_faults(target, case, at, run, stand_in, live=live) for at, run in enumerate(runs, 1)]
            _check_sound(target.suite, case, runs, live=False)
        _keep(target.suite, case, runs)
    except Exception as error:  # noqa: BLE001 - the case's own code, or its judge's client, may raise anything
        return [_failed(target.suite, case, error)]
    return [_outcome(target, case, number, run) for number, run in enumerate(runs, 1)]


def _check_sound(suite: Suite, case: Case, runs: Sequence[Recorded], *, live: bool) -> None:
    """Raise what says that the runs are no record of the case."""
    for run in runs:
        if run.staged.error is not None and stops_recording(case, run.staged.error, run.lines):
            raise run.staged.error
    if live:
        known = _known(suite, case)
        refuse_broken(case, [(run.staged, run.lines) for run in runs], None if known is None else known.lines)


def _keep(suite: Suite, case: Case, runs: Sequence[Recorded]) -> None:
    """Write the tape of runs that are sound; a case that calls nothing any more needs none."""
    lines = tuple(line for run in runs for line in run.lines)
    if not lines:
        suite.tape_file(case.id).unlink(missing_ok=True)
        return
    tape = Tape(replace(runs[0].head, stand_in=any(run.head.stand_in for run in runs)), lines)
    known = _known(suite, case)
    if known is None or not _is_same(known, tape):
        write_tape(suite.tape_file(case.id), tape, allowed=suite.file.allow)


def _known(suite: Suite, case: Case) -> Tape | None:
    """Return the tape that is there; `None` where there is none of this case that can be read."""
    try:
        tape = read_tape(suite.tape_file(case.id))
    except FileInvalid:
        return None
    return tape if tape.head.case == case.id else None


def _failed(suite: Suite, case: Case, error: BaseException) -> Outcome:
    stays: JsonObject = {"what": "nothing was recorded; the old tape stays"}
    notes = [stays] if suite.tape_file(case.id).exists() else []
    return Outcome(case=case, number=1, tape="none", stand_in=False, error=told(error), notes=notes)


def _is_same(known: Tape, tape: Tape) -> bool:
    """Say whether the tape that is there differs in its date alone."""
    same_head = replace(known.head, recorded=tape.head.recorded) == tape.head
    rows = [{canonical(line.as_json()) for line in one.lines} for one in (known, tape)]
    return same_head and rows[0] == rows[1]


def _outcome(target: Target, case: Case, number: int, run: Recorded) -> Outcome:
    calls = [line.as_json() for line in sorted(run.lines, key=lambda line: (line.scope, line.n))]
    left = sealed(
        run.staged.result, run.journal, task_id_of(case), calls,
        allowed=target.suite.file.allow, folder=folder_of(target, case),
    )  # fmt: skip
    error = run.staged.error
    return Outcome(
        case=case, number=number, tape="fresh" if run.lines else "none", stand_in=run.head.stand_in, started=run.head.start,
        makespan_s=round(run.makespan_s, 6), error=None if error is None else told(error), transcript=left,
    )  # fmt: skip


def _record(
    target: Target, case: Case, number: int, stand_in: Make | None, *, live: bool, known: Recorded | None = None
) -> Recorded:
    if live:
        return asyncio.run(_recorded(target, case, number, SystemClock(), None, known, stands_in=False))

    async def virtually() -> Recorded:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        clock = VirtualClock(loop, EPOCH - loop.time())
        return await _recorded(target, case, number, clock, stand_in, known, stands_in=True)

    return run_virtually(virtually)


def _record_faults(
    target: Target, case: Case, number: int, run: Recorded, stand_in: Make | None, *, live: bool
) -> Recorded:
    """Record what a run asks beyond that once its faults are put in: a fault in what was asked last may bring up more."""
    for _ in range(MOST_PASSES):
        made = _record(target, case, number, stand_in, live=live, known=run)
        if len(made.lines) == len(run.lines):
            return made
        run = made
    return run


async def _recorded(
    target: Target,
    case: Case,
    number: int,
    clock: Clock,
    stand_in: Make | None,
    known: Recorded | None,
    *,
    stands_in: bool,
) -> Recorded:
    """Record a run; where it is `known`, with the case's faults put in, and what it asks beyond what is known already."""
    journal = KeptJournal(clock=clock)
    seen = Seen()
    recorder = Recorder(clock, run=number, code=seen.code, after=known.lines if known else ())
    player: Player | None = None
    if known is not None:
        player = Player(Tape(known.head, known.lines), clock, run=number, inject=injecting(case.faults, run=number))
        player.goes_on = True
        recorder.models.update({name: dict(one) for name, one in known.head.models.items() if isinstance(one, dict)})
    seed = seed_of(case.id)
    seeded = Seeded(seed, run=number)
    start, began = clock.now(), clock.monotonic()
    boundary = _boundary(target, case, clock, journal, seeded, recorder, seen, stand_in, player, is_live=not stands_in)
    staged = await stage(target, case, boundary, journal, clock)
    makespan_s = clock.monotonic() - began
    await ask_judge(target, case, staged.result, boundary)
    lines = (*(known.lines if known else ()), *recorder.lines())
    stands_in = stands_in or (known is not None and known.head.stand_in)
    models = (*recorder.models.values(), *recorder.foreign)
    head = Head(
        case=case.id,
        stand_in=bool(lines) and (stands_in or any(_is_loopback(traits) for traits in models)),
        recorded=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        made_by=f"concertino {__version__}",
        start=round(start, 6) if known is None else known.head.start,
        seed=seed,
        models={**recorder.models},
        fingerprints=prints_now(seen, lines),
    )
    return Recorded(staged, journal, lines, head, makespan_s)


def _is_loopback(traits: JsonObject) -> bool:
    return str(traits.get("endpoint", "")).partition("/")[0] in LOOPBACK


def _boundary(
    target: Target,
    case: Case,
    clock: Clock,
    journal: KeptJournal,
    seeded: Seeded,
    recorder: Recorder,
    seen: Seen,
    stand_in: Make | None,
    player: Player | None,
    *,
    is_live: bool,
) -> Boundary:
    from concertino.tools.tape import foreign_model
    from concertino.tools.tape.played_model import PlayedSource
    from concertino.tools.tape.recorded_model import RecordedSource

    judges = target.suite.file.judges

    def model(source: ModelSource) -> ModelSource:
        seen.models.add(source.name)
        answers = stand_in
        is_judge = scope_now().partition("#")[0] == NODE
        if stand_in is not None and is_judge and judges is not None and judges.stand_in is not None:
            answers = load(judges.stand_in, target.suite.folder, field="judges.stand_in")
        made = RecordedSource(source if answers is None else _standing_in(source, answers, case), recorder)
        return made if player is None else PlayedSource(source, player, onward=made)

    def tool(one: Tool) -> Tool:
        seen.tools[one.name] = one
        if target.suite.file.tools == "real":
            return one
        return recorder.tool(one) if player is None else player.tool(recorder.tool(one))

    def reading(now: Callable[[], float]) -> Callable[[], float]:
        taken = recorder.reading(now)
        return taken if player is None else player.reading(taken)

    doubles = foreign_model.recording(recorder, seen.models) if is_live else foreign_model.refusing(recorder)
    if player is not None:
        doubles = foreign_model.playing(player, seen.models, onward=doubles)
    return Boundary(
        clock=clock, journal=journal, ids=seeded.new_id, random=seeded.random, readings=reading,
        models=model, doubles=doubles, tools=tool,
        specialists=seen.specialist,
    )  # fmt: skip


def _standing_in(source: ModelSource, make: Make, case: Case) -> ModelSource:
    """Return a source of the same name and price whose model is a script."""

    def made() -> BaseChatModel:
        from langchain_core.language_models import BaseChatModel

        model: Any = make(case)
        if not isinstance(model, BaseChatModel):
            raise SetupError(field="suite.stand_in", value=model, rule="must return a chat model")
        return model

    return ModelSource(
        name=source.name, provider=source.provider, model=source.model, make=made, endpoint=f"stand-in/{source.model}"
    )
