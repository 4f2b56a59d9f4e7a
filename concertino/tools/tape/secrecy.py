"""Looking for secrets in whatever is about to be written: by the forms of known keys, by this process's own, by entropy.

A secret is never part of what is said about it.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from concertino.contracts.errors import SecretFound
from concertino.contracts.json import JsonObject

REMOVED = "[removed: a secret]"

_NAMED = (
    r"(?i)(?:pass(?:word|wd|phrase)?|secret|api[_-]?key|apikey|access[_-]?key|auth[_-]?token|access[_-]?token|client[_-]?secret"
    r"|private[_-]?key|credential)s?[\"']?\s*[:=]\s*[\"']?(?!\[removed)[^\s\"',;<>{}\[\]$]{6,}"
)

_FORMS = (
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    ("an API key", r"\b(?:sk|pk|rk)[-_](?:ant-|proj-|live_|test_|or-|svcacct-|lf-)?[A-Za-z0-9_-]{16,}"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("a GitLab token", r"\bgl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{16,}"),
    ("an AWS key id", r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{12,}"),
    ("a Google key", r"\b(?:AIza[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{16,}|GOCSPX-[A-Za-z0-9_-]{16,})"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a token of a registry or hub", r"\b(?:hf_|npm_|pypi-|dop_v1_|shpat_|SG\.|gsk_|xai-|r8_|fw_|nvapi-|lsv2_pt_)[A-Za-z0-9_.-]{16,}"),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    ("a bearer token", r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{12,}"),
    ("a password in an address", r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]{3,}@"),
    ("a named secret", _NAMED),
)  # fmt: skip
FORMS = tuple((name, re.compile(form)) for name, form in _FORMS)

NAMED = re.compile(r"(?i)(?:key|token|secret|passw|credential)")
"""Environment variables whose values are secrets."""
LEAST_CHARS = 8
"""Shorter values of the environment are found in ordinary text."""

WORD = re.compile(r"[A-Za-z0-9_+/=-]{20,}")
"""What may be a random string: long, and of the letters that keys are written in."""
BITS, BELOW_MOST = 4.1, 0.6
"""Entropy per character from which a word counts as random, or so much less than a word of its length can have. Chosen by hand,
so that of 2,000 random strings of 24 and more letters and digits hardly any is missed; a long name with many numbers may be
taken for one, and is then allowed by name."""
LOWER_BITS = 3.6
"""The same for words of small letters, or capitals, and digits alone."""
HEX_CHARS = 32
HEX = re.compile(r"[0-9a-fA-F]+")
HEX_BITS = 3.0
"""Random hex digits have close to 4 bits each."""
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""Names things far more often than it opens them; beside a telling name it is found as a named secret."""

OWN_ID = re.compile(r"[a-z]{2,12}-[0-9a-f]{20}")
"""An id of ours, as `contracts.ids` makes it."""


class Leak(NamedTuple):
    """A secret that was found."""

    start: int
    end: int
    rule: str


def leaks_in(text: str, *, allowed: Collection[str] = ()) -> list[Leak]:
    """Return the secrets in a text, by position."""
    if len(text) < LEAST_CHARS:
        return []
    found = [Leak(*hit.span(), rule) for rule, form in FORMS for hit in form.finditer(text)]
    for value in _of_this_process():
        at = text.find(value)
        while at >= 0:
            found.append(Leak(at, at + len(value), "a secret of this process's environment"))
            at = text.find(value, at + 1)
    found += [Leak(*hit.span(), "a random string") for hit in WORD.finditer(text) if _is_random(hit.group())]
    return sorted(one for one in found if not any(known in text[one.start : one.end] for known in allowed))


def _of_this_process() -> list[str]:
    return [
        value
        for name, value in os.environ.items()
        if NAMED.search(name) and len(value) >= LEAST_CHARS and not value.isalpha() and "/" not in value
    ]


def _is_random(word: str) -> bool:
    core = word.strip("=-_")
    if HEX.fullmatch(core):
        return len(core) >= HEX_CHARS and not core.isdigit() and _bits(core.lower()) >= HEX_BITS
    kinds = [_kind(one) for one in core if one.isalnum()]
    if len(kinds) < LEAST_CHARS or UUID.fullmatch(core) or OWN_ID.fullmatch(core):
        return False
    # Words of a name change their kind of letter seldom; what is random does so at every second place.
    switches = sum(a != b for a, b in itertools.pairwise(kinds))
    if len(set(kinds)) == 3:
        return switches >= len(kinds) / 4 and _bits(core) >= min(BITS, math.log2(len(core)) - BELOW_MOST)
    return "d" in kinds and switches >= len(kinds) / 4 and _bits(core) >= LOWER_BITS


def _kind(letter: str) -> str:
    return "d" if letter.isdigit() else "u" if letter.isupper() else "l"


def _bits(word: str) -> float:
    size = len(word)
    return -sum(count / size * math.log2(count / size) for count in Counter(word).values())


def texts_in(value: JsonValue | object, place: str) -> Iterator[tuple[str, str]]:
    """Yield every text of a JSON value with its place, keys included."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield f"{place}.{{key}}", str(name)
            # A field's name says what its value is: `password: hunter2` is as telling as a key's form.
            if isinstance(one, str) and NAMED.search(str(name)):
                yield f"{place}.{name}", f"{name}={one}"
            yield from texts_in(one, f"{place}.{name}")
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from texts_in(one, f"{place}[{at}]")


def refuse_secrets(value: object, *, place: str, allowed: Collection[str] = ()) -> None:
    """Refuse to write a value that holds a secret.

    Raises:
        SecretFound: with the first one's place and form.
    """
    found = [(where, leak.rule) for where, text in texts_in(value, place) for leak in leaks_in(text, allowed=allowed)]
    if found:
        where, rule = found[0]
        raise SecretFound(place=_told(where), rule=f"holds {rule}", count=len(found))


def _told(place: str) -> str:
    """Return a place without secrets of its own: a key of an object may be one."""
    return cleaned(place)


def cleaned(text: str, *, allowed: Collection[str] = ()) -> str:
    """Return a text with every secret taken out."""
    parts: list[str] = []
    at = 0
    for leak in leaks_in(text, allowed=allowed):
        if leak.end <= at:
            continue
        parts += [text[at : max(at, leak.start)], REMOVED] if leak.start >= at else []
        at = leak.end
    return "".join((*parts, text[at:]))


def redacted(value: JsonValue, *, allowed: Collection[str] = ()) -> JsonValue:
    """Return JSON with every secret taken out of its texts and keys."""
    if isinstance(value, str):
        return cleaned(value, allowed=allowed)
    if isinstance(value, dict):
        made: JsonObject = {}
        for name, one in value.items():
            is_named = isinstance(one, str) and NAMED.search(name) and leaks_in(f"{name}={one}", allowed=allowed)
            made[cleaned(name, allowed=allowed)] = REMOVED if is_named else redacted(one, allowed=allowed)
        return made
    if isinstance(value, list):
        return [redacted(one, allowed=allowed) for one in value]
    return value
