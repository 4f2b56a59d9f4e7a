"""Who does each subtask, where a plan names somebody who is not there."""

from __future__ import annotations

from concertino.contracts.json import JsonObject
from concertino.contracts.specialist import Cards
from concertino.nodes.planning.mending.names import Match, Names
from concertino.nodes.planning.mending.workpiece import Workpiece
from concertino.nodes.planning.reader.elements import mentioned


def tell_apart(piece: Workpiece) -> None:
    """Give subtasks with the same id ids of their own; who needs it means the first."""
    taken = {row["id"] for row in piece.rows}
    seen: set[str] = set()
    for row in piece.rows:
        if row["id"] in seen:
            number = 2
            while f"{row['id']}-{number}" in taken:
                number += 1
            name = f"{row['id'][:56]}-{number}"
            piece.note(f"two subtasks were called {row['id']}: the later is now {name}")
            taken.add(name)
            row["id"] = name
        seen.add(row["id"])


def name_staff(piece: Workpiece, names: Names, cards: Cards) -> None:
    """Put in who is plainly meant by a name that nobody has; a lone specialist does what names nobody."""
    able = {capability for card in cards.values() for capability in card.capabilities}
    for row in piece.rows:
        given = row.get("specialist")
        row["written"] = given
        if isinstance(given, str) and given in cards:
            continue
        if isinstance(given, str) and given in able:
            row["capability"] = given
            del row["specialist"]
            piece.note(f"{row['id']}: {given[:64]} is a capability, no specialist")
        elif isinstance(given, str) and given:
            meant = names.meant(given) or _told(row, cards)
            if meant is not None:
                row["specialist"] = meant.name
                piece.note(f"{row['id']}: there is no {given[:64]!r}, {meant.name!r} is taken ({meant.reason})")
        elif row.get("capability") is None and (told := _told(row, cards)) is not None:
            row["specialist"] = told.name
            piece.note(f"{row['id']} names nobody: {told.name!r} is taken ({told.reason})")
        elif row.get("capability") is None and len(cards) == 1:
            row["specialist"] = next(iter(cards))
            piece.note(f"{row['id']} names nobody: {row['specialist']!r} is the only specialist")


def _told(row: JsonObject, cards: Cards) -> Match | None:
    """Return the one specialist whom what is to be done names, while the field for it names nobody."""
    who = mentioned(str(row.get("objective") or ""), tuple(cards))
    return None if who is None else Match(who, "what is to be done names it")


def drop_unstaffed(piece: Workpiece, cards: Cards) -> None:
    """Leave out subtasks that nobody here can do, unless the result of one is another's input.

    Whoever needed one of them needs what it needed, so that the order of the others stays.
    """
    unknown = [row for row in piece.rows if isinstance(row.get("specialist"), str) and row["specialist"] not in cards]
    if len(unknown) == len(piece.rows):
        return
    wanted = {need for at, row in enumerate(piece.rows) if row not in unknown for need in piece.referred(at)}
    dropped = {row["id"]: row for row in unknown if row["id"] not in wanted}
    if not dropped:
        return
    kept = [row for row in piece.rows if row["id"] not in dropped]
    for row in kept:
        row["needs"] = _through(row["needs"], dropped, {row["id"]})
    for name, row in dropped.items():
        what = str(row.get("objective") or "")[:80]
        piece.note(f"{name} is left out: nobody here is {row['specialist'][:64]!r}" + (f" ({what})" if what else ""))
    piece.rows[:] = kept


def _through(needs: list[str], dropped: dict[str, JsonObject], seen: set[str]) -> list[str]:
    found: list[str] = []
    for need in needs:
        if need in seen:
            continue
        if need in dropped:
            further = dropped[need].get("needs")
            found += _through(
                [str(one) for one in further] if isinstance(further, list) else [], dropped, {*seen, need}
            )
        else:
            found.append(need)
    return list(dict.fromkeys(found))
