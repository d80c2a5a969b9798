"""Telling people of alerts beside everything else: a thread and a bounded queue for each of them.

Nobody waits for them, and none of them waits for another. Who cannot be told is tried again, with pauses that grow; then that is told.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from mainstay.base.growth import doubled
from mainstay.control.delivery import Trouble, deliver
from mainstay.control.notice import Notice
from mainstay.system.alerts import Destination

MOST = 100
"""Alerts that wait for one destination at most; then the oldest is dropped."""
AGAIN = 60.0
"""Seconds after which Alertmanager is told again of what goes on."""
_FIRST, _CAP = 1.0, 30.0

Told = Callable[[str, str], None]
"""Takes whom nobody could tell, and why; called by a thread."""


class Messenger:
    """The way to one destination."""

    def __init__(self, destination: Destination, folder: Path, told: Told) -> None:
        """Begin when there is something to tell."""
        self.destination = destination
        self._folder = folder
        self._told = told
        self._waiting: deque[tuple[Notice, bool]] = deque()
        self._news = threading.Condition()
        self._ending = False
        self._failing = False
        self._thread: threading.Thread | None = None
        self._repeated = 0.0

    def tell(self, notice: Notice, *, again: bool = False) -> None:
        """Have something told soon; never waits.

        Args:
            notice: What.
            again: It was told before: if that fails, it is no news.
        """
        with self._news:
            self._waiting.append((notice, again))
            if len(self._waiting) > MOST:
                self._waiting.popleft()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
                self._thread.start()
            self._news.notify()

    def repeat(self, now: float, notices: Iterable[Notice]) -> None:
        """Tell again of what goes on, if it wants that and it is time."""
        if self.destination.alertmanager is None or now - self._repeated < AGAIN:
            return
        self._repeated = now
        for notice in notices:
            if self.destination.wants(notice["severity"]):
                self.tell(notice, again=True)

    def end(self) -> None:
        """Tell nothing any more but what waits, each once."""
        with self._news:
            self._ending = True
            self._news.notify()

    def join(self, patience: float) -> None:
        """Wait until that is done; a thread that hangs is left behind, and ends with the process."""
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                notice, again = self._waiting.popleft()
            trouble = self._deliver(notice, 1 if again else self.destination.attempts)
            if trouble is not None and not (again and self._failing):
                self._told(self.destination.name, trouble.because)
            self._failing = trouble is not None

    def _deliver(self, notice: Notice, attempts: int) -> Trouble | None:
        for attempt in range(1, attempts + 1):
            trouble = deliver(self.destination, notice, self._folder)
            if trouble is None or trouble.lasting or attempt == attempts:
                return trouble
            with self._news:
                if self._news.wait_for(lambda: self._ending, doubled(_FIRST, attempt - 1, _CAP)):
                    return trouble
        return None


class Notifier:
    """All who are told."""

    def __init__(self, folder: Path, told: Told) -> None:
        """Know nobody yet.

        Args:
            folder: Where commands run.
            told: Takes whom nobody could tell, and why; called by threads.
        """
        self._folder = folder
        self._told = told
        self._messengers: list[Messenger] = []

    def follow(self, destinations: Iterable[Destination]) -> None:
        """Know those who are to be told; others are told what waits for them, and no more."""
        before, self._messengers = self._messengers, []
        for destination in destinations:
            known = next((one for one in before if one.destination == destination), None)
            if known is not None:
                before.remove(known)
            self._messengers.append(known or Messenger(destination, self._folder, self._told))
        for gone in before:
            gone.end()

    def tell(self, notice: Notice) -> None:
        """Tell all who want to know."""
        for messenger in self._messengers:
            if messenger.destination.wants(notice["severity"]):
                messenger.tell(notice)

    def repeat(self, now: float, notices: list[Notice]) -> None:
        """Tell those again who want to be told again of what goes on."""
        for messenger in self._messengers:
            messenger.repeat(now, notices)

    def close(self, patience: float = 3.0) -> None:
        """Tell what waits, for as long as there is patience."""
        until = time.monotonic() + patience
        for messenger in self._messengers:
            messenger.end()
        for messenger in self._messengers:
            messenger.join(max(0.0, until - time.monotonic()))
