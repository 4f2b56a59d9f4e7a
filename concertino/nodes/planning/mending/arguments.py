"""Arguments that refer to nothing in the plan."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from concertino.nodes.planning import references
from concertino.nodes.planning.mending.meant import Subtasks
from concertino.nodes.planning.mending.words import plain, stems
from concertino.nodes.planning.mending.workpiece import Workpiece, shown, told
from concertino.nodes.planning.references import Malformed, Reference

BEFORE = frozenset({"previous", "prev", "last", "preceding", "above"})
FILLERS = frozenset({"node", "step", "task", "result", "results", "output", "outputs", "the", "of", "from", "subtask"})


def settle(piece: Workpiece, subtasks: Subtasks) -> None:
    """Find whom references in inputs mean that name no subtask's id.

    In this order: whom the reference names, see `Subtasks`; what is before it, where that is what a text in the form `${...}` says
    or where its subtask needs just one other; else such a text is no reference but text. Where several could be meant, and
    where an explicit `{"$from": ...}` leads nowhere, it stays a fault. Each leaves a note.
    """
    ids = piece.positions
    for at, row in enumerate(piece.rows):
        inputs = row.get("inputs")
        if inputs and any(
            isinstance(found, Malformed) or found.subtask not in ids for found in references.find(inputs)
        ):
            needs = [need for need in row["needs"] if need in ids]
            row["inputs"] = {key: _settled(piece, at, value, subtasks, needs) for key, value in inputs.items()}


def _settled(piece: Workpiece, at: int, value: Any, subtasks: Subtasks, needs: list[str]) -> JsonValue:
    if isinstance(value, dict) and "$literal" in value:
        return value
    if isinstance(value, list):
        return [_settled(piece, at, item, subtasks, needs) for item in value]
    if isinstance(value, dict) and "$from" not in value:
        return {key: _settled(piece, at, item, subtasks, needs) for key, item in value.items()}
    found = references.read(value)
    if found is None or (isinstance(found, Reference) and found.subtask in piece.positions):
        return value  # type: ignore[no-any-return]  # JSON, as the draft is
    own, written = piece.rows[at]["id"], _written(value)
    is_text = isinstance(value, str)
    before = _before(piece, at, value, needs) if is_text else None
    if isinstance(found, Reference):
        meant = subtasks.find(found.subtask, at, close=False)
        if meant.at is None and not meant.rivals and before is None:
            meant = subtasks.find(found.subtask, at)
        near = [name for name in meant.rivals if name in needs]
        if meant.at is not None or len(near) == 1:
            target = near[0] if meant.at is None else str(piece.rows[meant.at]["id"])
            reason = meant.reason or "which it needs"
            piece.note(f"{own}: {shown(written)} is taken as the output of {target}, {reason}", remark=target in needs)
            piece.add_need(at, target)
            return references.reference_to(target, found.path)
        if meant.rivals:
            piece.note(f"{own}: {shown(written)} could be the output of {told(meant.rivals)}: none was taken")
            return value  # type: ignore[no-any-return]
    if not is_text:
        return value  # type: ignore[no-any-return]
    if before is None:
        piece.note(f"{own}: {shown(value)} refers to no subtask and stays as text", remark=True)
        return references.literal(value)
    piece.note(f"{own}: {shown(value)} refers to no subtask; taken as the output of {before}", remark=before in needs)
    piece.add_need(at, before)
    return references.reference_to(before)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else str(value.get("$from"))


def _before(piece: Workpiece, at: int, value: str, needs: list[str]) -> str | None:
    words = [word for word in plain(value).split() if not word.isdigit()]
    wanted = stems(" ".join(word for word in words if word not in FILLERS))
    named = [earlier for earlier in range(at) if wanted and stems(piece.worker(earlier)) == wanted]
    if len(named) == 1:
        return str(piece.rows[named[0]]["id"])
    if len(needs) == 1:
        return needs[0]
    if at and not needs and BEFORE & set(words):
        return str(piece.rows[at - 1]["id"])
    return None
