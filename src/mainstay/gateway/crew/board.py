"""How many clients each worker has, where all workers see it: so that new ones go to who has the fewest.

All workers accept from the same sockets, and whoever is awake takes what comes: in a burst one would have it all while
the others sleep. A few bytes of memory that they share, a file beside their line to the supervisor, show each of them
that it is ahead. A worker that does not tell the time there any more is not counted on.
"""

import mmap
import os
from pathlib import Path

NAME = "gateway.board"
SLACK = 2
"""Clients that a worker may be ahead of another, besides an eighth of what that one has: to stop and begin again
costs as much as some connections."""
_SIZE = 4096
_SLOT = 2
"""Two numbers of four bytes for each worker: its clients, and the second in which it last told them."""
_ALIVE = 3
_LOOK = 0.05


class Board:
    """One worker's place among all."""

    def __init__(self, path: Path, number: int) -> None:
        """Open the file at `path`, or make it; `number` counts from 1.

        Raises:
            OSError: there is no such memory to be had.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, _SIZE)
            self._memory = mmap.mmap(fd, _SIZE)
        finally:
            os.close(fd)
        self._slots = memoryview(self._memory).cast("i")
        self._at = number * _SLOT
        # The places of the others that are there, and when that was looked at.
        self._others: list[int] = []
        self._looked_at = 0.0

    def beat(self, now: float) -> None:
        """Tell that we are there; once a second, by the machine's monotonic clock."""
        self._slots[self._at + 1] = int(now)

    def _look(self, now: float) -> None:
        self._looked_at = now
        slots, second = self._slots, int(now)
        self._others = [
            at
            for at in range(0, len(slots), _SLOT)
            if at != self._at and slots[at + 1] and 0 <= second - slots[at + 1] <= _ALIVE
        ]

    def tell(self, clients: int) -> None:
        """Tell how many clients we have."""
        self._slots[self._at] = clients

    def ahead(self, now: float) -> bool:
        """Say whether another worker should take the next ones."""
        if now - self._looked_at > _LOOK:
            self._look(now)
        if not self._others:
            return False
        slots = self._slots
        least = min([slots[at] for at in self._others])
        return slots[self._at] > least + SLACK + (least >> 3)

    def close(self) -> None:
        """Be counted on no more."""
        self._slots[self._at] = self._slots[self._at + 1] = 0
        self._slots.release()
        self._memory.close()
