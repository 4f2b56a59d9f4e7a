"""Tapes as files: UTF-8, one JSON object a line, each sealed against edits and the whole against truncation."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from concertino.contracts.errors import FileInvalid, InputError
from concertino.contracts.json import JsonObject, canonical, parse
from concertino.contracts.limits import Limits
from concertino.tools.tape.failures import KINDS as ERROR_KINDS
from concertino.tools.tape.lines import FORMAT, KINDS, Head, Line, order
from concertino.tools.tape.secrecy import refuse_secrets
from concertino.tools.tape.sharing import put_back, shared_out

FILE_BYTES = 64_000_000
LINE_BYTES = 8_000_000
MOST_CALLS = 20_000
"""Bounds of a tape; chosen by hand, far above what a run of 256 subtasks makes."""
NESTING = 96
SEAL = "~"
"""The last key of every line, as it sorts behind all others."""
SEAL_CHARS = 12
_SEALED = f',"{SEAL}":"'

_STRICT = Limits(bytes=LINE_BYTES, nesting=NESTING)


@dataclass(frozen=True, slots=True)
class Tape:
    """One case's recorded world."""

    head: Head
    lines: tuple[Line, ...]


def write_tape(path: Path, tape: Tape, *, allowed: Collection[str] = ()) -> None:
    """Write a tape; whoever reads the file meanwhile sees the old one or the new one.

    Args:
        path: Where to; its folder is made.
        tape: What to write.
        allowed: Texts that look like secrets and are none.

    Raises:
        SecretFound: it holds a secret. Nothing was written, no temporary file either.
        InputError: something that JSON has no form for, or over the bounds.
    """
    rows = [tape.head.as_json(len(tape.lines)), *(line.as_json() for line in sorted(tape.lines, key=order))]
    for row in rows:
        where = "head" if "tape" in row else f"{row['scope']} call {row['n']}"
        refuse_secrets(_said(row), place=where, allowed=allowed)
    common, short = shared_out(rows[1:])
    rows[0]["shared"] = len(common)
    text = "".join(f"{seal(row)}\n" for row in (rows[0], *common, *short))
    size = len(text.encode())
    if size > FILE_BYTES or len(tape.lines) > MOST_CALLS:
        raise InputError(
            field="tape",
            value=f"{size} bytes, {len(tape.lines)} calls",
            rule=f"at most {FILE_BYTES} bytes, {MOST_CALLS} calls",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, text)


def _said(row: JsonObject) -> JsonObject:
    """Return what of a line may hold a secret: all but our own hashes. Pieces of a stream are read as one text, too."""
    said = {name: value for name, value in row.items() if name not in ("print", "fingerprints")}
    chunks = row.get("chunks")
    if isinstance(chunks, list):
        pieces = [one[1] for one in chunks if isinstance(one, list)]
        said["joined"] = "".join(
            one if isinstance(one, str) else str(one.get("content", ""))
            for one in pieces
            if isinstance(one, str | dict)
        )
        calls = [call for one in pieces if isinstance(one, dict) for call in cast("list[Any]", one.get("calls") or [])]
        said["joined_calls"] = "".join(str(call.get("args") or "") for call in calls)
    return said


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def seal(row: JsonObject) -> str:
    """Return a line with its seal."""
    text = canonical(row)[:-1]
    return f'{text}{_SEALED}{_digest(text)}"}}'


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=SEAL_CHARS // 2).hexdigest()


