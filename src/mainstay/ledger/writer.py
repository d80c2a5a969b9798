"""Writing the ledger beside everything else: what is to be kept is handed over at once, and written by a thread in batches.

Nothing that routes or supervises ever waits for a disk. What cannot be written is kept for a while and tried again; when there is
too much of it, the oldest is dropped and counted, and so is the time: it becomes unknown, not up.
"""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from mainstay.base.errors import EngineError
from mainstay.ledger.store import Store, opened

Work = Callable[[Store], None]
"""Writes something, within a transaction."""

EVERY = 1.0
"""Seconds between two batches: what a crash can lose, with what was under way."""
MOST = 100_000
"""Pieces of work that wait at most: some minutes of a busy system."""
_FORGET = 3600.0


class Writer:
    """The one that writes a ledger."""

    def __init__(
        self, path: Path, clock: Callable[[], float], told: Callable[[str | None, int], None]
    ) -> None:
        """Open the ledger and begin.

        Args:
            path: Its file.
            clock: Tells the time, in seconds since 1970.
            told: Called by the thread with why it cannot write, and with None when it can again and how much was lost.

        Raises:
            EnvironmentProblem: it cannot be written at all.
        """
        self.store, self.trouble = opened(path, clock())
        self._clock = clock
        self._told = told
        self._waiting: deque[Work] = deque()
        self._news = threading.Condition()
        self._ending = False
        self._lost = 0
        self._forgot = 0.0
        self._broken = False
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def write(self, work: Work) -> None:
        """Have something written soon; never waits."""
        with self._news:
            self._waiting.append(work)
            if len(self._waiting) > MOST:
                self._waiting.popleft()
                self._lost += 1

    def close(self, patience: float = 5.0) -> None:
        """Write what waits, and close the file."""
        with self._news:
            self._ending = True
            self._news.notify()
        self._thread.join(patience)

    def _run(self) -> None:
        while not self._ending or self._waiting:
            with self._news:
                if not self._ending:
                    self._news.wait(EVERY)
                batch, self._waiting = list(self._waiting), deque()
            try:
                self._write(batch)
            except EngineError as problem:
                if not self._broken:
                    self._broken = True
                    self._told(str(problem), 0)
                with self._news:
                    self._waiting.extendleft(reversed(batch))
                    if self._ending:
                        break
            else:
                if self._broken:
                    self._broken = False
                    lost, self._lost = self._lost, 0
                    self._told(None, lost)
        self.store.close()

    def _write(self, batch: list[Work]) -> None:
        now = self._clock()
        with self.store.writing():
            for work in batch:
                work(self.store)
            self.store.watch(now)
            if now - self._forgot > _FORGET:
                self._forgot = now
                self.store.forget(now)
