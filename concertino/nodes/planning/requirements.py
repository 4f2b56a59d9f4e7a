"""What a task asks for, taken from its free text by plain rules: headings, lists, labels, `must` and `must not`.

Source: document 002, plan synthesis. Rules find what is said in so many words and nothing else; a model that drafts a plan says
what it understood, and these stand where none did.
"""

from __future__ import annotations

import re

from concertino.contracts.ids import is_id
from concertino.contracts.plan import Plan
from concertino.contracts.requirements import Criterion, Requirements
from concertino.contracts.task import Task
from concertino.nodes.planning.layout import Block, read_layout, sentences

MOST = 30
"""Most items of each kind, chosen by hand."""
ITEM_CHARS = 1_000
TEXT_CHARS = 100_000

OBJECTIVES, CONSTRAINTS, CRITERIA, OTHER = "objectives", "constraints", "criteria", "other"

HEADINGS = {
    OBJECTIVES: re.compile(r"objectives?|goals?|aims?|purpose|what (?:we|i) want|(?:objectives|goals) and (?:objectives|goals)"),
    CONSTRAINTS: re.compile(
        r"constraints?|restrictions?|limitations?|limits|boundaries|rules|guardrails|non goals?|(?:out of|not in) scope"
    ),
    CRITERIA: re.compile(
        r"acceptance|criteri(?:a|on)|(?:acceptance|success|completion|exit) criteri(?:a|on)|criteria (?:for|of) (?:acceptance|success)"
        r"|(?:acceptance|success) (?:tests?|conditions?)|conditions of (?:acceptance|satisfaction)|definition of done|dod"
        r"|(?:it is |this is |we are )?(?:done|accepted|complete|finished) (?:when|if|once)|deliverables?"
    ),
    OTHER: re.compile(r"background|context|notes?|about|introduction|references|appendix"),
}  # fmt: skip
"""What a heading is called, in small letters, without the words that may stand before and behind."""
WITHIN = re.compile(
    r"\b(?:(?:acceptance|success|completion|exit) criteri(?:a|on)|definition of done"
    r"|(?:done|accepted|complete|finished) (?:when|if|once))\b"
)
"""What tells of criteria wherever it stands in a heading that is marked as one."""
BEFORE = frozenset({
    "the", "our", "my", "your", "its", "a", "these", "following", "key", "main", "project", "overall", "primary", "secondary", "minimum",
    "mandatory", "hard", "high-level", "business", "technical", "and",
})  # fmt: skip
BEHIND = frozenset({"are", "is", "as", "follows", "include", "includes", "below", "following", "list", "the", "these"})
SINGLE = re.compile(r".*\b(?:goal|aim|objective|purpose|constraint|restriction|limitation|criterion)", re.IGNORECASE)
ASIDE = re.compile(r"\([^()]*\)")

BINDING = re.compile(
    r"\b(?:must(?:n't| not)?|shall(?: not)?|may not|cannot|never|do not|don't|at most|no more than|no later than|not exceed)\b",
    re.IGNORECASE,
)
HINTS = (
    "must", "shall", "may not", "cannot", "never", "do not", "don't", "at most", "no more than", "no later than", "not exceed",
)  # fmt: skip
"""What a binding sentence has in it: looking for these first takes a tenth of the time."""
DEMAND = re.compile(
    r"(?:(?:and|also|the|this|that|your|our|a|an|each|final|finished|resulting|written) ){0,3}"
    r"(?:it|report|answer|result|results|output|memo|summary|analysis|assessment|document|deliverable|recommendation|response|study|review"
    r"|overview|comparison|brief|paper|evaluation) (?:must|shall|should|needs? to|has to|have to) (?:also |at least |clearly |then )?"
    r"(?:list|state|name|contain|include|cover|give|show|describe|explain|compare|identify|quantify|mention|provide|present|answer|address"
    r"|cite|specify|report|recommend|summari[sz]e|assess|evaluate|discuss|estimate|rank|say|tell|define|document|outline|highlight"
    r"|analy[sz]e)\b",
    re.IGNORECASE,
)
"""A sentence that says what the answer has in it: where no criteria are listed, it is one. The words were chosen by hand."""
ENDING = re.compile(r"[;,](?: (?:and|or))?$")


def requirements_of(task: Task) -> Requirements | None:
    """Return what a task's title and description say; `None` where they say nothing.

    The task's own criteria stand; only where it states none are they taken from the text, by their own labels (`AC1`), else as
    `c1`, `c2`, ...
    """
    opening = task.title.strip()
    is_repeated = task.description.lstrip().startswith(opening.rstrip("…"))
    found = requirements_in(task.description if is_repeated else f"{opening}\n\n{task.description}")
    objectives = found.objectives or tuple(item for item in (opening[:ITEM_CHARS],) if item)
    if not objectives and (said := _sentences(task.description[:TEXT_CHARS])):
        objectives = (said[0],)
    made = Requirements(
        objectives=objectives,
        constraints=found.constraints,
        acceptance_criteria=task.acceptance_criteria or found.acceptance_criteria,
    )
    return made if made != Requirements() else None


