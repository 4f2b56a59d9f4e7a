"""Looking for secrets in whatever is about to be written: by the forms of known keys, by this process's own, by entropy.

A secret is never part of what is said about it.
"""

from __future__ import annotations

import functools
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

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

_NAMED = (
    r"(?i)(?:pass(?:word|wd|phrase)?|secret|api[_-]?key|apikey|access[_-]?key|auth[_-]?token|access[_-]?token|client[_-]?secret"
    r"|private[_-]?key|credential)s?[\"']?\s*[:=](?!:)\s*[\"']?(?!\[removed)[^\s\"',;<>{}\[\]$]{6,}"
)

_TELLING = r"(?:api|access|secret|private|auth|client)?[ _-]?(?:key|token|secret|password|credential)"

_SAID = (
    r"(?i)\b(?:(?:kennwort|passwort|mot de passe|contrase\u00f1a|wachtwoord|parola)(?:\s*[:=]|\s+(?:ist|lautet|est|es|is|\u00e8)\b:?)\s*"
    r"|(?:pass(?:word|wd|phrase|code)|api key|secret|token)\s+(?:is|was|ist|reads)\b:?\s*(?=\S{0,60}[0-9!@#$%^&*+=]))"
    r"[\"'`]?(?!\[removed)[^\s\"'`,;<>{}\[\]]{6,}"
)
"""As people write it down; after "is" only what no ordinary word looks like, for "the password is required"."""

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
    ("a secret that is told", _SAID),
    ("a token in a query", r"(?i)\b(?:token|sig|signature)=[\"']?(?!\[removed)[A-Za-z0-9._~+/%-]{12,}"),
    ("a key of a messenger", r"\bSK[0-9a-f]{32}\b"),
    ("a key of a mailer", r"\bkey-[0-9a-f]{32}\b"),
    ("a key of an API client", r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}\b"),
    ("a named key", rf"(?i)\b{_TELLING}s?\b[^\w\n]{{1,5}}(?:(?:is|was)\b:?\s*)?[\"'`]?{_UUID}"),
    ("a seed of one-time passwords", r"\b(?=[A-Z2-7]*[A-Z][2-7]+[A-Z])(?:[A-Z2-7]{16}|[A-Z2-7]{26}|[A-Z2-7]{32}|[A-Z2-7]{52})(?![A-Z2-7])=*"),
)  # fmt: skip
FORMS = tuple((name, re.compile(form)) for name, form in _FORMS)

NAMED = re.compile(r"(?i)(?:key|token|secret|passw|kennwort|credential)")
"""Environment variables, and fields of JSON, whose values are secrets."""
LEAST_CHARS = 8
"""Shorter values of the environment are found in ordinary text."""

SHORT_CHARS = 400
"""Up to here a text is remembered as one of many."""

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
UUID = re.compile(_UUID)
"""Names things far more often than it opens them; beside a telling name it is found by that."""

OWN_ID = re.compile(r"[a-z]{2,12}-[0-9a-f]{20}")
"""An id of ours, as `contracts.ids` makes it."""


class Leak(NamedTuple):
    """A secret that was found."""

    start: int
    end: int
    rule: str


def leaks_in(text: str, *, allowed: Collection[str] = ()) -> list[Leak]:
    """Return the secrets in a text, by position."""
    return _leaks(text, allowed, _of_this_process())


def _leaks(text: str, allowed: Collection[str], own: Collection[str]) -> list[Leak]:
    if len(text) < LEAST_CHARS:
        return []
    found = list(_of_short(text) if len(text) <= SHORT_CHARS else _of_long(text))
    for value in own:
        at = text.find(value)
        while at >= 0:
            found.append(Leak(at, at + len(value), "a secret of this process's environment"))
            at = text.find(value, at + 1)
    return sorted(one for one in found if not any(known in text[one.start : one.end] for known in allowed))


def _formed(text: str) -> tuple[Leak, ...]:
    """Return what its form or its letters give away."""
    found = [Leak(*hit.span(), rule) for rule, form in FORMS for hit in form.finditer(text)]
    found += [Leak(*hit.span(), "a random string") for hit in WORD.finditer(text) if _is_random(hit.group())]
    return tuple(found)


