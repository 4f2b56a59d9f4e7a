"""A model that answers with as many tokens as it is asked for, a second for every hundred."""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from concertino.evals.cases import Case
from concertino.evals.scripted import CHARS_PER_TOKEN, Said, ScriptedModel


def answer(messages: Sequence[BaseMessage], tools: Sequence[str]) -> Said:
    """Read the number of tokens in the request."""
    found = re.search(r"(\d+) tokens", str(messages[-1].content))
    tokens = int(found[1]) if found else 50
    return Said(
        text="word " * (tokens * CHARS_PER_TOKEN // 5), seconds=tokens / 100, input_tokens=20, output_tokens=tokens
    )


def wordy(case: Case) -> ScriptedModel:
    """Return the model of any case."""
    return ScriptedModel(script=answer, max_tokens=500)
