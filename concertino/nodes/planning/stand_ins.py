"""Who takes over once a subtask stays failed: checked with the plan, so that a replan does not find it wanting."""

from __future__ import annotations

from concertino.nodes.planning import references, routing
from concertino.nodes.planning.references import Malformed
from concertino.nodes.planning.sketch import Sketch


def check_stand_ins(sketch: Sketch) -> None:
    """Refuse stand-ins that nobody here can be. Faults found: unknown_specialist, unknown_capability, unknown_reference."""
    for at, subtask in enumerate(sketch.subtasks):
        stand_in = subtask.on_failure
        if stand_in is None:
            continue
        place, faults = f"{sketch.places[at]}.on_failure", sketch.faults
        if (name := stand_in.specialist) is not None and (name not in sketch.cards or name in routing.RESERVED_NAMES):
            faults.add(
                "unknown_specialist", f"{place}.specialist", name, f"no specialist {name[:64]!r}",
                faults.nearest(name, sketch.cards), subtasks=(subtask.id,),
            )  # fmt: skip
        if (wanted := stand_in.capability) is not None:
            known = routing.known_capabilities(sketch.cards)
            if wanted not in known:
                faults.add(
                    "unknown_capability", f"{place}.capability", wanted, f"no specialist has the capability {wanted!r}",
                    faults.nearest(wanted, known), subtasks=(subtask.id,),
                )  # fmt: skip
        for found in references.find(stand_in.inputs or {}):
            where = f"{place}.{found.place}"
            if isinstance(found, Malformed):
                faults.add("bad_field", where, found.value, found.rule, "write it so", subtasks=(subtask.id,))
            elif found.subtask not in sketch.position and found.subtask not in sketch.faulty:
                faults.add(
                    "unknown_reference", where, found.subtask, f"no subtask {found.subtask[:64]!r} in the plan",
                    faults.nearest(found.subtask, sketch.position), subtasks=(subtask.id,),
                )  # fmt: skip
