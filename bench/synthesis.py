"""Learned synthesis against plain ways of merging, on recorded answers of language models and of people.

python bench/synthesis.py [--histories N] [--data FOLDER] [--json]          make bench-synthesis

Each set is cut N times into a random history, about 20 labelled answers a source, and a test; one method with default settings for all.
`recorded` means that the record also holds all of the test's answers from the start, unsettled; `one by one` that it holds settled answers alone,
and what is asked is remembered beside it as it comes.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pool
from pathlib import Path

import synthesis_data
import synthesis_speed
from synthesis_baselines import BASELINES
from synthesis_data import CATEGORICAL, NUMERIC, load
from synthesis_trials import LEARNED, SCENARIOS, Outcome, Task, accuracy, brier, ece, findings, gap, run

from concertino.nodes.synthesis import TrackRecord, synthesize

HISTORIES = 10
RESAMPLES = 2_000
SUSPICIOUS = tuple(name for name in SCENARIOS if name.startswith("+"))
BOTH = ("all sources", "panel of 3", "panel of 5", *SUSPICIOUS)
"""Scenarios that are tried with and without unsettled answers on record."""


Figure = Callable[[Sequence[tuple[str, float, bool]]], float]


class Table:
    """Outcomes by set, scenario and whether everything was recorded."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes: dict[tuple[str, str, bool], list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            task = outcome.task
            self.outcomes[task.name, task.scenario, task.records_all].append(outcome)

    def mean(self, figure: Figure, way: str, scenario: str, name: str, *, all_: bool = True) -> float:
        return statistics.mean(figure(one.found[way]) for one in self.outcomes[name, scenario, all_])

    def means(self, figure: Figure, way: str, scenario: str, *, all_: bool = True) -> dict[str, float]:
        return {name: self.mean(figure, way, scenario, name, all_=all_) for name in CATEGORICAL}


def bootstrap(table: Table, other: str, *, all_: bool) -> tuple[float, float, float]:
    """Return the mean gain over another way in points, and its 95 % interval, resampling the questions of each set."""
    gains: list[list[float]] = []
    for name in CATEGORICAL:
        by_question: dict[str, list[int]] = defaultdict(list)
        for one in table.outcomes[name, "all sources", all_]:
            for (question, _, mine), (_, _, theirs) in zip(one.found[LEARNED], one.found[other], strict=True):
                by_question[question].append(mine - theirs)
        gains.append([statistics.mean(values) for values in by_question.values()])
    draw = random.Random(1)
    means = sorted(
        statistics.mean(sum(draw.choices(values, k=len(values))) / len(values) for values in gains)
        for _ in range(RESAMPLES)
    )
    return (
        100 * statistics.mean(map(statistics.mean, gains)),
        100 * means[int(0.025 * RESAMPLES)],
        100 * means[int(0.975 * RESAMPLES)],
    )


def rows(table: Table) -> Iterator[tuple[str, str, str, bool | None]]:
    """Yield what was measured beside what is promised."""
    for all_, where in ((True, "recorded"), (False, "one by one")):
        mine = table.means(accuracy, LEARNED, "all sources", all_=all_)
        theirs = {way: table.means(accuracy, way, "all sources", all_=all_) for way in BASELINES}
        for way in BASELINES:
            mean, low, high = bootstrap(table, way, all_=all_)
            shown = f"{mean:+.2f} points [{low:+.2f}, {high:+.2f}]"
            yield f"accuracy against {way}, {where}", shown, "> 0", mean > 0 if way == "log odds" else None
        best = {name: max(theirs[way][name] for way in BASELINES) for name in CATEGORICAL}
        lost = statistics.mean(best[name] - mine[name] for name in CATEGORICAL)
        yield f"below the best per set in hindsight, mean, {where}", f"{lost:.2f} points", "<= 0.3", lost <= 0.3
        worst = max(CATEGORICAL, key=lambda name: best[name] - mine[name])
        lost = best[worst] - mine[worst]
        yield f"the same, worst set, {where}", f"{lost:.2f} points ({worst})", "<= 1.0", lost <= 1.0
        value = statistics.mean(table.means(ece, LEARNED, "all sources", all_=all_).values())
        yield f"ECE, mean, {where}", f"{value:.2f} %", "<= 4 %", value <= 4
        value = statistics.mean(table.means(brier, LEARNED, "all sources", all_=all_).values())
        least = min(statistics.mean(table.means(brier, way, "all sources", all_=all_).values()) for way in BASELINES)
        yield f"Brier, mean, {where}", f"{value:.2f}", f"< {least:.2f} (best baseline)", value < least
        for size in (3, 5):
            mine = table.means(accuracy, LEARNED, f"panel of {size}", all_=all_)
            alone = table.means(accuracy, "best single", f"panel of {size}", all_=all_)
            worst = max(CATEGORICAL, key=lambda name: alone[name] - mine[name])
            lost = alone[worst] - mine[worst]
            shown = f"{lost:.2f} points ({worst})"
            yield f"panel of {size} below the best single, worst set, {where}", shown, "<= 0.5", lost <= 0.5
        clean = table.means(accuracy, LEARNED, "all sources", all_=all_)
        for scenario in SUSPICIOUS:
            mine = table.means(accuracy, LEARNED, scenario, all_=all_)
            worst = max(CATEGORICAL, key=lambda name: clean[name] - mine[name])
            mean = statistics.mean(clean[name] - mine[name] for name in CATEGORICAL)
            shown = f"mean {mean:.2f}, worst {clean[worst] - mine[worst]:.2f} points ({worst})"
            ok = clean[worst] - mine[worst] <= 1
            yield f"lost with {scenario}, {where}", shown, "<= 1", ok
    for scenario in ("all sources", "30 % missing", "60 % missing"):
        gaps = table.means(gap, LEARNED, scenario)
        worst = max(CATEGORICAL, key=lambda name: abs(gaps[name]))
        mean = statistics.mean(gaps.values())
        shown = f"mean {mean:+.3f}, worst {gaps[worst]:+.3f} ({worst})"
        yield f"confidence minus accuracy, {scenario}", shown, "<= 0.03", abs(mean) <= 0.03


