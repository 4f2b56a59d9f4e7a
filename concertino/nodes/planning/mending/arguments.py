"""Arguments that refer to nothing in the plan."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from concertino.nodes.planning import references
from concertino.nodes.planning.mending.words import plain, stems
from concertino.nodes.planning.mending.workpiece import Workpiece, shown
from concertino.nodes.planning.references import Malformed, Reference

BEFORE = frozenset({"previous", "prev", "last", "preceding", "above"})
FILLERS = frozenset({"node", "step", "task", "result", "results", "output", "outputs", "the", "of", "from", "subtask"})


def settle(piece: Workpiece) -> None:
    """Find whom arguments in text form (`${...}`) mean that refer to no subtask; what is found by no rule stays text.

    In this order: the nearest subtask before it whose specialist has that name; what is before it, where that is what the text
    says or where its subtask needs just one other; else the text is no reference but text. An explicit `{"$from": ...}`
    that leads nowhere stays a fault. Each leaves a note.
    """
    ids = piece.positions
    for at, row in enumerate(piece.rows):
        inputs = row.get("inputs")
        if inputs and any(
            isinstance(found, Malformed) or found.subtask not in ids for found in references.find(inputs)
        ):
            needs = [need for need in row["needs"] if need in ids]
            row["inputs"] = {key: _settled(piece, at, value, ids, needs) for key, value in inputs.items()}


def _settled(piece: Workpiece, at: int, value: Any, ids: dict[str, int], needs: list[str]) -> JsonValue:
    if isinstance(value, dict):
        if "$from" in value or "$literal" in value:
            return value
        return {key: _settled(piece, at, item, ids, needs) for key, item in value.items()}
    if isinstance(value, list):
        return [_settled(piece, at, item, ids, needs) for item in value]
    found = references.read(value)
    if not isinstance(value, str) or found is None or (isinstance(found, Reference) and found.subtask in ids):
        return value  # type: ignore[no-any-return]  # JSON, as the draft is
    own = piece.rows[at]["id"]
    target = _meant(piece, at, value, needs)
    if target is None:
        piece.note(f"{own}: {shown(value)} refers to no subtask and stays as text")
        return references.literal(value)
    piece.note(f"{own}: {shown(value)} refers to no subtask; taken as the output of {target}")
    piece.add_need(at, target)
    return references.reference_to(target)


def _meant(piece: Workpiece, at: int, value: str, needs: list[str]) -> str | None:
    words = [word for word in plain(value).split() if not word.isdigit()]
    wanted = stems(" ".join(word for word in words if word not in FILLERS))
    named = [earlier for earlier in range(at) if wanted and stems(piece.worker(earlier)) == wanted]
    if named:
        return str(piece.rows[named[-1]]["id"])
    if len(needs) == 1:
        return needs[0]
    if at and not needs and BEFORE & set(words):
        return str(piece.rows[at - 1]["id"])
    return None
