"""Reading prompt files and filling in their places."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from concertino.contracts.errors import SetupError

OWN = "concertino"
"""Package whose folder `prompts` has the planner's own."""
HEAD = ("purpose", "expected")
PLACE = re.compile(r"\{\{([a-z_]+)\}\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file."""

    name: str
    text: str
    """What a model is sent; places stand in double braces."""
    hash: str
    """SHA-256 of the file, in hex."""
    purpose: str
    """What it is for."""
    expected: str
    """What an answer should be."""

    @property
    def places(self) -> frozenset[str]:
        """Return the names of its places."""
        return frozenset(PLACE.findall(self.text))

    def fill(self, **values: str) -> str:
        """Return the text with a value at each place. One pass: braces inside a value stay as they are.

        Raises:
            ValueError: a place without a value, or a value without a place.
        """
        if frozenset(values) != self.places:
            raise ValueError(f"prompt {self.name} has the places {sorted(self.places)}, not {sorted(values)}")
        return PLACE.sub(lambda place: values[place.group(1)], self.text)


@lru_cache(maxsize=256)
def load(name: str, *, package: str = OWN) -> Prompt:
    """Return the prompt `name` from the folder `prompts` of a package.

    A file begins with `---`, the lines `purpose: ...` and `expected: ...`, and `---`.

    Raises:
        SetupError: there is no such file, or its head is not of this form.
    """
    field = f"prompts.{name}"
    try:
        raw = (files(package) / "prompts" / f"{name}.md").read_bytes()
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise SetupError(field=field, value=name, rule=f"no such prompt in {package}") from error
    text = raw.decode("utf-8")
    opening, _, rest = text.partition("---\n")
    head, fence, body = rest.partition("\n---\n")
    told = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    if opening or not fence or tuple(told) != HEAD:
        raise SetupError(field=field, value=head[:200], rule=f"its head must be {' and '.join(HEAD)}, between ---")
    return Prompt(name, body.strip() + "\n", hashlib.sha256(raw).hexdigest(), told["purpose"], told["expected"])
