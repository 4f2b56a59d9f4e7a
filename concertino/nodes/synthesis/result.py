"""What a synthesis says: the answer, who carries it, who does not, who is missing, what would turn it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from concertino.contracts.finding import Evidence, Fraction

Method = Literal[
    "weighted_mean",
    "weighted_vote",
    "per_field",
    "per_question",
    "text_template",
    "text_model",
    "first_successful",
    "aggregate",
    "learned_vote",
    "learned_mean",
    "learned_ranking",
    "veto",
    "none",
]
"""How an answer came about; `first_successful` is the fallback, also where values of several kinds meet on one question,
`aggregate` the caller's own aggregation of a whole run's findings, and `none` means that nobody answered."""

ROUNDING = 1e-12
"""A difference of probabilities up to this is rounding, and none. Chosen by hand, far above the error of a sum."""

Gain = Annotated[Fraction, AfterValidator(lambda gain: 0.0 if gain <= ROUNDING else gain)]
"""How much a probability rises, 0-1."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Weight(_Frozen):
    """The say of one finding on its question."""

    finding: int
    """Position in the findings given, from 0."""
    specialist: str
    question_id: str | None
    confidence: Fraction
    authority: Fraction
    """The authority that was used, wherever it came from."""
    weight: Fraction
    """Confidence times authority, normalised: a question's weights sum to 1."""


class Support(_Frozen):
    """One specialist behind one claim."""

    specialist: str
    weight: Fraction
    """Its share of the weight of all who spoke to this claim."""
    evidence: tuple[Evidence | str, ...] = ()


class Option(_Frozen):
    """One possible answer and its probability."""

    answer: JsonValue
    probability: Fraction


class Worth(_Frozen):
    """What one more specialist would be worth."""

    specialist: str | None
    """`None` is one that nobody knows."""
    gain: Gain
    """By how much it would raise the probability of the answer given, in expectation."""
    could_flip: bool | None
    """Whether its vote for the strongest rival, given by anybody or not, would turn the answer; `None` for numbers, which it would move."""


class Interval(_Frozen):
    """Where the truth of a number lies."""

    low: float
    high: float
    level: Fraction = 0.8
    """In so many of the settled questions it did."""


class Learned(_Frozen):
    """What a track record says of one claim."""

    settled: int
    """Settled questions behind it."""
    ways: dict[str, float] = Field(default_factory=dict)
    """How far each way of merging was believed, by what it foretold of the settled questions; sums to 1."""
    options: tuple[Option, ...] = ()
    """Labels: every answer given with its probability, likeliest first, withheld ones too; what is left is the probability of
    another one."""
    interval: Interval | None = None
    """Numbers: around the answer."""
    voices_worth: float | None = None
    """How many independent voices the present ones are worth: copies are one, and the errors that others have shared are taken off."""
    worth: tuple[Worth, ...] = ()
    """Of hearing each missing specialist, and one that nobody knows."""
    warnings: tuple[str, ...] = ()
    """Sources that copy each other, changed, or have no history."""


class Sentence(_Frozen):
    """One sentence of a merged text."""

    text: str
    specialists: tuple[str, ...]
    """Whose texts hold its words and figures, heaviest first; none where nobody's does."""


class Claim(_Frozen):
    """One leaf of the answer and what it rests on."""

    question_id: str | None
    field: str
    """Dotted path within the question's answer; empty for the whole answer."""
    answer: JsonValue
    method: Method
    share: Fraction
    confidence: Fraction
    authority: float
    """What `confidence` is measured against: the authority of all who spoke to this claim, were silent or are missing."""
    supporters: tuple[Support, ...]
    tied: bool = False
    """Whether rivals had the same weight, so that authority or order decided."""
    fallback: str | None = None
    """Why this claim is not a proper merge."""
    sentences: tuple[Sentence, ...] = ()
    """Of a text that a model merged: every sentence with its sources."""
    learned: Learned | None = None
    """How it was merged where a track record did it; `share`, `confidence` and weights are then the record's."""


