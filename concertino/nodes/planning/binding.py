"""Holding a plan to its constraints, and deriving the edges that alone are missing.

What is compared along paths is judged in plans without a cycle only: others are refused for that already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from concertino.nodes.planning import conditions, paths
from concertino.nodes.planning.constraints import EVERY_STAGE, Combination, Constraints, Prerequisite, Step
from concertino.nodes.planning.sketch import Sketch
from concertino.nodes.planning.steps import Finder

EDGES = 100_000
"""Most edges that the prerequisites of one plan may derive, chosen by hand; a plan of every size that people write stays far below."""

LATE_SHOWN = 20
"""Pairs the wrong way round that are shown for one prerequisite, chosen by hand."""


def bind(sketch: Sketch, constraints: Constraints, parts: Mapping[str, Sequence[str]]) -> None:
    """Refuse a plan that breaks `constraints`; every edge derived to keep them leaves a note.

    Faults found: missing_step, forbidden_combination, missing_prerequisite, too_many.

    Args:
        sketch: staffed and wired.
        constraints: what holds.
        parts: ids of subtasks by template and filled hole.
    """
    finder = Finder(sketch, parts)
    scope = _Scope(sketch)
    for item in constraints.required:
        if not finder.find(item.step) and scope.holds(item.when):
            sketch.faults.add(
                "missing_step", "plan.subtasks", str(item.step), f"the required step {item.step} is missing",
                f"add a subtask of {item.step}",
            )  # fmt: skip
    count, most = len(sketch.subtasks), constraints.max_subtasks
    if most is not None and count > most:
        sketch.faults.add(
            "too_many", "plan.subtasks", count, f"{count} subtasks, the plan's constraints allow {most}",
            "leave out or join some of them",
        )  # fmt: skip
    for rule in constraints.prerequisites:
        if scope.holds(rule.when):
            _require(sketch, rule, finder)
    for combination in constraints.forbidden:
        if scope.holds(combination.when):
            _forbid(sketch, combination, finder)


def check_ends(
    sketch: Sketch, constraints: Constraints, parts: Mapping[str, Sequence[str]], ranks: Sequence[int]
) -> None:
    """Refuse a plan that ends in anything but one of the steps it must end in. Fault found: no_termination.

    A plan ends in what nobody needs; of one with stages, what nobody needs in the last. Where one subtask alone is such an end, it
    gets the missing needs, each with a note.

    Args:
        sketch: with all other edges.
        constraints: what holds.
        parts: ids of subtasks by template and filled hole.
        ranks: each subtask's stage as a number.
    """
    if not constraints.ends or not sketch.subtasks:
        return
    finder = Finder(sketch, parts)
    last = max(ranks)
    needed = {need for at, needs in enumerate(sketch.needs) for need in needs if ranks[at] == ranks[need]}
    ends = {at for step in constraints.ends for at in finder.find(step)}
    loose = [at for at in range(len(sketch.subtasks)) if ranks[at] == last and at not in needed and at not in ends]
    final = sorted(at for at in ends if ranks[at] == last)
    wanted = " or ".join(map(str, constraints.ends[:8]))
    if not final:
        early = f"; {sketch.id(min(ends))} runs in an earlier stage" if ends else ""
        sketch.faults.add(
            "no_termination", "plan.subtasks", None, f"the plan must end in {wanted}{early}",
            f"add a subtask of {constraints.ends[0]} that needs what now ends the plan",
            subtasks=[sketch.id(at) for at in loose[:20]],
        )  # fmt: skip
        return
    behind = _ancestors(sketch, final) if loose else None
    if behind is None:
        return
    for at in loose:
        end = final[0]
        # An end that `at` itself waits for cannot wait for `at`.
        if len(final) == 1 and not behind[at]:
            sketch.needs[end][at] = None
            sketch.notes.append(f"{sketch.id(end)} needs {sketch.id(at)}: derived, the plan must end in {wanted}")
            continue
        sketch.faults.add(
            "no_termination", f"{sketch.places[at]}", sketch.id(at), f"the plan ends here, it must end in {wanted}",
            f"let {sketch.id(end)} need it", subtasks=(sketch.id(at), *(sketch.id(found) for found in final[:20])),
        )  # fmt: skip


def stops(sketch: Sketch, constraints: Constraints | None) -> dict[str, str]:
    """Return the plan's stop conditions with those of the constraints; where both speak of a stage, either ends the run."""
    own = dict(sketch.header.stop_when)
    if constraints is None or not constraints.stop_when:
        return own
    for stage in dict.fromkeys(sketch.stages):
        added = constraints.stop_when.get(stage or "", constraints.stop_when.get(EVERY_STAGE))
        if stage is not None and added is not None and own.get(stage) != added:
            own[stage] = f"({own[stage]}) || ({added})" if stage in own else added
    return own


class _Scope:
    """Whether a constraint is for this task; the task is turned into CEL's form when first asked."""

    def __init__(self, sketch: Sketch) -> None:
        self._sketch = sketch
        self._scope: conditions.Scope | None = None

    def holds(self, condition: str | None) -> bool:
        if condition is None:
            return True
        if self._scope is None:
            self._scope = conditions.Scope(self._sketch.task.model_dump(mode="json", exclude={"plan"}))
        outcome = conditions.decide(condition, self._scope)
        if outcome.note is not None:
            self._sketch.notes.append(f"a constraint holds, as {outcome.note}")
        return outcome.note is not None or outcome.value is True


