"""Free text: told apart from labels, and merged by a model's hand or by template."""

from __future__ import annotations

from concertino.nodes.synthesis.ballot import Ballot, Decision, TextMerger, WeightedText
from concertino.nodes.synthesis.sentences import attribute

TEXT_CHARS = 60
"""A string with whitespace and more characters than this is free text."""
SENTENCE_WORDS = 4
"""So is a shorter one of at least so many words that ends as a sentence does; any other is a label. Both were chosen by hand."""
ENDS = (".", "!", "?", "…", "。")


def is_free(text: str) -> bool:
    """Say whether `text` is prose rather than a label."""
    if len(text) <= TEXT_CHARS:
        return text.rstrip().endswith(ENDS) and len(text.split()) >= SENTENCE_WORDS
    return any(character.isspace() for character in text)


def are_to_be_merged(texts: list[str]) -> bool:
    """Say whether a vote on `texts` would be idle: several, no two alike, and prose among them."""
    return len(texts) > 1 and len(set(texts)) == len(texts) and any(map(is_free, texts))


def merge_texts(ballot: Ballot, *, merger: TextMerger | None) -> Decision:
    """Merge texts under the weights, heaviest first; everyone carries the answer, so its share is 1.

    Should `merger` raise or return nothing, the template stands in and the claim's `fallback` says so.
    """
    shares = ballot.shares()
    order = sorted(range(len(shares)), key=lambda n: -shares[n])
    texts = [WeightedText(ballot.voices[n].specialist, str(ballot.voices[n].value), shares[n]) for n in order]
    supporters = [ballot.voices[n] for n in order]
    fallback = None
    if merger is not None:
        try:
            merged = merger(texts).strip()
        except Exception as error:  # noqa: BLE001  # the merger is the caller's; whatever it raises must not cost the answer
            fallback = f"text merger failed ({type(error).__name__}: {error}), so the texts stand side by side"
        else:
            if merged:
                claim = ballot.claim(merged, method="text_model", supporters=supporters)
                return Decision(merged, (claim.model_copy(update={"sentences": attribute(merged, texts)}),), ())
            fallback = "text merger returned no text, so the texts stand side by side"
    answer = template(texts)
    claim = ballot.claim(answer, method="text_template", supporters=supporters, fallback=fallback)
    return Decision(answer, (claim,), ())


def template(texts: list[WeightedText]) -> str:
    """Return the texts as paragraphs, each under its source and weight."""
    return "\n\n".join(f"[{text.specialist}, weight {text.weight:.2f}]\n{text.text.strip()}" for text in texts)
