"""One `Names` for all plans over the same specialists: it is costly to build, and the same for all."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from concertino.contracts.specialist import Cards
from concertino.nodes.planning.mending.kinds import Kinds, kinds_of
from concertino.nodes.planning.mending.names import Names

MOST = 8
"""Sets of specialists whose names are kept, the last used; chosen by hand."""
_Key = tuple[tuple[str, str, Kinds], ...]


class SharedNames:
    """The names last used, by all that they read of cards: whoever changes a card gets others."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[_Key, Names] = OrderedDict()
        self._lock = Lock()

    def of(self, cards: Cards) -> Names:
        """Return the names of these specialists; safe in threads."""
        key = tuple((name, card.description, kinds_of(card)) for name, card in cards.items())
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = Names(dict(cards))
        with self._lock:
            # Another thread may have been first; all are to use the same one.
            found = self._kept.setdefault(key, made)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


SHARED = SharedNames()
