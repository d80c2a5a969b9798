"""Writing the ledger beside everything else: what is to be kept is handed over at once, and written by a thread in batches.

Nothing that routes or supervises ever waits for a disk. What cannot be written is kept for a while and tried again; when there is
too much of it, the oldest is dropped and counted, and so is the time: it becomes unknown, not up. A file that is damaged,
removed or replaced while it is written to is begun anew; so is one that could not be opened, as soon as it can.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mainstay.base.errors import EngineError, EnvironmentProblem
from mainstay.ledger.store import Damaged, Store, Subject, Unreadable, opened, set_aside
from mainstay.reliability.incident import Incident

Work = Callable[[Store], None]
"""Writes something, within a transaction."""

EVERY = 1.0
"""Seconds between two batches: what a crash can lose, with what was under way."""
MOST = 100_000
"""Entries that wait at most: some 100 MB, which are minutes of 500 instances, and hours of ten."""
_FORGET = 3600.0


class Left(NamedTuple):
    """What a ledger knew when it was opened."""

    known: bool = False
    """Whether somebody had written to it before."""
    until: float = 0.0
    """Until when somebody watched, in seconds since 1970; 0 when nobody ever did."""
    baselines: Mapping[str, Mapping[str, Any]] = {}
    """What each gateway worker had counted."""
    incidents: Sequence[Incident] = ()
    """Those that go on."""
    states: Mapping[Subject, str] = {}
    """How each subject was until nobody watched any more."""
    marks: Sequence[tuple[int, str, str, float, float | None, str]] = ()
    """Those that last, see `Store.open_marks`."""
    last_mark: int = 0
    """The highest number of any."""


class Writer:
    """The one that writes a ledger."""

    def __init__(
        self, path: Path, clock: Callable[[], float], told: Callable[[str | None, int], None]
    ) -> None:
        """Open the ledger and begin; one that cannot be opened is tried again.

        Args:
            path: Its file.
            clock: Tells the time, in seconds since 1970.
            told: Called with why it cannot be written, and with None when it can again and how much was lost.
        """
        self.left = Left()
        """What it knew; nothing, when it could not be opened at once."""
        self.resume: Callable[[Store, float], None] = _nothing
        """Writes down how all is since a moment, after a time of which nothing is known."""
        self.store: Store | None = None
        """The file, while there is one."""
        self._path = path
        self._clock = clock
        self._told = told
        # With how many entries each writes.
        self._waiting: deque[tuple[Work, int]] = deque()
        self._entries = 0
        self._news = threading.Condition()
        self._ending = False
        self._lost = 0
        self._forgot = 0.0
        self._broken = False
        self._resumes = False
        self._open()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def write(self, work: Work, entries: int = 1) -> None:
        """Have something written soon; never waits.

        Args:
            work: Writes it.
            entries: About how many lines it writes, which is what it takes of the memory until then.
        """
        with self._news:
            self._waiting.append((work, entries))
            self._entries += entries
            while self._entries > MOST and len(self._waiting) > 1:
                oldest = self._waiting.popleft()[1]
                self._entries -= oldest
                self._lost += oldest

    def close(self, patience: float = 5.0) -> None:
        """Write what waits, and close the file."""
        with self._news:
            self._ending = True
            self._news.notify()
        self._thread.join(patience)

    # --- the file ---

    def _open(self) -> None:
        """Open the file; what was open in it ends when somebody last watched, before anybody watches again."""
        try:
            store, damage = opened(self._path, self._clock())
        except EnvironmentProblem as problem:
            self._broke(str(problem))
            return
        if damage is not None:
            self._broke(damage)
        try:
            with store.writing():
                self.left = _left(store)
                store.interrupted()
        except EngineError as problem:
            self._broke(str(problem))
            store.close()
            if isinstance(problem, Damaged):
                self._set_aside()
            return
        self.store = store

    def _reopen(self, because: str) -> None:
        self._broke(because)
        if self.store is not None:
            self.store.let_go()
        self.store, self._resumes = None, True
        self._open()

    def _broke(self, because: str) -> None:
        if not self._broken:
            self._broken = True
            self._told(because, 0)

    # --- the thread ---

    def _run(self) -> None:
        while True:
            with self._news:
                if not self._ending:
                    self._news.wait(EVERY)
                ending = self._ending
                batch, self._waiting, self._entries = list(self._waiting), deque(), 0
            done = self._try(batch)
            if not done:
                with self._news:
                    self._waiting.extendleft(reversed(batch))
                    self._entries += sum(entries for _, entries in batch)
            if ending and (not done or not self._waiting):
                break
        if self.store is not None:
            self.store.close()

    def _try(self, batch: list[tuple[Work, int]]) -> bool:
        """Write a batch; give False if it is to be tried again."""
        if self.store is None:
            self._reopen("")
        elif not self.store.in_place:
            self._reopen(f"the ledger '{self._path}' was removed, replaced or overwritten")
        if self.store is None:
            return False
        try:
            lost = self._write(self.store, batch)
        except Damaged as problem:
            self._broke(f"{problem}; it is moved aside, and a new one begun")
            self._set_aside()
            return False
        except Unreadable as problem:
            self._reopen(str(problem))
            return False
        except EngineError as problem:
            self._broke(str(problem))
            return False
        except Exception as problem:  # noqa: BLE001 - a piece that cannot be written must not keep the rest from it
            return self._sift(batch, problem)
        self._mended(lost)
        return True

    def _write(self, store: Store, batch: list[tuple[Work, int]]) -> int:
        now, lost = self._clock(), self._lost
        with store.writing():
            if lost:
                store.interrupted()
            for work, _ in batch:
                work(store)
            if lost or self._resumes:
                self.resume(store, now)
            store.watch(now)
            if forgets := abs(now - self._forgot) > _FORGET:
                store.forget(now)
        self._resumes = False
        if forgets:
            self._forgot = now
        store.give_back()
        return lost

    def _mended(self, lost: int) -> None:
        with self._news:
            self._lost -= lost
        if self._broken or lost:
            self._broken = False
            self._told(None, lost)

    def _sift(self, batch: list[tuple[Work, int]], problem: Exception) -> bool:
        """Write one piece after another, and leave out what cannot be."""
        self._broke(f"something cannot be written to the ledger '{self._path}': {problem}")
        assert self.store is not None
        while batch:
            try:
                with self.store.writing():
                    batch[0][0](self.store)
            except EngineError:
                return False  # the rest of it, again
            except Exception:  # noqa: BLE001 - it is the one
                with self._news:
                    self._lost += batch[0][1]
            del batch[0]
        return True

    def _set_aside(self) -> None:
        if self.store is not None:
            self.store.close()
        self.store, self._resumes = None, True
        try:
            set_aside(self._path, self._clock())
        except OSError as problem:
            self._broke(str(problem))


def _left(store: Store) -> Left:
    try:
        return Left(
            known=store.watched_until is not None,
            until=store.watched_until or 0.0,
            baselines=store.baselines(),
            incidents=store.open_incidents(),
            states=store.states(),
            marks=store.open_marks(),
            last_mark=store.last_mark(),
        )
    except (ValueError, TypeError, KeyError):
        return Left()  # somebody else has written to it


def _nothing(store: Store, at: float) -> None:
    del store, at
