"""Prompts are files: purpose and expected output at their head, their hash on a run's record, nothing in them executed.

`load` reads one, `Prompt.fill` puts values at its named places, `fence` marks a text from outside as data.
"""

from concertino.prompts.fences import fence, plain
from concertino.prompts.files import Prompt, load

__all__ = ["Prompt", "fence", "load", "plain"]
