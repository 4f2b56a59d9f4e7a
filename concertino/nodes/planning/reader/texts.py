"""Finding values in a text: whole, in fences, between sentences, cut off."""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from json_repair import repair_json

from concertino.nodes.planning.reader.brackets import Span, closings, span, uncrossed
from concertino.nodes.planning.reader.literals import Parsed, read_json, read_python, read_yaml_text

FENCE = re.compile(
    r"^[ \t]*(?P<fence>```|~~~)[ \t]*([A-Za-z0-9_+-]*)[^\n]*\n(.*?)(?:^[ \t]*(?P=fence)[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
THOUGHT = re.compile(r"<(think|thinking|reasoning|scratchpad)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
START = re.compile(r"[{\[]|\b[A-Z][A-Za-z0-9_]{0,63}\(|\b[a-z_]\w{0,63}\((?=\s{0,40}\w{1,64}\s{0,10}=\s{0,10}[{\[])")
FENCES = 400
"""Fenced blocks of one text that are read, the last ones."""
STARTS = 400
"""Places in one text where a value may begin that are tried."""
SCANNED = 2_000_000
"""Characters of one text that are gone through, counted again for every start; about 0.3 s."""
YAML_LINES_DROPPED = 3
"""Lines at the end of cut-off YAML that are tried without."""
YAML_CHARS = 64_000
"""Longest YAML that is read: PyYAML takes about 1 s for it."""
CALLS_CHARS = 64_000
"""Longest text that is read as calls with commas between them; a longer one is read call by call."""
REPAIRED_CHARS = 16_000
"""Longest faulty JSON that is mended, and all of it in one text: json-repair takes 0.9 s for the worst of that length."""
LISTS = frozenset(
    {"subtasks", "sub_tasks", "task_nodes", "task_links", "task_steps", "tasks", "nodes", "edges", "links", "steps", "plan",
     "plan_steps", "actions", "workflow", "todos", "todo", "tool_calls", "calls"}
)  # fmt: skip
"""Fields whose lists hold what a plan is made of, for what is cut off."""

YAML_START = re.compile(r"[A-Za-z_][\w ]*:|- ")
YAML_LIST = re.compile(rf"^(?:{'|'.join(sorted(LISTS))}):[ \t]*$", re.MULTILINE)
"""Where a plan in YAML begins behind an introduction."""
KEY = re.compile(r"\{\s{0,40}+(?:&(?:quot|#34|#x22);|[“„”])[\w .-]{1,64}(?:&(?:quot|#34|#x22);|[“”‟])\s{0,40}+:")
ENTITY = re.compile(r"&(?:quot|#34|#x22);")
CURLY = re.compile(r"[{\[,:]\s{0,40}[“„”]")
STRAIGHT = str.maketrans("“”„‟", '""""')
ESCAPED = re.compile(r"[{\[](?:\\[nrt]|[\s{\[]){0,40}+\\+\"")
"""Where a value in a quoted text begins, of which the end of the quotes may be missing."""
ESCAPE = re.compile(r"\\([\"'\\/bfnrt]|u[0-9a-fA-F]{4})")
LAYERS = 3
"""Layers of quotes around one another that are taken off."""

CUT = "the answer was cut off: what was not whole at its end is left out"
MENDED = "the JSON was faulty and was mended"
TOO_LONG = f"faulty JSON of over {REPAIRED_CHARS:,} characters was not mended"


@dataclass(frozen=True, slots=True)
class Found:
    """A value that stands in a text."""

    value: Any
    form: str
    notes: tuple[str, ...] = ()
    is_part: bool = False
    """Whether it stands inside something broken, of which more may have been mended."""


def without_thoughts(text: str) -> str:
    """Return a text without what a model thought aloud, unless there is nothing else."""
    rest = THOUGHT.sub("", text)
    return rest if rest.strip() else text


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """Yield language and content of every fenced block, the last of which may be open."""
    for block in deque(FENCE.finditer(text), FENCES):
        yield block[2].lower(), block[3]


def values(text: str, language: str = "", *, is_plan: Callable[[Any], bool] = bool) -> list[Found]:
    """Return the values in a text: parts of broken ones, broken ones as far as they could be mended, whole ones, in order.

    A text is one YAML value only where that `is_plan`: any line that ends in a colon would be one.
    """
    whole = _whole(text.strip(), language, is_plan)
    return [whole] if whole is not None else _scattered(text)


def is_respelled(text: str) -> bool:
    """Say whether a text's keys stand in curly quotes, or in entities: as it is, it can only be mended."""
    return KEY.search(text) is not None


def respelled(text: str) -> Iterator[str]:
    """Yield a text as it may have been meant: entities as what they stand for, plain quotes, one layer of escapes fewer."""
    if ENTITY.search(text):
        yield html.unescape(text)
    if CURLY.search(text):
        yield text.translate(STRAIGHT)
    for _ in range(LAYERS):
        escaped = ESCAPED.search(text)
        if escaped is None:
            return
        text = ESCAPE.sub(_unescaped, text[escaped.start() :])
        yield text


def _unescaped(found: re.Match[str]) -> str:
    mark = found[1]
    if mark[0] == "u":
        return chr(int(mark[1:], 16))
    return {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}.get(mark, mark)


def _whole(text: str, language: str, is_plan: Callable[[Any], bool]) -> Found | None:
    if not text or (text[0] in "{[(" and span(text, 0).too_deep):
        return None
    if text[0] in '{["' and (parsed := read_json(text)) is not None:
        return _found(parsed, "json")
    is_call = len(text) <= CALLS_CHARS and START.match(text) is not None
    parsed = read_python(text) if text[0] in "{[(\"'" or is_call else None
    # `[A][{...}]` is no list but code, in which one may stand.
    if parsed is not None and (not isinstance(parsed.value, str) or text[0] in "\"'"):
        return _found(parsed, "python")
    if len(text) <= YAML_CHARS and language in ("", "yaml", "yml"):
        begin = YAML_START.match(text) or YAML_LIST.search(text)
        return _yaml(text[begin.start() :], is_plan) if begin is not None else None
    return None


def _yaml(text: str, is_plan: Callable[[Any], bool]) -> Found | None:
    """Return YAML that holds a plan, without its last lines where only they are no YAML and hold no value: it was cut off."""
    lines = text.splitlines()
    for dropped in range(min(YAML_LINES_DROPPED, len(lines) - 1) + 1):
        if any(mark in line for line in lines[len(lines) - dropped :] for mark in "{["):
            return None
        value = read_yaml_text("\n".join(lines[: len(lines) - dropped]) if dropped else text)
        if not isinstance(value, dict | list) or not value:
            continue
        if not dropped:
            return Found(value, "yaml") if is_plan(value) else None
        rows = next((row for row in value.values() if isinstance(row, list)), []) if isinstance(value, dict) else value
        if _holds_mappings(value) and rows and not _as_whole(rows, rows[:-1]):
            rows.pop()
        return Found(value, "half yaml", (CUT,)) if is_plan(value) else None
    return None


def _scattered(text: str) -> list[Found]:
    whole: list[Found] = []
    inside: list[Found] = []
    broken: list[Found] = []
    notes: tuple[str, ...] = ()
    at = scanned = repairing = broken_until = 0
    for _ in range(STARTS):
        begin = START.search(text, at)
        if begin is None or scanned > SCANNED:
            break
        start, first = begin.start(), begin.end() - 1
        found = span(text, first)
        found.start = start
        scanned += found.end - start
        at = found.end if found.too_deep else begin.end()
        if found.too_deep:
            continue
        mended = uncrossed(text, start) if found.crossed and start == first else None
        if mended is not None:
            made = _uncrossed(mended[0])
            found.stack, found.end = [], mended[1]
        else:
            made = _strict(text[start : found.end]) if not found.stack else _closed(text, found)
        if made is not None:
            at = found.end
            if not _is_words(made.value) or text[:start].rstrip(" \t")[-1:] in ("", ":", "=", "\n"):
                if start < broken_until:
                    inside.append(Found(made.value, made.form, made.notes, is_part=True))
                else:
                    whole.append(made)
        elif start == first and found.end - start > 2 and start >= broken_until:
            repairing += found.end - start
            if repairing > REPAIRED_CHARS:
                notes = (TOO_LONG,)
            elif (repaired := _repaired(text, found, mended[0] if mended else "")) is not None:
                broken.append(repaired)
                broken_until = found.end
    # What stands inside something broken is a part of it, and counts only where the mended whole holds less.
    return [*inside, *broken, *whole, *([Found(None, "none", notes)] if notes else [])]


def _uncrossed(piece: str) -> Found | None:
    made = _strict(piece, sets=False)
    return (
        Found(made.value, f"half {made.form}", (*made.notes, MENDED)) if made and _holds_mappings(made.value) else None
    )


def _strict(piece: str, *, sets: bool = True) -> Found | None:
    parsed = read_json(piece) if piece[0] in "{[" else None
    if parsed is not None:
        return _found(parsed, "json")
    parsed = read_python(piece, sets=sets)
    return _found(parsed, "python") if parsed is not None else None


def _found(parsed: Parsed, form: str) -> Found:
    twice = (f"of fields that stand twice the last counts: {', '.join(parsed.twice[:5])}",) if parsed.twice else ()
    return Found(parsed.value, form, twice)


def _closed(text: str, found: Span) -> Found | None:
    """Return a value whose end is missing, closed behind its last whole element."""
    for closing in closings(text, found, LISTS):
        whole = _strict(closing.whole, sets=False)
        if not closing.kept:
            return _cut(whole) if whole is not None and _holds_mappings(whole.value) else None
        kept = _strict(closing.kept, sets=False)
        is_whole = kept is not None and (closing.is_sure or whole is None or _as_whole(kept.value, whole.value))
        if kept is not None and is_whole and _holds_mappings(kept.value):
            return _cut(kept)
    return None


def _cut(found: Found) -> Found:
    return Found(found.value, f"half {found.form}", (*found.notes, CUT))


def _as_whole(kept: Any, whole: Any) -> bool:
    """Say whether the last element, which `whole` has not, has every field that all of those before it have."""
    while type(kept) is type(whole):
        if isinstance(kept, list):
            if len(kept) > len(whole):
                last, before = kept[-1], [item for item in whole if isinstance(item, dict)]
                if not isinstance(last, dict):
                    return not before
                shared = set.intersection(*(set(item) for item in before)) if before else set()
                return shared <= set(last) and (bool(before) or len(last) > 1)
            if not kept or len(kept) < len(whole):
                return True
            kept, whole = kept[-1], whole[-1]
        elif isinstance(kept, dict):
            key = next(reversed(kept), None)
            if key is None or key not in whole:
                return True
            kept, whole = kept[key], whole[key]
        else:
            return True
    return True


def _repaired(text: str, found: Span, matched: str = "") -> Found | None:
    """Return faulty JSON mended: brackets, quotes and commas. What was open at the end is left out."""
    piece = matched or text[found.start : found.end]
    note = MENDED
    if found.stack:
        piece, note = closings(text, found, LISTS)[-1].whole, CUT
    value = _mended(piece)
    if not isinstance(value, dict | list) or not _holds_mappings(value):
        return None
    if '""' not in piece and "''" not in piece:
        value = _without_blanks(value)
    return Found(value, "half json", (note,) if note is MENDED else (MENDED, note))


def _mended(piece: str) -> Any:
    try:
        return repair_json(piece, return_objects=True, skip_json_loads=True)
    except Exception:  # noqa: BLE001 - a library's, on text that may be anything: what it cannot mend is no plan
        return None


def _without_blanks(value: Any) -> Any:
    """Take out the fields that mending made up: empty texts where none was written."""
    if isinstance(value, dict):
        return {key: _without_blanks(item) for key, item in value.items() if item != ""}
    return [_without_blanks(item) for item in value] if isinstance(value, list) else value


def _holds_mappings(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)
