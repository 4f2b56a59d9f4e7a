"""The pack's rule, once for tasks of its type and once for what people write in free words."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from concertino.nodes.planning.workflows import Keywords, Match, Workflow, load_workflows

TASK_TYPE = "due_diligence"

KEYWORDS = ("acquisition", "acquire", "acquiring", "takeover", "buyout", "merger", "due diligence")
"""Whole words of title or description by which a task without a type is one of ours."""


@cache
def workflows() -> tuple[Workflow, ...]:
    """Return the rule by task type, then the same plan by keywords for tasks that name a folder of documents."""
    (by_type,) = load_workflows([Path(str(files("concertino.packs.diligence") / "workflow.yaml"))])
    match = Match(keywords=Keywords(any=KEYWORDS), when="task.task_type == null && has(payload.documents)")
    by_words = by_type.model_copy(update={"name": f"{by_type.name}-by-words", "match": match, "priority": -1})
    return by_type, by_words
