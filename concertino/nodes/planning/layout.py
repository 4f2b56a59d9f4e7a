"""Free text as headings, items and prose, whatever marks its writer used: Markdown, plain lists, or a heading within a sentence.

Only what a heading is called is for others to say. Every line is looked at once, with blanks joined first, so no text takes long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

LINES = 2_000
"""Lines that are read, blank ones aside: 100 kB of text in lines of 50 characters."""
SENTENCES = 2_000
ITEM_CHARS = 2_000
"""A longer item or paragraph takes no further line. All three were chosen by hand."""
HEADING_CHARS = 120
HEADING_WORDS = 8
"""A longer line is no heading. Both were chosen by hand."""
WRAPPED_CHARS = 50
"""From this length on, a line may have been broken by its writer's editor; chosen by hand."""

MARK = r"(?:[-*+•◦▪‣·–—]|\(?\d{1,3}[.)]|\(?[a-z]\))"
BOX = r"(?:\[[ xX✓✔]?\]|[☐☑☒✅✓✔])"
ITEM = re.compile(rf"(?:{MARK} (?:{BOX} )?|{BOX} )(?P<text>.+)")
LABEL = re.compile(
    r"(?P<label>(?:AC|(?:acceptance )?criterion)[ ._-]?#?\d{1,3})(?: ?[:)]|\.| [-–—]) (?P<text>.+)", re.IGNORECASE
)
NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,3}[.)]? (?P<text>.+)")
SENTENCE = re.compile(r"(?<=[.!?]) (?=[\"'(A-Z0-9])")
NUMBERED = re.compile(r"\(?\b\d{1,2}\) ")
BESIDE = re.compile(r"(\w+(?: \w+){0,3}) [-–—](?= )")
"""A heading and a dash."""
OPENING = re.compile(r"(?:the|an?|all|every|each|no|it|they|we|there|this|that|these|those) ", re.IGNORECASE)


class Block(NamedTuple):
    """An item of a list, or a stretch of prose."""

    text: str
    is_item: bool
    after_blank: bool
    label: str = ""
    """Of a criterion that was given one, such as `AC1`."""


@dataclass(slots=True)
class Section:
    """A heading of a known kind, or none, with what stands under it."""

    kind: str = ""
    level: int = 0
    """1-6 of a marked heading, which holds up to the next; 0 of a line that ends in a colon or stands alone."""
    rest: tuple[str, ...] = ()
    """What stands beside the heading, in parts."""
    blocks: list[Block] = field(default_factory=list)


class Read(NamedTuple):
    """What was found under headings of known kinds, and everything else."""

    under: list[tuple[str, Block]]
    loose: list[str]


KindOf = Callable[[str, bool], str]
"""Takes a heading without marks, and whether it is marked as one or ends in a colon; gives its kind, `""` for none."""
IsOne = Callable[[str], bool]
"""Takes a heading; says whether it speaks of a single thing."""


def read_layout(text: str, *, kind_of: KindOf, is_one: IsOne, is_apart: Callable[[str, str], bool]) -> Read:
    """Return the parts of a text.

    Args:
        text: what somebody wrote.
        kind_of: what a heading is called.
        is_one: whether a heading beside which something stands takes no more than one sentence.
        is_apart: given a kind and a sentence behind the first one beside such a heading: whether it belongs elsewhere.
    """
    reader = _Reader(kind_of, is_one, is_apart)
    count = 0
    for raw in text.splitlines():
        line = " ".join(raw.split()) if raw else ""
        count += bool(line)
        if count > LINES:
            break
        reader.take(line, indented=raw[:1] in (" ", "\t"))
    return reader.end()


def sentences(text: str) -> list[str]:
    """Return the sentences of a text whose blanks are single."""
    return [part for part in SENTENCE.split(text) if part]


def parts(text: str, *, by_comma: bool = True) -> list[str]:
    """Return what a line lists, by semicolon, by number or, where all that it lists is of one form, by comma."""
    if ";" in text:
        found = text.split(";")
    elif len(found := NUMBERED.split(text)) > 2 and not found[0].strip():
        pass
    else:
        found = text.split(",") if by_comma and "," in text else [text]
        if len(found) > 1 and not _is_even([part.strip() for part in found]):
            found = [text]
    if len(found) > 1:  # the stop is the line's, not the last part's
        found = [*found[:-1], found[-1].rstrip(". ")]
    return [part for one in found if (part := one.strip().removeprefix("and ").strip())]


