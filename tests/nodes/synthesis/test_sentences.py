"""Which specialists stand behind which sentence of a merged text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import WeightedText, synthesize
from concertino.nodes.synthesis.sentences import attribute

LEGAL = "The contract ends in March 2027. Notice must be given ninety days before, in writing and by registered mail."
MONEY = "Revenue grew by 12.5 percent last year, while costs stayed flat. The contract ends in March 2027."
SOURCES = [WeightedText("legal", LEGAL, 0.4), WeightedText("money", MONEY, 0.6)]


def test_every_sentence_is_given_to_whoever_said_it() -> None:
    """Common knowledge has both, heaviest first; what nobody said has none, nor has a figure that nobody gave."""
    text = "The contract ends in March 2027. Revenue grew by 12.5 percent. Revenue grew by 99 percent. Elephants sing loudly!"
    assert [(one.text, one.specialists) for one in attribute(text, SOURCES)] == [
        ("The contract ends in March 2027.", ("money", "legal")),
        ("Revenue grew by 12.5 percent.", ("money",)),
        ("Revenue grew by 99 percent.", ()),
        ("Elephants sing loudly!", ()),
    ]


def test_a_text_merged_by_a_model_says_who_said_what() -> None:
    """The claim carries the sentences."""
    findings = [Finding(output=one.text, specialist=one.specialist) for one in SOURCES]
    result = synthesize(findings, merge_text=lambda texts: "Notice must be given ninety days before.")
    (claim,) = result.provenance
    assert claim.method == "text_model"
    assert [one.specialists for one in claim.sentences] == [("legal",)]


@given(st.text(max_size=300))
def test_any_text_is_split_without_losing_a_word(text: str) -> None:
    """Whatever is not whitespace or a closing mark is in some sentence."""
    kept = "".join("".join(one.text.split()) for one in attribute(text, SOURCES))
    assert [c for c in kept if c.isalnum()] == [c for c in text if c.isalnum()]
