"""Conditions: what they decide, and what is refused before it could run without bound."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.json import JsonObject
from concertino.nodes.planning.conditions import Scope, check, decide, evaluate

DATA: JsonObject = {
    "title": "Owls",
    "payload": {"n": 5, "items": [{"ok": True, "v": 1}, {"ok": False, "v": 2}], "none": None},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("payload.n > 3 && task.title == 'Owls'", True),
        ("payload.n == 5.0", True),
        ("has(payload.missing)", False),
        ("has(payload.missing) && payload.missing.x == 1", False),
        ("payload.missing == 1 || payload.n == 5", True),
        ("payload.items.exists(i, i.ok && i.v == 1)", True),
        ("payload.items.filter(i, i.ok).map(i, i.v) == [1]", True),
        ("task.title.matches('^O.*s$')", True),
        ("'.map(' == '.map('", True),
    ],
)
def test_a_condition_is_decided(expression: str, value: bool) -> None:
    """CEL's own meaning, `has` and `||` included."""
    check(expression)
    assert decide(expression, Scope(DATA)) == (value, None)


@pytest.mark.parametrize(
    "expression",
    ["payload.missing == 1", "payload.none.x == 1", "payload.n", "1 / 0 == 1", "payload.items[9].ok", "has(payload.none.x)",
     "payload.n + 9223372036854775807 > 0", "duration('1h')", "b'x' == payload.n || b'x'"],
)  # fmt: skip
def test_what_cannot_be_decided_does_not_hold_and_says_why(expression: str) -> None:
    """An error at run time is false with a note that names the condition."""
    check(expression)
    value, note = decide(expression, Scope(DATA))
    assert value is False
    assert note is not None
    assert expression in note


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("payload.n >", "not a CEL expression"),
        ("x" * 1_001, "1000 characters"),
        ("nobody.n == 1", "unknown name 'nobody'"),
        ("item.n == 1", "unknown name 'item'"),
        ("'\x07' == 'a'", "printable"),
        ("[1].map(a, a).map(b, b) == []", "one `map`"),
        (" && ".join(["[1].all(a, true)"] * 5), "4 macros"),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "nest at most 2"),
        ("task.title.matches(payload.pattern)", "literal pattern"),
        ("matches(task.title, 'x')", "literal pattern"),
        ("task.title" + " + task.title" * 17 + " == ''", "at most 16 `+`"),
        ("(" * 400 + "1" + ")" * 400, "not a CEL expression"),
    ],
)
def test_a_faulty_or_unbounded_condition_is_refused(expression: str, rule: str) -> None:
    """The rule that is broken is said."""
    with pytest.raises(ValueError, match=rule.replace("`", "`").replace("+", r"\+")):
        check(expression)


def test_a_condition_from_a_request_may_not_go_over_lists() -> None:
    """A rule's author may, and nest one deep; who sends a task also chooses how long the lists are."""
    nested = "payload.items.all(a, payload.items.all(b, true))"
    check(nested)
    check("payload.n > 3 && task.title.matches('O.*')", macros=False)
    for expression in (nested, "payload.items.map(a, task.title + task.title) == []"):
        with pytest.raises(ValueError, match="macros are for workflows"):
            check(expression, macros=False)


def test_a_bound_variable_is_seen_at_once() -> None:
    """`item` changes from one instance to the next without building the scope anew."""
    scope = Scope(DATA)
    assert evaluate("payload.n", scope).value == 5
    for item in (1, 2):
        scope.bind("item", item)
        assert evaluate("item", scope).value == item


PIECES = st.sampled_from(
    ["task", "payload", ".n", ".items", "[0]", " && ", " || ", "!", "(", ")", "1", "'a'", " == ", " + ", ".all(x, ", "x", "?", ":",
     "has(", ",", "[", "]", "{", "}", "size(", " in ", "-", "null", "1.5e3", "0u", ".matches('a')", "\\", "//", "\u00e9"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=40))
def test_no_text_breaks_the_library(expression: str) -> None:
    """Whatever is written is refused with a ValueError or decided."""
    try:
        check(expression)
    except ValueError:
        return
    assert isinstance(decide(expression, Scope(DATA)).value, bool)


FIRST_USE = """
import sys, threading
from concertino.nodes.planning.conditions import Scope, decide
failed = []
def work():
    try:
        assert decide("payload.n == 1", Scope({"payload": {"n": 1}})) == (True, None)
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed and "cel.cli" not in sys.modules, failed
import cel
assert cel.compile("1 + 1").execute() == 2
"""


def test_the_library_is_loaded_once_whoever_comes_first() -> None:
    """Sixteen threads may ask first at the same time, and the package may be imported later; its command line is not loaded."""
    done = subprocess.run([sys.executable, "-c", FIRST_USE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