def _require(sketch: Sketch, rule: Prerequisite, finder: Finder) -> None:
    found = finder.find(rule.step, closely=True)
    if not found:
        return
    for step in rule.after:
        before = finder.find(step)
        if not before:
            sketch.faults.add(
                "missing_prerequisite", sketch.places[found[0]], sketch.id(found[0]),
                f"{rule.step} comes only after {step}, which is missing", f"add a subtask of {step}, or leave out {rule.step}",
                subtasks=[sketch.id(at) for at in found],
            )  # fmt: skip
            continue
        _derive(sketch, rule.step, found, step, before)


def _derive(sketch: Sketch, step: Step, found: Sequence[int], after: Step, before: Sequence[int]) -> None:
    """Let every subtask in `found` come after all in `before`; one that is both waits for nobody on its own account."""
    both = set(found) & set(before)
    others = [at for at in before if at not in both]
    watched = list(dict.fromkeys((*found, *others)))
    behind = _ancestors(sketch, watched)
    if behind is None:
        return
    bit = {at: 1 << number for number, at in enumerate(watched)}
    # What stands before one of `others`: of these themselves it is reached through that one, of `found` it comes too early.
    inner = 0
    for at in others:
        inner |= behind[at]
    last = [at for at in others if not bit[at] & inner]
    every = 0
    for at in last:
        every |= bit[at]
    derived, shown = 0, 0
    for at in found:
        if bit[at] & inner:
            for need in islice((need for need in others if behind[need] & bit[at]), LATE_SHOWN - shown):
                shown += 1
                sketch.faults.add(
                    "missing_prerequisite", f"{sketch.places[need]}.needs", sketch.id(need),
                    f"{after} ({sketch.id(need)}) comes after {step} ({sketch.id(at)}), which must wait for it",
                    "turn the needs between them round", subtasks=(sketch.id(at), sketch.id(need)),
                )  # fmt: skip
            continue
        missing = [need for need in last if not behind[at] & bit[need]] if every & ~behind[at] else []
        derived += len(missing)
        if derived > EDGES:
            sketch.faults.add(
                "too_many", f"{sketch.places[at]}.needs", len(missing), f"{step} after {after} would derive over {EDGES} edges",
                "put one subtask between them that needs the ones and is needed by the others",
            )  # fmt: skip
            return
        for need in missing:
            sketch.needs[at][need] = None
            sketch.notes.append(f"{sketch.id(at)} needs {sketch.id(need)}: derived, {step} comes only after {after}")


def _forbid(sketch: Sketch, combination: Combination, finder: Finder) -> None:
    members = [finder.find(step, closely=True) for step in combination.steps]
    if not all(members):
        return
    chosen = _distinct(members) if combination.within == "plan" else _on_path(sketch, members)
    if chosen:
        names, ids = " and ".join(map(str, combination.steps)), [sketch.id(at) for at in chosen]
        where = "in one plan" if combination.within == "plan" else "on one path"
        sketch.faults.add(
            "forbidden_combination", sketch.places[chosen[-1]], ids[-1], f"{names} must not come together {where}: {', '.join(ids)}",
            "leave one of them out" if combination.within == "plan" else "remove the needs that join them, or leave one out",
            subtasks=ids,
        )  # fmt: skip


def _distinct(members: Sequence[Sequence[int]]) -> list[int]:
    """Return a different subtask for each step, or nothing where one would have to stand for two."""
    few = [list(islice(found, len(members))) for found in members]
    holder: dict[int, int] = {}

    def place(step: int, seen: set[int]) -> bool:
        for at in few[step]:
            if at not in seen:
                seen.add(at)
                if at not in holder or place(holder[at], seen):
                    holder[at] = step
                    return True
        return False

    if not all(place(step, set()) for step in range(len(few))):
        return []
    return sorted(holder)


def _on_path(sketch: Sketch, members: Sequence[Sequence[int]]) -> list[int]:
    """Return subtasks on one chain, a different one for each step, or nothing; first subtask first."""
    needs = [list(found) for found in sketch.needs]
    ordered = paths.order(needs)
    if len(ordered) < len(needs):
        return []
    steps_of: dict[int, list[int]] = {}
    for step, found in enumerate(members):
        for at in found:
            steps_of.setdefault(at, []).append(step)
    everything = (1 << len(members)) - 1
    # For each subtask: which sets of steps a chain that ends there can hold, and the chain.
    held: list[dict[int, tuple[int, ...]]] = [{} for _ in needs]
    for at in ordered:
        sets: dict[int, tuple[int, ...]] = {0: ()}
        for need in needs[at]:
            for held_set, chain in held[need].items():
                sets.setdefault(held_set, chain)
        for held_set, chain in list(sets.items()):
            for step in steps_of.get(at, ()):
                if not held_set & (1 << step):
                    sets.setdefault(held_set | (1 << step), (*chain, at))
        if everything in sets:
            return list(sets[everything])
        held[at] = sets
    return []


def _ancestors(sketch: Sketch, watched: Sequence[int]) -> list[int] | None:
    """Return for each subtask which of `watched` come before it, as bits in their order; `None` where there is a cycle."""
    needs = [list(found) for found in sketch.needs]
    ordered = paths.order(needs)
    if len(ordered) < len(needs):
        return None
    bit = {at: 1 << number for number, at in enumerate(watched)}
    found = [0] * len(needs)
    for at in ordered:
        bits = 0
        for need in needs[at]:
            bits |= found[need] | bit.get(need, 0)
        found[at] = bits
    return found
