"""Prompt files and fences."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import SetupError
from concertino.prompts import Prompt, fence, load, plain

OWN = sorted(
    path.name.removesuffix(".md") for path in (files("concertino") / "prompts").iterdir() if path.name.endswith(".md")
)


@pytest.mark.parametrize("name", OWN)
def test_every_prompt_says_what_it_is_for_and_what_it_expects(name: str):
    """Purpose and expected output stand at the head and are not sent; the hash is that of the file."""
    prompt = load(name)
    assert prompt.purpose
    assert prompt.expected
    assert not prompt.text.startswith("---")
    assert prompt.hash == hashlib.sha256((files("concertino") / "prompts" / f"{name}.md").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["absent", "../secrets"])
def test_a_prompt_that_is_not_there_is_named(name: str):
    """The error says which prompt is missing."""
    with pytest.raises(SetupError, match="no such prompt"):
        load(name)


@given(st.text(), st.text())
def test_filling_is_one_pass_and_runs_nothing(first: str, second: str):
    """Whatever a value holds, braces and places included, stands in the text as it is."""
    prompt = Prompt("p", "a {{one}} b {{two}} c", "", "", "")
    assert prompt.fill(one=first, two=second) == f"a {first} b {second} c"


def test_a_place_needs_its_value_and_a_value_its_place():
    """Neither is passed over in silence."""
    prompt = Prompt("p", "{{one}}", "", "", "")
    for values in ({}, {"one": "1", "two": "2"}):
        with pytest.raises(ValueError, match="places"):
            prompt.fill(**values)


@given(st.text(), st.text())
def test_no_text_closes_its_own_fence(text: str, source: str):
    """The closing mark comes once, at the end, after the whole text."""
    fenced = fence(text, source=source)
    lines = fenced.split("\n")
    mark = lines[0].split(" ")[1]
    assert mark not in plain(text)
    assert lines[-2] == f"</data {mark}>"
    assert "\n".join(lines[1:-2]) == plain(text)
    assert fence(text, source=source) == fenced


def test_what_nobody_sees_is_left_out():
    """Control characters, direction marks and lone surrogates do not reach a model."""
    assert plain("a\x00b\u202ec\ud800d\te\r\nf") == "abcd\te\nf"
