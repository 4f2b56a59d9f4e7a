"""Running a suite from its tapes: case after case, or side by side in processes of their own."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from concertino.contracts.errors import ConcertinoError, FileInvalid, SetupError
from concertino.evals.cases import Case
from concertino.evals.collecting import rarely_collecting
from concertino.evals.outcomes import Outcome
from concertino.evals.playing import play_case, replaying, told, unread
from concertino.evals.suites import Suite
from concertino.evals.targets import Target

MOST_SIDE_BY_SIDE = 64
PRELOADED = ["concertino.evals.playing", "concertino.graph.build"]
"""What worker processes have imported before they are forked."""


def run_suite(
    suite: Suite, *, side_by_side: int = 1, seed: int = 0, cases: Collection[str] | None = None
) -> list[Outcome]:
    """Run cases from their tapes and return what came of them, by case id and repeat.

    The same cases give the same outcomes however many run at once. A faulty case is an outcome with an error; the others
    run. Tapes without a case are outcomes of their own, where all cases are run.

    Args:
        suite: Which one.
        side_by_side: Worker processes, 1-64; 1 is this process itself.
        seed: Another one gives other ids and jitter.
        cases: Ids; all of them where left out.

    Raises:
        FileInvalid: there is no such case.
        SetupError: `side_by_side` is out of its range, or the target cannot be made ready.
    """
    if not 1 <= side_by_side <= MOST_SIDE_BY_SIDE:
        raise SetupError(field="side_by_side", value=side_by_side, rule=f"must be within 1 and {MOST_SIDE_BY_SIDE}")
    known = {case.id for case in suite.cases} | {one.id for one in suite.faulty}
    for one in sorted(set(cases or ()) - known):
        raise FileInvalid(
            file=f"{suite.name}/suite.yaml", line=None, value=one, rule="the suite has no case of this id"
        )
    wanted = [case for case in suite.cases if cases is None or case.id in cases]
    outcomes = [unread(one) for one in suite.faulty if cases is None or one.id in cases]
    if cases is None:
        outcomes += [_orphan(suite, name) for name in suite.orphans]
    if side_by_side == 1 or len(wanted) < 2:
        outcomes += _run(suite, wanted, seed)
    else:
        outcomes += _run_apart(suite, wanted, seed, side_by_side)
    return sorted(outcomes, key=lambda outcome: (outcome.case.id, outcome.number))


def _run(suite: Suite, cases: Sequence[Case], seed: int) -> list[Outcome]:
    if not cases:
        return []
    with replaying():
        target = Target(suite)
    with rarely_collecting():
        return [outcome for case in cases for outcome in play_case(target, case, seed=seed)]


def _run_apart(suite: Suite, cases: Sequence[Case], seed: int, side_by_side: int) -> list[Outcome]:
    """Deal the cases out to workers, which each load the target once."""
    with replaying():
        Target(suite)  # what is wrong with it is raised here, and not by every worker
    hands = [list(cases[at::side_by_side]) for at in range(min(side_by_side, len(cases)))]
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    )
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(len(hands), mp_context=context, initializer=_settle, initargs=(list(sys.path),)) as pool:
        # Without its faulty cases: their errors take named arguments, which pickle does not know.
        bare = replace(suite, cases=(), faulty=())
        dealt = [pool.submit(_run, bare, hand, seed) for hand in hands]
        return [outcome for one in dealt for outcome in one.result()]


def _settle(path: list[str]) -> None:
    """Find in a worker whatever is found here."""
    sys.path[:] = path


def _orphan(suite: Suite, name: str) -> Outcome:
    path = Path("tapes") / f"{name}.jsonl"
    rule = "no case has this tape: remove it, or add its case"
    error: ConcertinoError = FileInvalid(file=f"{suite.name}/{path.as_posix()}", line=None, value=name, rule=rule)
    return Outcome(case=Case.unreadable(name), number=1, tape="orphan", stand_in=False, error=told(error))
