"""Acceptance criteria: each covered once. Mutually exclusive, collectively exhaustive (document 002)."""

from __future__ import annotations

from concertino.nodes.planning.sketch import Sketch


def check_coverage(sketch: Sketch) -> None:
    """Refuse criteria that no subtask or more than one covers, and coverage of what the task does not ask.

    Whoever divides a task among subtasks says which answers for what; so a plan in which one subtask covers something must cover
    everything. A plan in which none does makes no such claim and is let through with a note, as a caller's plan or a
    general rule may know nothing of a task's criteria. A model is always held to it: it was shown them.
    """
    criteria = {criterion.id for criterion in sketch.task.acceptance_criteria}
    covered: dict[str, list[int]] = {}
    for at, subtask in enumerate(sketch.subtasks):
        for number, name in enumerate(dict.fromkeys(subtask.covers)):
            if name in criteria:
                covered.setdefault(name, []).append(at)
                continue
            sketch.faults.add(
                "unknown_criterion", f"{sketch.places[at]}.covers[{number}]", name, "the task has no such criterion",
                sketch.faults.nearest(name, criteria), subtasks=(subtask.id,),
            )  # fmt: skip
    if not criteria:
        return
    if not covered and sketch.origin != "model":
        sketch.notes.append(
            "no subtask says which acceptance criteria it covers; the answer as a whole is held to them"
        )
        return
    for criterion in sketch.task.acceptance_criteria:
        holders = covered.get(criterion.id, [])
        if not holders:
            sketch.faults.add(
                "uncovered_criterion", "plan.subtasks", criterion.id, f"no subtask covers it ({criterion.text[:80]})",
                f"add {criterion.id} to one subtask's covers",
            )  # fmt: skip
        elif len(holders) > 1:
            ids = [sketch.id(at) for at in holders]
            sketch.faults.add(
                "doubly_covered_criterion", f"{sketch.places[holders[1]]}.covers", criterion.id,
                f"{' and '.join(ids)} all cover it", f"leave it to one, say {ids[0]}", subtasks=ids,
            )  # fmt: skip
        elif not sketch.subtasks[holders[0]].required:
            sketch.notes.append(
                f"{criterion.id} rests on {sketch.id(holders[0])} alone, which is optional: the run may end well without it"
            )