def _is_even(listed: list[str]) -> bool:
    """Say whether a comma parts whole items: `a is done, b is done` and `a, b, and c`; not `the report names a, b and c`."""
    last = listed[-1]
    if not all(listed) or any(len(part.split()) > HEADING_WORDS for part in listed):
        return False
    if not last.startswith("and ") and (" and " in last or " or " in last):
        return False
    return len({OPENING.match(part.removeprefix("and ")) is not None for part in listed}) == 1


class _Reader:
    def __init__(self, kind_of: KindOf, is_one: IsOne, is_apart: Callable[[str, str], bool]) -> None:
        self._kind_of, self._is_one, self._is_apart = kind_of, is_one, is_apart
        self._sections = [Section()]
        self._is_blank = True
        self._before = ""
        """The line before, where it may go on or be underlined."""
        self._is_wide = False
        """Whether it may have been broken."""
        self._parent = Section()
        """The marked heading under which unknown ones of a deeper level stand."""
        self._said = 0

    def take(self, line: str, *, indented: bool) -> None:
        if not line or line.startswith(("```", "~~~")):
            self._is_blank, self._before = True, ""
            return
        if not line.strip("-=*_ "):
            self._underline(line)
            return
        bare = line.lstrip("> ").replace("**", "").strip()
        if not bare:
            return
        if not (line.startswith("#") and self._atx(line, bare)) and not self._heading(line, bare):
            self._body(bare, indented=indented)
        self._is_blank = False

    def end(self) -> Read:
        read = Read([], [])
        for section in self._sections:
            self._settle(section, read)
        return read

    @property
    def _now(self) -> Section:
        return self._sections[-1]

    def _open(self, section: Section) -> None:
        self._sections.append(section)
        if section.level:
            self._parent = section
        self._before = ""

    def _underline(self, line: str) -> None:
        """Take a line of dashes or equals signs: it makes a heading of the line above, or parts what stands around it."""
        is_setext = len(line) > 1 and (not line.strip("=") or not line.strip("-"))
        before, now = self._before, self._now
        level = 1 if line[0] == "=" else 2
        if is_setext and not self._is_blank and before and now.blocks and now.blocks[-1].text == before:
            now.blocks.pop()
            self._marked(before, level)
        elif is_setext and not self._is_blank and now.kind and not (now.blocks or now.rest):
            now.level = now.level or level
            self._parent = now
        self._is_blank, self._before = True, ""

    def _atx(self, line: str, bare: str) -> bool:
        text = bare.lstrip("#")
        level = len(bare) - len(text)
        if level > 6 or not text.strip(" #") or (not text.startswith(" ") and not self._kind(text, marked=True)):
            return False
        self._marked(text.strip(" #"), level)
        return True

    def _marked(self, text: str, level: int) -> None:
        head, colon, rest = text.partition(":")
        kind = self._kind(head if colon else text, marked=True)
        if not kind and self._parent.kind and level > self._parent.level:
            self._open(Section(self._parent.kind, self._parent.level))
            return
        self._open(Section(kind, level, tuple(parts(rest.strip())) if kind and colon else ()))

    def _heading(self, line: str, bare: str) -> bool:
        """Take a line that is a heading by its words, its colon or its bold type."""
        numbered = NUMBER.fullmatch(bare[:HEADING_CHARS])
        text = numbered["text"] if numbered is not None else bare
        if len(text) <= HEADING_CHARS:
            kind = self._kind(text.rstrip(": "), marked=text.endswith(":"))
            if kind:
                self._open(Section(kind))
                return True
            if line.startswith("**") and line.rstrip(": ").endswith("**") and len(text.split()) <= HEADING_WORDS:
                self._marked(text.rstrip(": "), 6)
                return True
        return False

    def _body(self, bare: str, *, indented: bool) -> None:
        item = ITEM.fullmatch(bare)
        text = item["text"] if item is not None else bare
        blocks, label = self._now.blocks, LABEL.fullmatch(text)
        self._before = "" if item is not None or label is not None else bare
        if label is not None:
            blocks.append(Block(label["text"], True, self._is_blank, label["label"]))
        elif item is not None and text.endswith(":") and (kind := self._kind(text.rstrip(": "), marked=True)):
            self._open(Section(kind))
        elif item is not None:
            blocks.append(Block(text, True, self._is_blank))
        elif blocks and not self._is_blank and self._goes_on(bare, indented=indented):
            blocks.append((last := blocks.pop())._replace(text=f"{last.text} {bare}"))
            self._before = ""
        else:
            blocks.append(Block(bare, False, self._is_blank))
        self._is_wide = len(bare) >= WRAPPED_CHARS

    def _goes_on(self, bare: str, *, indented: bool) -> bool:
        """Say whether a line is the rest of the one above."""
        last = self._now.blocks[-1]
        if len(last.text) > ITEM_CHARS or (last.is_item and indented):
            return len(last.text) <= ITEM_CHARS
        return self._is_wide and last.text[-1] not in ".;:!?" and (bare[0].islower() or bare[0].isdigit())

    def _kind(self, text: str, *, marked: bool) -> str:
        found = NUMBER.fullmatch(text[:HEADING_CHARS])
        text = found["text"] if found is not None else text
        return "" if len(text.split()) > HEADING_WORDS else self._kind_of(text, marked)

    def _settle(self, section: Section, read: Read) -> None:
        """Share out what stands in a section: a list is its items and the prose around it is not; else its prose is."""
        blocks = section.blocks
        first = next((at for at, one in enumerate(blocks) if one.is_item), len(blocks))
        own = range(0)
        if section.level and section.kind:
            own = range(len(blocks))
        elif section.kind:
            own = self._near(blocks, first)
        has_list = any(blocks[at].is_item for at in own)
        read.under.extend((section.kind, Block(part, True, False)) for part in section.rest)
        led = ""
        for at, block in enumerate(blocks):
            below = blocks[at + 1] if at + 1 < len(blocks) and blocks[at + 1].is_item else None
            kind = section.kind if at in own and block.is_item == has_list else ""
            if block.is_item and (kind or block.label or led):
                read.under.append((kind or ("" if block.label else led), block))
            else:
                led = self._prose(block, read, kind=kind, below=below)

    def _near(self, blocks: list[Block], first: int) -> range:
        """Return what belongs to a heading that is not marked: the list right below, else the paragraph."""
        lead = blocks[:first]
        if first < len(blocks) and (not lead or lead[-1].text.endswith(":") or not blocks[first].after_blank):
            return range(first, next((at for at in range(first, len(blocks)) if not blocks[at].is_item), len(blocks)))
        return range(next((at for at in range(1, len(blocks)) if blocks[at].after_blank), len(blocks)))

    def _prose(self, block: Block, read: Read, *, kind: str, below: Block | None) -> str:
        """Take sentences, each of which may begin with a heading and a colon; return the kind to which a list below belongs."""
        taking = led = ""
        said = sentences(block.text)[: SENTENCES - self._said]
        self._said += len(said)
        for one in said:
            head, colon, rest = (one if BESIDE.match(one) is None else BESIDE.sub(r"\1:", one, count=1)).partition(":")
            own = self._kind(head, marked=False) if colon and len(head) <= HEADING_CHARS else ""
            led = ""
            if own:
                single = self._is_one(head)
                found = parts(rest.strip(), by_comma=not single)
                taking = own if len(found) < 2 and not single else ""
                if not block.is_item and below is not None and (not found or not below.after_blank) and one is said[-1]:
                    led = own
                    if len(found) < 2:  # says what the list is
                        read.loose.extend(found)
                        continue
                read.under.extend((own, Block(part, True, False)) for part in found)
            elif taking and not self._is_apart(taking, one):
                read.under.extend((taking, Block(part, True, False)) for part in one.split(";"))
            elif kind and not one.endswith(":"):
                read.under.append((kind, Block(one, False, False)))
            else:
                taking = ""
                read.loose.append(one)
        return led
