"""Events as they are made in great number."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from concertino.contracts.event import Event


def test_an_event_made_of_all_its_fields_is_one() -> None:
    """It equals the validated one, is as frozen, and is dumped and copied like it."""
    given = Event(
        task_id="t", run_id="r", type="TASK_STARTED", message_type="TASK", payload={"a": [1]}, timestamp=1.0, seq=3
    )
    made = Event.made(**vars(given))
    assert made == given
    assert made.model_dump() == given.model_dump()
    assert list(made.as_json().items()) == list(given.model_dump(mode="json").items())
    assert made.model_copy(update={"seq": 4}).seq == 4
    with pytest.raises(ValidationError, match="frozen"):
        made.seq = 5  # type: ignore[misc]
