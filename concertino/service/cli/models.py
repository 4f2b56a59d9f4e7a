"""The models that an agent works with, as the command line names them. No model is on a task's record: whoever resumes it names them again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer

ModelName = Annotated[
    str | None,
    typer.Option("--model", metavar="PROVIDER:NAME", help="The model of an agent that needs one, e.g. openai:NAME."),
]
ModelNames = Annotated[
    list[str] | None,
    typer.Option(
        "--models",
        metavar="ROLE=PROVIDER:NAME",
        help="Another model for plan, synthesize, simple, standard, complex, or a specialist; may be repeated.",
    ),
]


@dataclass(frozen=True, slots=True)
class Named:
    """Models by name."""

    default: str | None = None
    own: dict[str, str] = field(default_factory=dict)
    """By role."""

    def __bool__(self) -> bool:
        return self.default is not None or bool(self.own)

    def as_options(self) -> str:
        """Return these as they would be written on a command line, with a space before; empty where there are none."""
        words = ["--model", self.default] if self.default is not None else []
        words += [word for role, name in self.own.items() for word in ("--models", f"{role}={name}")]
        return f" {shlex.join(words)}" if words else ""


def named(model: str | None, models: Sequence[str] | None) -> Named:
    """Return the models, each checked: nothing is imported or built.

    Raises:
        InputError: not `ROLE=PROVIDER:NAME`, or a role twice.
        SetupError: not the name of a model, or its package or key is missing.
    """
    from concertino.contracts.errors import InputError

    own: dict[str, str] = {}
    for given in models or ():
        role, sign, name = given.partition("=")
        if not sign or not role or not name:
            rule = "must be ROLE=PROVIDER:NAME, e.g. simple=openai:NAME"
            raise InputError(field="--models", value=given, rule=rule)
        if role in own:
            raise InputError(field="--models", value=given, rule=f"{role} has a model already")
        own[role] = name
    if model is not None or own:
        from concertino.tools.models.sources import as_model

        if model is not None:
            as_model(model, field="--model")
        for role, name in own.items():
            as_model(name, field=f"--models {role}")
    return Named(model, own)


def lacks_model(slug: str, given: Named) -> bool:
    """Say whether an agent needs a model and none is named.

    Raises:
        InputError: no such agent.
    """
    from concertino.packs.registry import installed

    return not given and installed().agent(slug).manifest.model == "required"
