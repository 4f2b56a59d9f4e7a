"""What a suite runs: a pack's agent, or a function that makes a planner."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from typing import Any

from concertino.contracts.errors import Offline, SetupError
from concertino.contracts.json import canonical
from concertino.evals.cases import Case
from concertino.evals.offline import own_imports
from concertino.evals.suites import Suite
from concertino.graph.compiled import PlannerGraph

SOURCE = "__concertino_source__"
"""Where a suite's module keeps its file and text, so that another text is loaded anew."""


class Target:
    """A suite's target, made ready once; planners of equal options are made once."""

    def __init__(self, suite: Suite) -> None:
        """Load it.

        Raises:
            SetupError: there is no such module, function or agent.
        """
        self.suite = suite
        self.agent: str | None = None
        self.function: Callable[..., Any] | None = None
        self._graphs: dict[str, PlannerGraph] = {}
        self.prints: dict[str, str] = {}
        """Fingerprints of its specialists, as they were when it was loaded."""
        if ":" in suite.target:
            self.function = load(suite.target, suite.folder, field="suite.target")
        else:
            from concertino.packs.registry import installed

            with own_imports():
                installed().agent(suite.target)
            self.agent = suite.target

    def graph(self, case: Case) -> PlannerGraph:
        """Return the planner of a case.

        Raises:
            SetupError: the function returned something else, or cannot be called so.
        """
        assert self.function is not None
        options = self.options(case)
        key = canonical(options)
        if key not in self._graphs:
            with own_imports():
                made = self.function(**options)
            if not isinstance(made, PlannerGraph):
                raise SetupError(field="suite.target", value=made, rule="must return what create_planner does")
            self._graphs[key] = made
        return self._graphs[key]

    def options(self, case: Case) -> dict[str, Any]:
        """Return what the function is given for a case."""
        file = self.suite.file
        models: dict[str, Any] = {"model": file.model} if file.model is not None else {}
        if file.models:
            models["models"] = dict(file.models)
        return {**models, **file.options, **case.options}


def load(reference: str, folder: Path, *, field: str) -> Callable[..., Any]:
    """Return `module:function`; a module of the suite's own folder goes before an installed one.

    Raises:
        SetupError: there is no such thing, or its module raises while it is imported.
        Offline: its module reaches for the outside while it is imported, in a replay.
    """
    module, _, name = reference.partition(":")
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    try:
        with own_imports():
            home = _own(path, folder, module) if path.is_file() else import_module(module)
    except Offline:
        raise
    except (Exception, SystemExit) as error:  # a suite's own code may raise anything
        told = " ".join(f"{type(error).__name__}: {error}".split())
        rule = f"cannot be imported: {_place(error, path, folder)}{told}"
        raise SetupError(field=field, value=reference, rule=rule) from error
    found = getattr(home, name, None)
    if not callable(found):
        raise SetupError(field=field, value=reference, rule="must name a function of the module")
    return found  # type: ignore[no-any-return]


def _place(error: BaseException, path: Path, folder: Path) -> str:
    """Return where in the suite an error comes from, as `suite/file.py:line: `; nothing for an installed module's."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        file, line = Path(error.filename), error.lineno
        return f"{folder.name}/{file.relative_to(folder).as_posix()}:{line}: " if file.is_relative_to(folder) else ""
    frames = [one for one in extract_tb(error.__traceback__) if Path(one.filename).is_relative_to(folder)]
    last = frames[-1] if frames else None
    if last is not None:
        return f"{folder.name}/{Path(last.filename).relative_to(folder).as_posix()}:{last.lineno}: "
    return f"{folder.name}/{path.relative_to(folder).as_posix()}: " if path.is_file() else ""


def _own(path: Path, folder: Path, module: str) -> Any:
    """Return a module of a suite, under a name that no installed one has."""
    name = f"concertino_suite_{folder.name}.{module}".replace("-", "_")
    known = sys.modules.get(name)
    source = (str(path), path.read_bytes())
    if known is not None and vars(known).get(SOURCE) == source:
        return known
    spec = spec_from_file_location(name, path, loader=_Fresh(name, str(path)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no module")
    made = module_from_spec(spec)
    vars(made)[SOURCE] = source
    sys.modules[name] = made
    try:
        spec.loader.exec_module(made)
    except BaseException:
        del sys.modules[name]
        raise
    return made


class _Fresh(SourceFileLoader):
    """Reads a module's text every time: bytecode is told from its text by whole seconds, within which people edit and run."""

    def path_stats(self, path: str | bytes) -> dict[str, Any]:
        raise OSError(f"{path!r} has no bytecode")