_of_short, _of_long = functools.lru_cache(maxsize=16_384)(_formed), functools.lru_cache(maxsize=512)(_formed)
"""Runs say the same things again and again: ids, names and states; and prompts and documents."""


@functools.lru_cache(maxsize=4_096)
def _is_telling(name: str) -> bool:
    return NAMED.search(name) is not None


def _is_opened_by(name: str, value: object) -> bool:
    """Say whether a field's name makes a text worth a second look, together with it: keys that are ids of ours are none."""
    return isinstance(value, str) and _is_telling(name) and OWN_ID.match(value) is None


def _of_this_process() -> list[str]:
    return [*secrets_now()]


def secrets_now() -> Iterator[str]:
    """Yield what this process's environment holds of secrets at this moment."""
    yield from (
        value
        for name, value in os.environ.items()
        if NAMED.search(name) and len(value) >= LEAST_CHARS and not value.isalpha() and "/" not in value
    )


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


class Sight:
    """A quick look at much JSON that mostly holds no secret: what was clean once is not looked at again."""

    def __init__(self, own: Collection[str]) -> None:
        """Look for these texts, too."""
        own = (*own,)
        if own not in _clean or len(_clean[own]) > MOST_CLEAN:
            _clean.clear()  # another environment, or too much to keep
            _clean[own] = set()
        self._own = own
        self.clean = _clean[own]
        """Texts that are known to hold none; of those that are not in here, ask."""

    def is_clean(self, text: str) -> bool:
        """Say whether a text holds no secret, whatever is allowed."""
        if _leaks(text, (), self._own):
            return False
        if len(text) <= SHORT_CHARS:
            self.clean.add(text)
        return True

    def of_names(self, names: tuple[str, ...]) -> tuple[bool, frozenset[str]]:
        """Return whether the names of an object's fields are clean, and those that open a second look at their values."""
        return _of_names(names, self._own)

    def is_opened(self, name: str, value: object) -> bool:
        """Say whether a field's name makes its value a secret."""
        return _is_opened_by(name, value) and bool(_leaks(f"{name}={value}", (), self._own))


MOST_CLEAN = 100_000
"""Texts of up to `SHORT_CHARS` that are kept as clean; chosen by hand."""
_clean: dict[tuple[str, ...], set[str]] = {}


@functools.lru_cache(maxsize=4_096)
def _of_names(names: tuple[str, ...], own: tuple[str, ...]) -> tuple[bool, frozenset[str]]:
    return not any(_leaks(name, (), own) for name in names), frozenset(filter(_is_telling, names))


def texts_in(value: JsonValue | object, place: str) -> Iterator[tuple[str, str]]:
    """Yield every text of a JSON value with its place, keys included."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield f"{place}.{{key}}", str(name)
            # A field's name says what its value is: `password: hunter2` is as telling as a key's form.
            if _is_opened_by(str(name), one):
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
    return _cleaned(text, allowed, _of_this_process())


def _cleaned(text: str, allowed: Collection[str], own: Collection[str]) -> str:
    parts: list[str] = []
    at = 0
    for leak in _leaks(text, allowed, own):
        if leak.end <= at:
            continue
        parts += [text[at : max(at, leak.start)], REMOVED] if leak.start >= at else []
        at = leak.end
    return "".join((*parts, text[at:])) if parts else text


def redacted(value: JsonValue, *, allowed: Collection[str] = (), own: Collection[str] | None = None) -> JsonValue:
    """Return JSON with every secret taken out of its texts and keys; `own` is looked for instead of this environment's."""
    return _redacted(value, allowed, _of_this_process() if own is None else own)


def _redacted(value: JsonValue, allowed: Collection[str], own: Collection[str]) -> JsonValue:
    if isinstance(value, str):
        return _cleaned(value, allowed, own)
    if isinstance(value, dict):
        made: JsonObject = {}
        for name, one in value.items():
            is_named = _is_opened_by(name, one) and _leaks(f"{name}={one}", allowed, own)
            made[_cleaned(name, allowed, own)] = REMOVED if is_named else _redacted(one, allowed, own)
        return made
    if isinstance(value, list):
        return [_redacted(one, allowed, own) for one in value]
    return value
