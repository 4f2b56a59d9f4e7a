"""Suites: folders of cases with their tapes, run against one target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from concertino.contracts.errors import FileInvalid
from concertino.contracts.ids import Name
from concertino.contracts.json import JsonObject
from concertino.evals.case_files import Faulty, read_cases, read_marked, read_text, validated
from concertino.evals.cases import Case
from concertino.evals.data_sets import DataSet, cases_of

ROOT = "evals"
"""Where suites are looked for by name, unless said otherwise."""
SUITE_FILE = "suite.yaml"
SUITE_BYTES = 256_000

ModelName = Annotated[str, StringConstraints(pattern=r"^[^\s:]+:\S+$", max_length=200)]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""`module:name`; a module of the suite's folder goes before an installed one."""


class Judges(BaseModel):
    """Who judges by rubric."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: ModelName
    stand_in: Reference | None = None
    """What answers for it where it is not recorded live."""


class SuiteFile(BaseModel):
    """A suite's `suite.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: Name
    target: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """A pack's agent, by its slug, or `module:function` that returns what `create_planner` does."""
    description: str = ""
    model: ModelName | None = None
    """The model that the target is given, by name: what it is called in production."""
    models: dict[str, ModelName] = Field(default_factory=dict)
    """Models by role, as for `create_planner`."""
    stand_in: Reference | None = None
    """`module:function` of a case that returns a chat model which answers by a script, for recording without a live one."""
    judges: Judges | None = None
    tools: Literal["played", "real"] = "played"
    """`real` for tools that only compute: they are called in every run, and on no tape."""
    options: JsonObject = Field(default_factory=dict)
    """Given to the target's function by name; for a pack's agent, its policy."""
    allow: tuple[Annotated[str, StringConstraints(min_length=8)], ...] = ()
    """Texts that look like secrets and are none."""
    data: DataSet | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite as it was read. Cases that cannot be run stand in `faulty`."""

    file: SuiteFile
    folder: Path
    cases: tuple[Case, ...] = ()
    faulty: tuple[Faulty, ...] = ()
    orphans: tuple[str, ...] = field(default=())
    """Tapes without a case, by the name of their file without its ending."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.file.name

    @property
    def target(self) -> str:
        """What it runs."""
        return self.file.target

    def tape_file(self, case_id: str) -> Path:
        """Return where a case's tape is, or would be."""
        return self.folder / "tapes" / f"{case_id}.jsonl"

    def shown(self, path: Path) -> str:
        """Return what errors and reports call a file of the suite: the same on every machine."""
        return f"{self.name}/{path.relative_to(self.folder).as_posix()}"


def load_suite(given: str | Path, *, root: str | Path = ROOT) -> Suite:
    """Return a suite by name or folder.

    Raises:
        FileInvalid: there is none, or its `suite.yaml` is faulty. A faulty case is no reason: see `Suite.faulty`.
    """
    folder = _folder(given, Path(root))
    path = folder / SUITE_FILE
    shown = f"{folder.name}/{SUITE_FILE}"
    value, marks = read_marked(read_text(path, shown=shown, most=SUITE_BYTES), shown=shown)
    file = validated(SuiteFile, value, shown=shown, line=marks.line)
    cases: dict[str, Case] = {}
    faulty: list[Faulty] = []
    for place, one in _all_cases(file, folder):
        if isinstance(one, Faulty):
            faulty.append(one)
        elif one.id in cases:
            rule = "case.id: another case of this suite has this id"
            faulty.append(Faulty(one.id, FileInvalid(file=place, line=None, value=one.id, rule=rule)))
        else:
            cases[one.id] = one
    known = cases.keys() | {one.id for one in faulty}
    tapes = sorted(path.stem for path in (folder / "tapes").glob("*.jsonl"))
    return Suite(
        file=file,
        folder=folder,
        cases=tuple(cases[one] for one in sorted(cases)),
        faulty=tuple(sorted(faulty, key=lambda one: one.id)),
        orphans=tuple(name for name in tapes if name not in known),
    )


def list_suites(root: str | Path = ROOT) -> list[str]:
    """Return the names of the suites in a folder, sorted."""
    return sorted(path.parent.name for path in Path(root).glob(f"*/{SUITE_FILE}"))


def _folder(given: str | Path, root: Path) -> Path:
    for folder in (Path(given), root / given):
        if (folder / SUITE_FILE).is_file():
            return folder
    known = ", ".join(list_suites(root)) or "none"
    rule = f"must be a suite: a folder with a {SUITE_FILE}, or one of: {known}"
    raise FileInvalid(
        file=f"{root.as_posix()}/{given}/{SUITE_FILE}" if str(given) else str(root),
        line=None,
        value=str(given),
        rule=rule,
    )


def _all_cases(file: SuiteFile, folder: Path) -> Iterator[tuple[str, Case | Faulty]]:
    single = (path for path in (folder / "cases.yaml", folder / "cases.jsonl") if path.is_file())
    listed = sorted(path for path in (folder / "cases").glob("*") if path.suffix in (".yaml", ".yml", ".jsonl"))
    for path in chain(single, listed):
        shown = f"{file.name}/{path.relative_to(folder).as_posix()}"
        for one in read_cases(path, shown=shown):
            yield shown, one
    if file.data is not None:
        for one in cases_of(file.data, folder, shown=file.name):
            yield file.data.file, one
