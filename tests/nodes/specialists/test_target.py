"""Which functions a child process can import."""

import functools
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from concertino.contracts.errors import SetupError
from concertino.nodes.specialists.process import target_of


def importable(brief):
    return brief


class Desk:
    @staticmethod
    def static(brief):
        return brief

    def method(self, brief):
        return brief

    @classmethod
    def made(cls, brief):
        return brief

    def __call__(self, brief):
        return brief


def local() -> Callable[[object], object]:
    def inner(brief: object) -> object:
        return brief

    return inner


def test_functions_of_modules_and_classes_have_a_target() -> None:
    """A function is named by module and qualified name."""
    assert target_of(importable) == f"{__name__}:importable"
    assert target_of(Desk.static) == f"{__name__}:Desk.static"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda brief: brief, "cannot run a lambda"),
        (local(), "defined inside another"),
        (Desk().method, "bound method"),
        (Desk.made, "bound method"),
        (Desk(), "at the top of a module"),
        (functools.partial(importable), "at the top of a module"),
        (Desk, "at the top of a module"),
    ],
)
def test_others_are_refused_when_declared(function, words) -> None:
    """What a child could not import is refused with what to do instead."""
    with pytest.raises(SetupError, match=words):
        target_of(function)


def in_main() -> Callable[[object], object]:
    def function(brief: object) -> object:
        return brief

    function.__module__, function.__qualname__ = "__main__", "function"
    return function


def test_main_module_goes_by_its_real_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started with `-m`, the main module has a name; as a script, a path."""
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=SimpleNamespace(name="pkg.program")))
    assert target_of(in_main()) == "pkg.program:function"
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=None, __file__="/srv/program.py"))
    assert target_of(in_main()) == "/srv/program.py:function"


def test_interactive_functions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function typed at a prompt is in no file that a child could load."""
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=None))
    with pytest.raises(SetupError, match="interactive"):
        target_of(in_main())