def read_tape(path: Path, *, shown: str | None = None) -> Tape:
    """Read a tape.

    Args:
        path: The file.
        shown: What errors call it; its path where left out.

    Raises:
        FileInvalid: unreadable, too large, truncated, edited, of a newer format, or no tape at all: file, line, rule.
    """
    name = shown or str(path)
    rows = _rows(path, name)
    first = next(rows, None)
    if first is None:
        raise FileInvalid(file=name, line=1, value="nothing", rule="must begin with a tape's head")
    head, calls, count = _head(first[1], name)
    lines: list[Line] = []
    shared: dict[str, JsonValue] = {}
    at = 1
    for at, row in rows:
        if "shared" in row:
            _check(row, {"shared": str}, {"value": object}, name, at)
            shared[str(row["shared"])] = row.get("value")
            continue
        lines.append(_line(_whole(row, shared, name, at), name, at))
        if len(lines) > MOST_CALLS:
            raise FileInvalid(file=name, line=at, value=len(lines), rule=f"at most {MOST_CALLS} calls")
    if (len(lines), len(shared)) != (calls, count):
        rule = (
            f"the head tells of {calls} calls and {count} shared texts: the tape is truncated, or something was added"
        )
        raise FileInvalid(file=name, line=at, value=f"{len(lines)} and {len(shared)}", rule=rule)
    return Tape(head, tuple(lines))


def _whole(row: JsonObject, shared: dict[str, JsonValue], name: str, at: int) -> JsonObject:
    """Return a line with what it shares with others."""
    try:
        return put_back(row, shared) if shared else row
    except (KeyError, AttributeError, TypeError) as error:
        raise FileInvalid(
            file=name, line=at, value=str(error), rule="speaks of a shared text that is not there"
        ) from error