class Flip(_Frozen):
    """One change of one stated confidence that would unseat the winner."""

    specialist: str
    change: Literal["below", "above"]
    confidence: Fraction
    """The winner loses once this specialist's confidence is below, or above, this value."""


class Dissent(_Frozen):
    """A rival answer, or for numbers a value far from the answer."""

    question_id: str | None
    field: str
    answer: JsonValue
    specialists: tuple[str, ...]
    weight: float
    """Confidence times authority of those behind it, summed."""
    share: Fraction
    tied: bool = False
    """Whether it weighs as much as the winner."""
    weight_to_flip: float | None = None
    """How much more weight it needs to draw level with the winner; `None` for numbers, vetoes and fallbacks."""
    flips: tuple[Flip, ...] = ()
    """The smallest single changes of confidence that would unseat the winner, easiest first, at most five."""
    switches: tuple[str, ...] = ()
    """Learned votes: supporters of the winner, heaviest first, that make this the answer by coming over; at most three, and only for the
    strongest rival. Among up to five voices the fewest there are; among more nearly always."""
    distance: float | None = None
    """Numbers: how far it lies from the answer, signed, in the answer's unit; `None` when that is too far for a float."""
    answer_without: float | None = None
    """Numbers: what the answer would be without it."""


class Missing(_Frozen):
    """A specialist that should have answered and did not: what the caller knows of it."""

    specialist: str
    reason: str = "no finding"
    authority: Fraction | None = None
    """As a finding's authority; a mapping or track record that names the specialist comes first."""
    impact: str | None = None
    """What the answer lacks without it; written from the weights where the caller gives none."""
    question_id: str | None = None
    """The question it was missed on; `None` means every question."""


class MissingImpact(_Frozen):
    """A missing specialist and what its absence did."""

    specialist: str
    question_id: str | None
    authority: Fraction
    reason: str
    impact: str
    confidence_lost: Gain
    """How much higher the overall confidence would stand if nobody had expected this specialist to answer; of learned claims,
    how much higher it would stand, in expectation, had it answered."""
    could_flip: bool | None
    """Whether its vote at full confidence could have changed some voted claim; `None` where nothing was voted on."""


class Withheld(_Frozen):
    """An answer that needed a consent which was not given, so that no weight could carry it."""

    question_id: str | None
    answer: JsonValue
    specialist: str
    """Whose consent is missing."""
    reason: str


class Vetoed(_Frozen):
    """A veto that decided a question."""

    question_id: str | None
    specialist: str
    reason: str


class Calibration(_Frozen):
    """How far `confidence` has been from the truth on settled questions."""

    n: int
    """Settled questions measured."""
    ece: Fraction
    """Expected calibration error over ten equal bins: mean distance between confidence and accuracy."""


class Synthesis(_Frozen):
    """Findings merged into one answer."""

    answer: JsonValue
    """`None` when nobody answered; an object by question id when several questions were answered."""
    share: Fraction
    """Share of the weight behind the answer. Not a probability. 1 for numbers and merged texts, which all carry;
    of several claims, the smallest."""
    confidence: Fraction
    """Supporters' confidence times authority over everybody's authority, missing ones included; of several claims, the
    smallest. Read `calibration` before taking it for a probability."""
    calibration: Calibration | None = None
    """`None` until a track record has measured `confidence`."""
    abstain: bool = False
    """Whether the answer, if there is one, should not be acted on."""
    abstain_reason: str | None = None
    method: Method
    fallback: str | None = None
    """Which merges failed and why, so that the first successful result stands in; `None` when all went well."""
    dissent: tuple[Dissent, ...] = ()
    provenance: tuple[Claim, ...] = ()
    missing: tuple[MissingImpact, ...] = ()
    vetoes: tuple[Vetoed, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    weights: tuple[Weight, ...] = ()
    """One per finding, in the order given."""
