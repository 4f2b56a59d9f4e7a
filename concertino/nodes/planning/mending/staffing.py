"""Giving the subtasks with unknown specialists to whom they plainly mean."""

from __future__ import annotations

from concertino.contracts.specialist import Cards
from concertino.nodes.planning import routing
from concertino.nodes.planning.mending.kinds import kinds_in, kinds_of, spoken_of
from concertino.nodes.planning.mending.names import Asked, Names
from concertino.nodes.planning.mending.words import stems
from concertino.nodes.planning.mending.workpiece import Workpiece, shown


def is_known(row: dict[str, object], cards: Cards) -> bool:
    """Say whether somebody can do a subtask as it stands."""
    worker, skill = row.get("specialist"), row.get("capability")
    if worker is not None:
        return isinstance(worker, str) and worker in cards and worker not in routing.RESERVED_NAMES
    return isinstance(skill, str) and skill in routing.known_capabilities(cards)


def name_workers(piece: Workpiece, cards: Cards, names: Names) -> None:
    """Give unknown specialists and capabilities to who is plainly meant, in the order of the plan; each leaves a note."""
    skills: dict[tuple[str, ...], list[str]] = {}
    for skill in routing.known_capabilities(cards):
        skills.setdefault(stems(skill), []).append(skill)
    for at, row in enumerate(piece.rows):
        if is_known(row, cards):
            continue
        given, objective = piece.worker(at), row.get("objective")
        said = objective if isinstance(objective, str) else ""
        given = given or said
        able = skills.get(stems(given), [])
        if len(able) == 1:
            piece.rewrite(at, capability=able[0])
            piece.note(f"{row['id']}: {shown(given)} is nobody's name; taken as the capability {able[0]}")
            continue
        meant = names.meant(Asked(given, said, _sources(piece, at, cards) or spoken_of(said)))
        if meant is not None:
            piece.rewrite(at, specialist=meant.name)
            piece.note(f"{row['id']}: there is no specialist {shown(given)}; taken as {meant.name}: {meant.reason}")


def _sources(piece: Workpiece, at: int, cards: Cards) -> frozenset[str]:
    """Return the kinds of what goes into a subtask: files in its arguments, else what those before it give."""
    found = kinds_in([piece.rows[at].get("inputs") or {}])
    if found:
        return found
    ids = piece.positions
    gives: set[str] = set()
    for need in piece.before(at):
        worker = piece.rows[ids[need]].get("specialist") if need in ids else None
        if isinstance(worker, str) and worker in cards:
            gives |= kinds_of(cards[worker]).gives
    return frozenset(gives)
