"""What one more specialist would be worth."""

from __future__ import annotations

import math
from collections.abc import Sequence


def worth_of_one_more(probabilities: Sequence[float], *, log_odds: float, temperature: float) -> float:
    """Return by how much one more voice would raise the probability of the answer given, in expectation, 0-1.

    It would say each option with the probability that follows from what is believed now; each reply would move the belief by
    its weight over the temperature of this company, and the likeliest option would then be given. This is the expected value of
    sample information for a right answer worth 1: Howard 1966, "Information value theory".

    Args:
        probabilities: Of the options, summing to 1.
        log_odds: Of its being right.
        temperature: As `Tempering.temperature` gives it, at least a small positive number.
    """
    count = len(probabilities)
    if count < 2:
        return 0.0
    top = max(probabilities)
    heard = 0.0
    # The likelihood of a reply, tempered: right with p, else one of the others alike.
    weight = (log_odds + math.log(count - 1)) / max(temperature, 1e-6)
    lift = math.exp(min(50.0, weight))
    right, wrong = lift / (lift + count - 1), 1 / (lift + count - 1)
    for said in range(count):
        heard += max(p * (right if option == said else wrong) for option, p in enumerate(probabilities))
    return max(0.0, heard - top)
