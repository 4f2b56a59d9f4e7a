"""What a task asks for, taken from its free text by plain rules: headings, bullets, `must` and `must not`.

Source: document 002, plan synthesis. Rules find what is said in so many words and nothing else; a model that drafts a plan says
what it understood, and these stand where none did.
"""

from __future__ import annotations

import re

from concertino.contracts.plan import Plan
from concertino.contracts.requirements import Criterion, Requirements
from concertino.contracts.task import Task

MOST = 30
"""Most items of each kind, chosen by hand."""
ITEM_CHARS = 1_000
TEXT_CHARS = 100_000

HEADINGS = {
    "objectives": r"objectives?|goals?|aims?|purpose|what (?:we|i) want",
    "constraints": r"constraints?|restrictions?|limitations?|boundaries|rules|non-goals?|out of scope",
    "criteria": r"acceptance criteri(?:a|on)|success criteri(?:a|on)|definition of done|done when|deliverables?",
    "other": r"background|context|notes?|about|introduction|references|appendix",
}
HEADING = re.compile(
    r"\s*(?:#{1,6}\s*)?(?:\*\*|__)?\s*(?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in HEADINGS.items())
    + r")\s*(?:\*\*|__)?\s*(?P<colon>:)?\s*(?:\*\*|__)?\s*(?P<rest>.*)",
    re.IGNORECASE,
)
BULLET = re.compile(r"\s*(?:[-*•–+]|\(?\d{1,3}[.)]|\[[ xX]?\])\s+(?P<text>.+)")
BINDING = re.compile(
    r"\b(?:must(?:n't| not)?|shall(?: not)?|may not|cannot|never|do not|don't|at most|no more than|no later than|not exceed)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(A-Z0-9])")


def requirements_of(task: Task) -> Requirements | None:
    """Return what a task's title and description say; `None` where they say nothing.

    The task's own criteria stand; only where it states none are they taken from the text, as `c1`, `c2`, ...
    """
    found = requirements_in(task.description)
    objectives = found.objectives or tuple(item for item in (task.title.strip()[:ITEM_CHARS],) if item)
    if not objectives and (opening := _sentences(task.description[:TEXT_CHARS])):
        objectives = (opening[0],)
    made = Requirements(
        objectives=objectives,
        constraints=found.constraints,
        acceptance_criteria=task.acceptance_criteria or found.acceptance_criteria,
    )
    return made if made != Requirements() else None


def requirements_in(text: str) -> Requirements:
    """Return objectives, constraints and criteria that a text states under headings or by `must` and its like."""
    kept: dict[str, list[str]] = {"objectives": [], "constraints": [], "criteria": []}
    section = ""
    loose: list[str] = []
    for line in text[:TEXT_CHARS].splitlines():
        bullet = BULLET.match(line)
        # Blanks joined: many of them take the pattern quadratic time.
        heading = None if bullet else HEADING.fullmatch(" ".join(line.split()))
        # `Goals vary a lot.` is a sentence; a heading has a colon, a mark before it, or stands alone.
        if heading is not None and (heading["colon"] or not heading["rest"].strip(" *_")):
            section = next(kind for kind in HEADINGS if heading[kind])
            if rest := heading["rest"].strip(" *_"):
                _keep(kept, section, _parts(rest), loose)
        elif line.lstrip().startswith("#"):
            section = ""
        elif bullet is not None:
            _keep(kept, section, [bullet["text"]], loose)
        elif line.strip():
            _keep(kept, section, _sentences(line), loose)
            section = "" if section == "other" else section
        elif section == "other":
            section = ""
    kept["constraints"] += [one for one in loose if BINDING.search(one)]
    criteria = _tidy(kept["criteria"])
    return Requirements(
        objectives=_tidy(kept["objectives"]),
        constraints=_tidy(kept["constraints"]),
        acceptance_criteria=tuple(Criterion(id=f"c{number}", text=one) for number, one in enumerate(criteria, 1)),
    )


def with_criteria(task: Task, plan: Plan | Requirements | None) -> Task:
    """Return a task that states no criteria with those that were extracted from it, so that a plan can be held to them."""
    known = plan.requirements if isinstance(plan, Plan) else plan
    if task.acceptance_criteria or known is None or not known.acceptance_criteria:
        return task
    return task.model_copy(update={"acceptance_criteria": known.acceptance_criteria})


def _keep(kept: dict[str, list[str]], section: str, items: list[str], loose: list[str]) -> None:
    kept[section].extend(items) if section in kept else loose.extend(items)


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"\s*;\s*", text) if part]


def _sentences(text: str) -> list[str]:
    return [part.strip()[:ITEM_CHARS] for part in SENTENCE.split(text.strip()) if part.strip()]


def _tidy(items: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text[:ITEM_CHARS] for item in items if (text := item.strip(" \t*_"))))[:MOST]
