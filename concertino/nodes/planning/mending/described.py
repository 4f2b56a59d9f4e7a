"""What specialists take and give, read from the sentences that describe them, where no schema says it.

Only phrases that leave no doubt are read: `a given video`, `from text`, `based on an image`, `converting text` are taken; what is
generated, downloaded, extracted or put out, and `into text`, is given; `speech to text` says both. All else stays unknown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from concertino.nodes.planning.mending.media import SAME
from concertino.nodes.planning.mending.words import plain

CHANGING = "transform|convert|modif|edit|adjust|enhanc|stabiliz|stabilis|translat|rewrit|paraphras|colou?riz|denois|upscal|compress"
"""How words begin for doing something to a thing of which another of its kind comes out."""
READING = "transcrib|classif|analyz|analys|summari[sz]|divid|segment|combin|stitch|merg|detect|compar|caption|describ"
"""How words begin for doing something to a thing, whatever comes out."""
MAKING = "generat|creat|produc|output|download|extract|search|synthesi[sz]|render|draw|record"
"""How words begin for making or getting a thing."""
_TEXTS = (
    "document", "documents", "sentence", "sentences", "paragraph", "paragraphs", "article", "articles", "query", "queries", "prompt", "prompts",
)  # fmt: skip
"""What is written is text, unless it stands before another kind: a document image."""
RESULTS = (
    "labels?|class|classes|answers?|captions?|summary|transcripts?|transcriptions?|predictions?|tags?|translations?"
)
"""What is text where it is assigned, returned or put out."""

_END = r"(?:to|from|of|in|into|on|at|for|with|by|about|as|that|which|who|using|given|based|and|or|is|are|can|between|within)"
_WORD = rf"(?!{_END}\b)[a-z0-9]+"
_BETWEEN = rf"(?:{_WORD} ){{0,4}}?"
_KIND = "(audio|image|video|text|url)"
_FEW = rf"(?:{_WORD} ){{0,2}}?"
_TAKEN = (
    re.compile(rf"\b(?:given|input|existing|provided|source|recorded) {_FEW}{_KIND}\b"),
    re.compile(rf"\b(?:from|based on|using) (?:(?:a|an|the|given|input|one|two|several|multiple|any|some) )*{_FEW}{_KIND}\b"),
    re.compile(rf"\b(?<!into )(?:two|both) {_FEW}{_KIND}\b"),
    re.compile(rf"\b(?:assign|attach|apply|applie|add)[a-z]* (?:[a-z0-9]+ ){{1,8}}?to {_FEW}{_KIND}\b"),
    re.compile(rf"\bquestions? (?:on|about) {_FEW}{_KIND}\b"),
    re.compile(rf"\bversion of (?:a|an|the) {_FEW}{_KIND}\b"),
    re.compile(rf"\b{_KIND} as (?:an )?input\b"),
    re.compile(rf"\b(?:{CHANGING}|{READING})[a-z]* {_BETWEEN}{_KIND}\b(?! from (?:a|an|the|given|input)\b)"),
)  # fmt: skip
_GIVEN = (
    re.compile(rf"\b(?:{MAKING})[a-z]* (?:for )?{_BETWEEN}{_KIND}\b"),
    re.compile(rf"\binto {_FEW}{_KIND}\b"),
    re.compile(rf"\bversion of (?:a|an|the) {_FEW}{_KIND}\b"),
)
_WITHIN = re.compile(rf"\b(?:in|within) (?:a|an|the|each) {_FEW}{_KIND}\b")
_MAKES = re.compile(rf"\b(?:{MAKING}|show|visuali|put|embed|publish|hid)")
_RESULT = re.compile(
    rf"\b(?:assign|return|predict|output|giv)[a-z]* {_BETWEEN}(?:{RESULTS})\b|\b(?:{RESULTS}) is assigned\b"
)
_CHANGED = re.compile(
    rf"\b(?:{CHANGING})[a-z]* {_BETWEEN}{_KIND}\b(?! (?:{_WORD} )?(?:into|to (?!match|make|a given)))"
)
_WAY = re.compile(rf"\b{_KIND} to {_KIND}\b")


class Told(NamedTuple):
    """What a description tells; empty is unknown."""

    takes: frozenset[str]
    gives: frozenset[str]
    speaks: frozenset[str]
    """All kinds that it speaks of in any way: of another it has nothing to do."""


@lru_cache(maxsize=1_024)
def told(description: str) -> Told:
    """Return what a description tells of kinds."""
    takes: set[str] = set()
    gives: set[str] = set()
    speaks: set[str] = set()
    for sentence in re.split(r"[.;:!?](?:\s|$)|[(),]", description):
        words = [SAME.get(word) or ("text" if word in _TEXTS else word) for word in plain(sentence).split()]
        # Of several kinds in a row the last is meant: the image of a document.
        text = re.sub(rf"\btext (?={_KIND}\b)", "", " ".join(words))
        speaks |= set(re.findall(rf"\b{_KIND}\b", text))
        for source, target in _WAY.findall(text):
            takes.add(source)
            gives.add(target)
        for pattern in _TAKEN:
            takes |= set(pattern.findall(text))
        if not _MAKES.search(text):
            takes |= set(_WITHIN.findall(text))
        if _RESULT.search(text):
            gives.add("text")
        for pattern in (*_GIVEN, _CHANGED):
            gives |= set(pattern.findall(text))
    return Told(frozenset(takes), frozenset(gives), frozenset(speaks))
