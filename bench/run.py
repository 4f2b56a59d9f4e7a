"""Runs the benches and prints what was measured beside what is promised.

python bench/run.py [--json] [names...]     names: makespan retry overhead ledger breaker control startup planning plans models billing replay

Each bench is a process of its own, one after another. Ratios are taken side by side within one run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent


class Row(NamedTuple):
    what: str
    measured: str
    promised: str
    is_ok: bool | None
    """`None` where it could not be measured."""


def _at_most(what: str, value: float, bound: float, unit: str = "x", *, note: str = "") -> Row:
    return Row(what, f"{value:.3g} {unit}{note}", f"<= {bound:g} {unit}", value <= bound)


def makespan(found: dict[str, Any]) -> Iterator[Row]:
    if "absent" in found:
        yield Row("makespan / lower bound", f"not measured: {found['absent']} is absent", "<= 1.05 x", None)
        return
    for door, ratios in found["unlimited"].items():
        name, worst = max(ratios.items(), key=lambda pair: pair[1])
        mean = statistics.mean(ratios.values())
        yield _at_most(f"makespan / bound, {door}, unlimited, worst", worst, 1.05, note=f" {name}, mean {mean:.3f}")
    free = found["slots_at_no_cost"]
    shown = ", ".join(f"{name}: {mean:.3f}" for name, mean in free.items())
    for door, ratios in found["slots"].items():
        mean = statistics.mean(ratios.values())
        plain = statistics.mean(ratio * found["slots_plain_bound"][name] for name, ratio in ratios.items())
        note = f" (at no cost {shown}; {plain:.3f} x max(longest path, total / 8))"
        yield _at_most(f"makespan / bound, {door}, 8 slots, mean", mean, 1.12, note=note)
    for door, costs in found["large"].items():
        for name, cost in costs.items():
            yield _at_most(f"{name}, {door}: beyond its bound", cost, 1.5, "x bare Send")


def retry(found: dict[str, Any]) -> Iterator[Row]:
    for door, ratio in found["makespan_x_bound"].items():
        yield _at_most(f"first attempt fails beside a slow sibling, {door}", ratio, found["at_most"])


def overhead(found: dict[str, Any]) -> Iterator[Row]:
    for name, run in found["runs"].items():
        shape = "x_bare_deep" if name.startswith("deep") else "x_bare_flat"
        if shape in run:
            note = f" ({run['ms_per_subtask']:.2f} ms each)"
            yield _at_most(f"1,000 no-ops, {name}, to bare Send", run[shape], found["at_most"], note=note)


def ledger(found: dict[str, Any]) -> Iterator[Row]:
    yield _at_most("reserve + settle through 5 levels, to a lock round trip", found["ratio"], found["at_most"])


def breaker(found: dict[str, Any]) -> Iterator[Row]:
    for kind in ("coroutines", "threads"):
        passed, permitted = found[f"passed_{kind}"], found["permitted"]
        what = f"half-open, {found['callers']:,} callers, {kind}: probes"
        yield Row(what, str(passed), f"= {permitted}", passed == permitted)
    for kind in ("async", "plain", "threads"):
        yield _at_most(f"{found['healthy_calls']} healthy 50 ms calls, {kind}", found[f"healthy_{kind}_s"], 0.1, "s")


def control(found: dict[str, Any]) -> Iterator[Row]:
    for kind, doors in found["back_after_s"].items():
        for door, seconds in doors.items():
            yield _at_most(f"control back after a 1 s deadline, {kind}, {door}", seconds, found["at_most"], "s")


def startup(found: dict[str, Any]) -> Iterator[Row]:
    for name, what in (("help", "concertino --help"), ("offer", "a whole offer run as a process")):
        seconds = f" ({found['seconds'][name]:.2f} s)"
        ratio = found["x_import_langgraph"][name]
        yield _at_most(f"{what}, to importing langgraph", ratio, found["at_most"][name], note=seconds)


def planning(found: dict[str, Any]) -> Iterator[Row]:
    for kind in ("caller", "made", "with_schemas"):
        yield _at_most(
            f"validation of 10,000 subtasks, {kind}, to one graphlib sort", found[f"validate_{kind}_ratio"], 25
        )
    for name, what in (("rules_only_plan", "20 workflows, 12 subtasks"), ("offer_plan", "an offer")):
        yield _at_most(f"planning by rules, {what}", 1_000 * found[f"{name}_s"], 5, "ms", note=", 0 tokens")


def plans(found: dict[str, Any]) -> Iterator[Row]:
    if "absent" in found:
        yield Row("recorded plans", f"not measured: {found['absent']} is absent", "0 exceptions, >= 90 % kept", None)
        return
    for what in ("exceptions", "lost"):
        counts = {form: one[what] for form, one in found["reading"].items()}
        texts = sum(one["texts"] for one in found["reading"].values())
        shown = f"{sum(counts.values())} of {texts:,} texts in {len(counts)} forms"
        yield Row(f"reader: {what.replace('lost', 'plans lost')}", shown, "0", not any(counts.values()))
    gold, clean = found["gold"], found["clean"]
    refused = clean["statuses"].get("refused", 0) + clean["statuses"].get("fallback", 0)
    yield Row(
        "validator: false alarms on gold plans",
        f"{gold['false_alarms']} of {gold['plans']}",
        "0",
        gold["false_alarms"] == 0,
    )
    yield Row("clean recorded plans refused", f"{refused} of {clean['plans']}", "0", refused == 0)
    for cards, one in (("", found), (", by names and descriptions alone", found["no_declared_kinds"])):
        faulty = one["faulty"]
        kept = faulty["outcomes"].get("kept", 0) / faulty["plans"]
        rest = ", ".join(f"{name} {count}" for name, count in sorted(faulty["outcomes"].items()) if name != "kept")
        shown = (
            f"{100 * kept:.1f} % of {faulty['plans']} (whole {faulty['valid_whole']}, with a step left out "
            f"{faulty['valid_with_a_step_left_out']}, {rest}), {one['ms_a_plan']:.1f} ms a plan"
        )
        yield Row(f"faulty plans valid by rules, no valid node or edge lost{cards}", shown, ">= 90 %", kept >= 0.9)


FILES = {"plans": "recorded_plans", "models": "model_overhead", "billing": "model_budgets"}
"""Where a bench is not called like its file."""


def models(found: dict[str, Any]) -> Iterator[Row]:
    for name, what in (
        ("plain", "governed model, a call"),
        ("streamed", "governed model, a streamed call"),
        ("in_a_run", "governed model, a call in a run, journalled"),
        ("foreign", "foreign model, a call"),
        ("foreign_in_a_run", "foreign model, a call in a run, journalled"),
    ):
        one = found[name]
        what = f"{what}, to the bare client"
        note = f" (+{one['added_ms']:.2f} ms on {one['bare_ms']:.2f})"
        if name == "plain":
            yield _at_most(what, one["ratio"], found["at_most"], note=note)
        else:
            yield Row(what, f"{one['ratio']:.3g} x{note}", "no promise", None)


def billing(found: dict[str, Any]) -> Iterator[Row]:
    foreign = {f"{name}, foreign": one for name, one in found["foreign"].items()}
    for name, one in (found["runs"] | foreign | found["prompts"]).items():
        note = f" ({one['used']:.4f} charged, {one['left']} left, {one['status']})"
        yield _at_most(f"billed of a limit in {name}", one["billed"], found["at_most"], "x limit", note=note)
        what = f"charged of a limit in {name}"
        if name in found["runs"]:
            yield Row(what, f"{one['used']:.4f}", f">= {found['at_least']}", one["used"] >= found["at_least"])
        else:
            yield Row(what, f"{one['used']:.4f}", "no promise", None)
        yield Row(f"the run answers, {name}", one["status"], "an answer", one["answered"])


def replay(found: dict[str, Any]) -> Iterator[Row]:
    calls, cases = found["calls"], found["cases"]
    rates = calls["per_s"]
    shown = f"{rates['opened']:,.0f} a second, {rates['ours']:,.0f} in memory"
    if "ratio" in calls:
        what = f"replayed model calls, to vcrpy's ({rates['vcrpy_opened']:,.0f} a second)"
        enough = calls["ratio"] >= calls["at_least"]
        yield Row(what, f"{calls['ratio']:.3g} x ({shown})", f">= {calls['at_least']} x", enough)
    else:
        enough = rates["opened"] >= calls["at_least_per_s"]
        yield Row(
            "replayed model calls, vcrpy is not installed", shown, f">= {calls['at_least_per_s']:,} a second", enough
        )
    rate = cases["per_s"]
    shown = f"{cases['ratio']:.3g} x ({rate['ours']:,.0f} to {rate['bare']:,.0f} a second; to three steps {cases['ratio_to_three_steps']:.3g} x)"
    what = "cases of 5 model calls, to a bare graph of the same shape"
    yield Row(what, shown, f">= {cases['at_least']} x", cases["ratio"] >= cases["at_least"])
    bare = cases["bare_runs_in_the_time_of_1000_reported"]
    yield _at_most("1,000 cases with their report, in bare runs", bare, cases["at_most"], "runs")
    mixed = found["shuffled"]
    what = f"shuffled parallel runs, {mixed['runs']:,} in {mixed['orders']:,} orders: mismatches"
    yield Row(what, str(mixed["mismatches"]), "0", mixed["mismatches"] == 0)
    if "different" in found["repeats"]:
        most = max(found["repeats"]["different"].values())
        what = "different reports of a suite, 3 hash seeds x 1, 2, 8 side by side"
        yield Row(what, str(most), "1", most == 1)


BENCHES: dict[str, Callable[[dict[str, Any]], Iterator[Row]]] = {
    "makespan": makespan,
    "retry": retry,
    "overhead": overhead,
    "ledger": ledger,
    "breaker": breaker,
    "control": control,
    "startup": startup,
    "planning": planning,
    "plans": plans,
    "models": models,
    "billing": billing,
    "replay": replay,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what is promised.")
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(BENCHES)}; all where left out")
    parser.add_argument("--json", action="store_true", help="print rows and raw figures as JSON")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(BENCHES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are: {', '.join(BENCHES)}")
    rows: list[Row] = []
    raw: dict[str, Any] = {}
    for name in asked.names or BENCHES:
        print(f"measuring {name} ...", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, str(FOLDER / f"{FILES.get(name, name)}.py")], check=True, stdout=subprocess.PIPE
        )
        raw[name] = json.loads(done.stdout)
        rows.extend(BENCHES[name](raw[name]))
    if asked.json:
        print(json.dumps({"rows": [row._asdict() for row in rows], "raw": raw}, indent=2))
    else:
        _print(rows)
    raise SystemExit(1 if any(row.is_ok is False for row in rows) else 0)


def _print(rows: list[Row]) -> None:
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    print(f"{'what':{wide[0]}}  {'measured':{wide[1]}}  {'promised':{wide[2]}}")
    for row in rows:
        verdict = {True: "ok", False: "MISSED", None: "-"}[row.is_ok]
        print(f"{row.what:{wide[0]}}  {row.measured:{wide[1]}}  {row.promised:{wide[2]}}  {verdict}")


if __name__ == "__main__":
    main()