def no_history() -> tuple[int, int]:
    """Return on how many questions an empty record gives the default formula to the last bit, and of how many."""
    same = count = 0
    for name in (*CATEGORICAL, *NUMERIC):
        for question in load(name)[:100]:
            asked = findings(question)
            count += 1
            same += synthesize(asked, authority=TrackRecord(), calibrate=True) == synthesize(asked)
    return same, count


def sets(table: Table) -> Iterator[str]:
    """Yield every figure of every set, as lines."""
    for scenario in SCENARIOS:
        for all_ in (True, False):
            if not table.outcomes[CATEGORICAL[0], scenario, all_]:
                continue
            yield f"\n{scenario}, {'recorded' if all_ else 'one by one'}: accuracy by set | mean accuracy, ECE, Brier, confidence minus accuracy"
            for way in table.outcomes[CATEGORICAL[0], scenario, all_][0].found:
                by_set = table.means(accuracy, way, scenario, all_=all_)
                others = [
                    statistics.mean(table.means(figure, way, scenario, all_=all_).values())
                    for figure in (accuracy, ece, brier, gap)
                ]
                shown = " ".join(f"{value:6.2f}" for value in by_set.values())
                yield f"  {way:12} {shown} | {others[0]:6.2f} {others[1]:6.2f} {others[2]:6.2f} {others[3]:+.3f}"
    for name in NUMERIC:
        for scenario in SCENARIOS:
            outcomes = table.outcomes[name, scenario, True]
            yield f"\n{name}, {scenario}: within tolerance %, mean absolute error, ECE, Brier, confidence minus accuracy"
            for way in outcomes[0].found if outcomes else ():
                far = statistics.mean(one.errors[way] for one in outcomes)
                figures = [table.mean(figure, way, scenario, name) for figure in (accuracy, ece, brier, gap)]
                yield f"  {way:12} {figures[0]:6.2f} {far:6.3f} {figures[1]:6.2f} {figures[2]:6.2f} {figures[3]:+.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures learned synthesis.")
    parser.add_argument("--histories", type=int, default=HISTORIES)
    parser.add_argument("--data", type=Path, default=synthesis_data.FOLDER, help="folder of the development sets")
    parser.add_argument("--processes", type=int, default=None, help="as many as there are cores, where left out")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    asked = parser.parse_args()
    synthesis_data.FOLDER = asked.data
    if not asked.data.is_dir():
        print(f"not measured: {asked.data} is absent", file=sys.stderr)
        raise SystemExit(0)
    tasks = [
        Task(name, seed, scenario, all_)
        for name in (*CATEGORICAL, *NUMERIC)
        for seed in range(asked.histories)
        for scenario in SCENARIOS
        for all_ in ((True, False) if scenario in BOTH and name in CATEGORICAL else (True,))
    ]
    with Pool(asked.processes) as pool:
        outcomes = pool.map(run, tasks, chunksize=4)
    table = Table(outcomes)
    found = list(rows(table))
    same, count = no_history()
    found.append(("no history: the default formula to the last bit", f"{same} of {count}", "all", same == count))
    times = synthesis_speed.measure()
    slowest = max(times["learned_label_ms"], times["learned_number_ms"])
    shown = f"{slowest:.3f} ms (an object of three fields {times['learned_object_ms']:.3f} ms)"
    found.append(("one question, 15 sources, median", shown, "<= 1 ms", slowest <= 1))
    fits = max(outcomes, key=lambda one: one.fit_s)
    found.append(("learning a record, slowest", f"{fits.fit_s:.2f} s ({fits.task.name})", "no promise", None))
    if asked.json:
        print(
            json.dumps([dict(zip(("what", "measured", "promised", "ok"), row, strict=True)) for row in found], indent=2)
        )
    else:
        print(*sets(table), sep="\n")
        print()
        wide = [max(len(str(row[column])) for row in found) for column in range(3)]
        for row in found:
            verdict = {True: "ok", False: "MISSED", None: "-"}[row[3]]
            print(f"{row[0]:{wide[0]}}  {row[1]:{wide[1]}}  {row[2]:{wide[2]}}  {verdict}")
    raise SystemExit(1 if any(row[3] is False for row in found) else 0)


if __name__ == "__main__":
    main()
