"""The folders that runs examine, each read once and kept while the run goes on."""

from __future__ import annotations

import threading
from collections import OrderedDict

from concertino.packs.diligence.documents import DocumentLimits, Library, open_library

KEPT = 4
"""Libraries kept in memory: of several runs at a time, or the latest ones. Chosen by hand."""


class Shelf:
    """Opened libraries by run. Safe in threads; a folder that several ask for at once is read once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opening: dict[tuple[str, str], threading.Semaphore] = {}
        # Semaphores, not locks: who waits for one in virtual time has to be seen to wait.
        self._kept: OrderedDict[tuple[str, str], Library] = OrderedDict()

    def open(self, task_id: str, folder: str, limits: DocumentLimits) -> Library:
        """Return a task's library. Blocks: call it in a thread.

        Raises:
            InputError: the folder cannot be used; see `open_library`.
        """
        key = (task_id, folder)
        with self._lock:
            turn = self._opening.setdefault(key, threading.Semaphore(1))
        with turn:
            with self._lock:
                known = self._kept.get(key)
                if known is not None:
                    self._kept.move_to_end(key)
                    return known
            library = open_library(folder, limits)
            with self._lock:
                self._kept[key] = library
                while len(self._kept) > KEPT:
                    gone, _ = self._kept.popitem(last=False)
                    self._opening.pop(gone, None)
            return library

    def drop(self, task_id: str, folder: str) -> None:
        """Forget a library; who opens it again reads the folder anew."""
        with self._lock:
            self._kept.pop((task_id, folder), None)
            self._opening.pop((task_id, folder), None)

    def take(self, task_id: str, folder: str) -> Library | None:
        """Return a library that is open, without reading anything."""
        with self._lock:
            return self._kept.get((task_id, folder))


SHELF = Shelf()
"""This process's."""
