"""The journal: runs, events and outbox on disk, and views folded from events."""

from concertino.journal.awaiting import post, wait
from concertino.journal.memory import MemoryJournal
from concertino.journal.open import open_journal
from concertino.journal.owner import is_dead, this_owner
from concertino.journal.sqlite import SqliteJournal

__all__ = ["MemoryJournal", "SqliteJournal", "is_dead", "open_journal", "post", "this_owner", "wait"]
