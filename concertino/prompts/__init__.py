"""Prompts are files: purpose and expected output at their head, their hash on a run's record, nothing in them executed.

`load` reads one, `Prompt.fill` puts values at its named places, `fence` marks a text from outside as data; what an answer says of
itself is told by `refusal_in`, `was_cut` and `is_empty`.
"""

from concertino.prompts.answers import is_apology, is_empty, refusal_in, text_in, was_cut
from concertino.prompts.fences import fence, plain
from concertino.prompts.files import Prompt, load

__all__ = ["Prompt", "fence", "is_apology", "is_empty", "load", "plain", "refusal_in", "text_in", "was_cut"]
