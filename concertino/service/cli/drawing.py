"""A plan for people: as a table, or as a Mermaid drawing."""

from __future__ import annotations

from concertino.contracts.plan import Plan, Subtask
from concertino.service.cli.wording import plain

_COLUMNS = ("subtask", "specialist", "needs", "estimate", "notes")


def as_table(plan: Plan) -> str:
    """Return the plan as aligned text, one subtask a line, in topological order."""
    rows = [_COLUMNS, *(_row(subtask) for subtask in plan.subtasks)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *(f"note: {plain(note)}" for note in plan.notes)])


def as_mermaid(plan: Plan) -> str:
    """Return the plan as a Mermaid flowchart; a gate is a rhombus in front of its subtask."""
    node = {subtask.id: f"n{number}" for number, subtask in enumerate(plan.subtasks)}
    lines = ["flowchart LR"]
    for subtask in plan.subtasks:
        here = node[subtask.id]
        lines.append(f'    {here}["{_label(subtask.id)}<br/>{_label(subtask.specialist or "")}"]')
        if subtask.gate is not None:
            lines += [f'    {here}g{{"{_label(subtask.gate.question)}"}}', f"    {here}g --> {here}"]
        door = f"{here}g" if subtask.gate is not None else here
        lines += [f"    {node[need]} --> {door}" for need in subtask.needs]
    return "\n".join(lines)


def _row(subtask: Subtask) -> tuple[str, ...]:
    notes = [
        *(["gate"] if subtask.gate is not None else []),
        *([] if subtask.required else ["optional"]),
        *([f"stage {subtask.stage}"] if subtask.stage else []),
    ]
    return (
        plain(subtask.id),
        plain(subtask.specialist or ""),
        plain(", ".join(subtask.needs)),
        f"{subtask.estimate_s:g} s",
        ", ".join(notes),
    )


def _label(text: str) -> str:
    shown = plain(text).replace("&", "&amp;").replace('"', "&quot;")
    return shown.replace("<", "&lt;").replace(">", "&gt;")
