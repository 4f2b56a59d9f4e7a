"""Random runs as data: what a seed makes of plan, limits and faults."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

TOOL_RESERVES = 10
"""Tokens that a tool call reserves; it uses between none and all of them."""
DEMAND = 3.0


@dataclass(frozen=True)
class Setup:
    """A planner's bounds; runs share planners because building one takes longer than a small run."""

    floor: int = 0
    work: int | None = None
    each: int | None = None
    """Limit of each specialist."""
    tool: int | None = None
    """Limit of the tool within one subtask."""


SETUPS = (Setup(), Setup(floor=40), Setup(work=900), Setup(each=500), Setup(floor=25, work=700, each=300, tool=60))


@dataclass
class Case:
    """One random run: what it is to do, and where it goes wrong."""

    seed: int
    setup: int
    limit: int
    subtasks: list[dict[str, Any]]
    is_hungry: bool
    cancel_at: int | None
    cut_at: int | None
    concurrency: int | None
    chance: random.Random

    @property
    def task(self) -> dict[str, Any]:
        """Return the task."""
        return {"task_id": f"random-{self.seed}", "plan": {"subtasks": self.subtasks}}


def case_of(seed: int) -> Case:
    """Return the random run of a seed."""
    chance = random.Random(seed)
    is_hungry = chance.random() < 0.2
    setup = chance.choice((0, 1)) if is_hungry else chance.randrange(len(SETUPS))
    size = chance.randint(3, 11) if seed % 20 else chance.randint(20, 90)
    if is_hungry:  # many small spends, so that none is a twentieth of the limit
        size = max(size, chance.randint(14, 24))
    if seed % 500 == 250:
        size = chance.randint(300, 1_000)
    layers = _layers(chance, size)
    subtasks: list[dict[str, Any]] = []
    demand, promised = 0, 0
    for depth, layer in enumerate(layers):
        for name in layer:
            before = layers[depth - 1] if depth else []
            needs = chance.sample(before, min(len(before), chance.randint(1, 3))) if before else []
            ops = _ops(chance, is_hungry=is_hungry)
            own = sum(op[1] for op in ops if op[0] in ("spend", "tool"))
            made: dict[str, Any] = {
                "id": name, "specialist": chance.choice(("red", "blue", "green")), "needs": needs,
                "inputs": {"ops": ops, "lenient": is_hungry or chance.random() < 0.6},
                "required": chance.random() < 0.8,
            }  # fmt: skip
            if not is_hungry and chance.random() < 0.25:
                most = int(own * chance.choice((0.5, 1.0, 2.0)))
                promised += most
                # A plan whose budgets cannot fit those above them is refused before it starts.
                bounds = [bound for bound in (SETUPS[setup].each, SETUPS[setup].work) if bound is not None]
                if most and all(promised <= bound for bound in bounds):
                    made["budget"] = {"tokens": most}
            if chance.random() < (0.03 if size > 90 else 0.06):
                made["gate"] = True
            demand += own
            subtasks.append(made)
    limit = max(60, int(demand * chance.choice((0.4, 0.8, 1.5)))) + SETUPS[setup].floor
    if is_hungry:
        limit = int(demand / DEMAND) + SETUPS[setup].floor
    odds = 0.0 if is_hungry else chance.random()
    # The same for the run's own limit.
    limit = max(limit, SETUPS[setup].floor + sum(sub.get("budget", {}).get("tokens", 0) for sub in subtasks))
    return Case(
        seed, setup, limit, subtasks, is_hungry,
        cancel_at=chance.randint(1, size) if odds > 0.9 else None,
        cut_at=chance.randint(1, size) if 0.75 < odds <= 0.9 else None,
        concurrency=chance.choice((None, None, 3, 8)), chance=chance,
    )  # fmt: skip


def _layers(chance: random.Random, size: int) -> list[list[str]]:
    names = [f"s{n}" for n in range(size)]
    if chance.random() < 0.2:
        return [names]
    depth = min(size, chance.randint(2, 12))
    cuts = sorted(chance.sample(range(1, size), depth - 1))
    return [names[a:b] for a, b in zip([0, *cuts], [*cuts, size], strict=True)]


def _ops(chance: random.Random, *, is_hungry: bool) -> list[list[Any]]:
    ops: list[list[Any]] = []
    for _ in range(chance.randint(6, 9) if is_hungry else chance.randint(1, 6)):
        kind = chance.random()
        if kind < 0.55:
            ops.append(["spend", chance.randint(1, 6)])
        elif kind < 0.8:
            ops.append(["tool", chance.randint(0, TOOL_RESERVES)])
        else:
            ops.append(["pause", chance.choice((0.0, 0.0, 0.0005))])
    if not is_hungry:
        if chance.random() < 0.15:
            ops.insert(chance.randint(0, len(ops)), ["fail", chance.randint(1, 3)])
        elif chance.random() < 0.05:
            ops.insert(chance.randint(0, len(ops)), ["decline"])
    return ops


def depth_of(subtasks: list[dict[str, Any]]) -> int:
    depth: dict[str, int] = {}
    for subtask in subtasks:
        depth[subtask["id"]] = 1 + max((depth[need] for need in subtask["needs"]), default=0)
    return max(depth.values())