def _rows(path: Path, name: str) -> Iterator[tuple[int, JsonObject]]:
    try:
        size = path.stat().st_size
        if size > FILE_BYTES:
            raise FileInvalid(file=name, line=None, value=f"{size} bytes", rule=f"at most {FILE_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise FileInvalid(file=name, line=None, value=error.strerror, rule="must be a file that can be read") from error
    raw = data.split(b"\n")
    if raw and raw[-1] == b"":
        raw.pop()
    elif raw:
        raise FileInvalid(
            file=name, line=len(raw), value="no end of line", rule="the tape is truncated: record it again"
        )
    for at, line in enumerate(raw, 1):
        yield at, _row(line, name, at)


def _row(raw: bytes, name: str, at: int) -> JsonObject:
    if len(raw) > LINE_BYTES:
        raise FileInvalid(file=name, line=at, value=f"{len(raw)} bytes", rule=f"at most {LINE_BYTES} bytes a line")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileInvalid(file=name, line=at, value=f"byte {error.start}", rule="must be UTF-8") from error
    is_first = at == 1
    body, mark, rest = text.rpartition(_SEALED)
    if mark and rest[:-2] == _digest(body) and rest.endswith('"}'):
        row: Any = _loaded(f"{body}}}", text, name, at)
    else:
        row = _unsealed(text, name, at, is_first=is_first)
    if not isinstance(row, dict):
        raise FileInvalid(file=name, line=at, value=row, rule="must be a JSON object")
    return cast("JsonObject", row)


def _loaded(body: str, text: str, name: str, at: int) -> Any:
    """Parse a line whose seal holds: we wrote it, and only its depth is left to doubt."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FileInvalid(file=name, line=at, value=f"{len(text)} characters", rule="must be JSON") from error


def _unsealed(text: str, name: str, at: int, *, is_first: bool) -> Any:
    """Say what is wrong with a line whose seal does not hold."""
    try:
        row = parse(text, field="line", limits=_STRICT)
    except InputError as error:
        rule = "must be a tape: JSON lines that begin with a head" if is_first else "must be a JSON object, whole"
        raise FileInvalid(file=name, line=at, value=error.value, rule=f"{rule}; {error.rule}") from error
    if is_first and (not isinstance(row, dict) or "tape" not in row):
        raise FileInvalid(
            file=name,
            line=at,
            value=f"{len(text)} characters",
            rule='must be a tape: its first line has the key "tape"',
        )
    if is_first and isinstance(row, dict):
        _check_format(row, name)
    raise FileInvalid(
        file=name,
        line=at,
        value=f"{len(text)} characters",
        rule="was edited: its checksum does not hold; record it again",
    )


def _check_format(row: JsonObject, name: str) -> None:
    number = row.get("tape")
    if type(number) is not int or number < 1:
        raise FileInvalid(file=name, line=1, value=number, rule="must be a tape of a known format")
    if number > FORMAT:
        rule = f"this is a tape of a newer format; this Concertino reads up to {FORMAT}"
        raise FileInvalid(file=name, line=1, value=number, rule=rule)


_HEAD: dict[str, type | tuple[type, ...]] = {
    "case": str, "stand_in": bool, "recorded": str, "made_by": str, "start": (int, float), "seed": int, "models": dict,
    "fingerprints": dict,
}  # fmt: skip
_LINE: dict[str, type | tuple[type, ...]] = {
    "kind": str, "name": str, "scope": str, "n": int, "request": dict, "at": (int, float), "took": (int, float),
}  # fmt: skip
_MAYBE: dict[str, type | tuple[type, ...]] = {
    "response": dict, "error": dict, "usage": dict, "cap": int, "print": dict, "run": int, "chunks": list,
}  # fmt: skip


def _head(row: JsonObject, name: str) -> tuple[Head, int, int]:
    if "tape" not in row:
        raise FileInvalid(
            file=name, line=1, value=sorted(row), rule='must be a tape: its first line has the key "tape"'
        )
    _check_format(row, name)
    _check(row, {**_HEAD, "calls": int, "shared": int, "tape": int}, {}, name, 1)
    known: dict[str, Any] = {one: row[one] for one in _HEAD}
    return Head(**known), cast("int", row["calls"]), cast("int", row["shared"])


def _line(row: JsonObject, name: str, at: int) -> Line:
    _check(row, _LINE, _MAYBE, name, at)
    if row["kind"] not in KINDS:
        raise FileInvalid(file=name, line=at, value=row["kind"], rule=f"kind must be one of: {', '.join(KINDS)}")
    if ("response" in row) + ("error" in row) != 1 and "chunks" not in row:
        raise FileInvalid(file=name, line=at, value=sorted(row), rule="must have a response, an error or chunks")
    error = row.get("error")
    if isinstance(error, dict) and error.get("kind") not in ERROR_KINDS:
        raise FileInvalid(
            file=name,
            line=at,
            value=error.get("kind"),
            rule=f"an error's kind must be one of: {', '.join(sorted(ERROR_KINDS))}",
        )
    known: dict[str, Any] = {one: row[one] for one in (*_LINE, *_MAYBE) if one in row}
    if "print" in known:
        known["prints"] = known.pop("print")
    if "chunks" in known:
        known["chunks"] = tuple(_chunk(one, name, at) for one in known["chunks"])
    return Line(**known)


def _chunk(given: object, name: str, at: int) -> tuple[float, object]:
    if not (isinstance(given, list) and len(given) == 2 and isinstance(given[0], int | float)):
        raise FileInvalid(file=name, line=at, value=given, rule="a chunk must be [seconds, piece]")
    return float(given[0]), given[1]


def _check(
    row: JsonObject,
    needed: dict[str, type | tuple[type, ...]],
    optional: dict[str, type | tuple[type, ...]],
    name: str,
    at: int,
) -> None:
    known = needed | optional
    for one, kind in known.items():
        if one not in row:
            if one in needed:
                raise FileInvalid(file=name, line=at, value=sorted(row), rule=f"needs the field {one}")
            continue
        if not isinstance(row[one], kind) or (isinstance(row[one], bool) and kind is not bool):
            raise FileInvalid(file=name, line=at, value=row[one], rule=f"{one} is of a wrong type")
    for one in row:
        if one not in known:
            raise FileInvalid(file=name, line=at, value=one, rule="unknown field")


def lines_of(tape: Tape, run: int) -> Sequence[Line]:
    """Return the calls of one repeat; the first one's where it was recorded once only."""
    return tuple(line for line in tape.lines if line.run == run) or tuple(one for one in tape.lines if one.run == 1)