def requirements_in(text: str) -> Requirements:
    """Return objectives, constraints and criteria that a text states under headings, by labels, or by `must` and its like.

    Where a text lists criteria, these are all. Where it lists none, they are what it says that the answer must name, list, cover
    and the like.
    """
    read = read_layout(text[:TEXT_CHARS], kind_of=_kind_of, is_one=_is_one, is_apart=_is_apart)
    under: dict[str, list[Block]] = {OBJECTIVES: [], CONSTRAINTS: [], CRITERIA: [], OTHER: []}
    for kind, block in read.under:
        under[CRITERIA if block.label else kind].append(block)
    loose = [*read.loose, *(one.text for one in under[OTHER])]
    criteria = _criteria(under[CRITERIA])
    if not criteria:
        asked = [one for one in loose if DEMAND.match(one)]
        criteria = _criteria([Block(one, False, False) for one in asked])
        gone = set(asked)
        loose = [one for one in loose if one not in gone]
    binding = [one for one in loose if _is_binding(one)]
    return Requirements(
        objectives=_tidy([one.text for one in under[OBJECTIVES]]),
        constraints=_tidy([*(one.text for one in under[CONSTRAINTS]), *binding]),
        acceptance_criteria=criteria,
    )


def with_criteria(task: Task, plan: Plan | Requirements | None) -> Task:
    """Return a task that states no criteria with those that were extracted from it, so that a plan can be held to them."""
    known = plan.requirements if isinstance(plan, Plan) else plan
    if task.acceptance_criteria or known is None or not known.acceptance_criteria:
        return task
    return task.model_copy(update={"acceptance_criteria": known.acceptance_criteria})


def _kind_of(heading: str, is_marked: bool) -> str:
    said = ASIDE.sub(" ", heading.casefold()).replace("-", " ").split()
    said = [word for token in said if (word := token.strip(".,:;!?*_&\"'"))]
    while said and (said[0] in BEFORE or not said[0][0].isalpha()):
        said = said[1:]
    while said and (said[-1] in BEHIND or not said[-1][0].isalpha()):
        said = said[:-1]
    called = " ".join(said)
    found = next((kind for kind, words in HEADINGS.items() if words.fullmatch(called)), "")
    return found or (CRITERIA if is_marked and WITHIN.search(called) else "")


def _is_one(heading: str) -> bool:
    return SINGLE.fullmatch(heading.strip(" *_")) is not None


def _is_apart(kind: str, sentence: str) -> bool:
    """Say whether a sentence behind a list within a line is none of it: a rule among criteria, a rule or a demand among goals."""
    if kind == CONSTRAINTS:
        return DEMAND.match(sentence) is not None
    is_demand = DEMAND.match(sentence) is not None
    return (is_demand and kind != CRITERIA) or (not is_demand and _is_binding(sentence))


def _is_binding(sentence: str) -> bool:
    low = sentence.casefold()
    return any(hint in low for hint in HINTS) and BINDING.search(sentence) is not None


def _criteria(blocks: list[Block]) -> tuple[Criterion, ...]:
    """Return criteria once each, by their own labels where these can be ids."""
    once: dict[str, Block] = {}
    for block in blocks:
        text = _clean(block.text)
        if text and len(once) < MOST:
            once.setdefault(_key(text), block._replace(text=text))
    taken: set[str] = set()
    named: list[str] = []
    for block in once.values():
        label = re.sub(r"[ .#]+", "-", block.label)
        named.append(label if is_id(label) and label.casefold() not in taken else "")
        taken.add(label.casefold())
    free = (name for number in range(1, 3 * MOST) if (name := f"c{number}") not in taken)
    return tuple(
        Criterion(id=name or next(free), text=block.text) for name, block in zip(named, once.values(), strict=True)
    )


def _sentences(text: str) -> list[str]:
    return [part[:ITEM_CHARS] for part in sentences(" ".join(text.split()))]


def _tidy(items: list[str]) -> tuple[str, ...]:
    once: dict[str, str] = {}
    for item in items:
        text = _clean(item)
        if text and len(once) < MOST:
            once.setdefault(_key(text), text)
    return tuple(once.values())


def _clean(text: str) -> str:
    return ENDING.sub("", text.strip(" \t*_")[:ITEM_CHARS].rstrip())


def _key(text: str) -> str:
    """Return what is the same for texts that differ in case, blanks and marks at their ends only."""
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'`*_")
