"""How many clients each worker has, where all workers see it: so that new ones go to who has the fewest.

All workers accept from the same sockets, and whoever is awake takes what comes: in a burst one would have it all while
the others sleep. A small file that they share, beside their line to the supervisor, shows each of them that it is
ahead. A worker that does not tell the time there any more is not counted on.

The file is read and written, not mapped into memory: who touches memory whose file was cut, or finds no room on its
disk, is killed (SIGBUS). Here it is merely as if nobody else were there. It costs two microseconds for each connection.
"""

import os
from pathlib import Path
from struct import Struct

NAME = "gateway.board"
SLACK = 2
"""Clients that a worker may be ahead of another, besides an eighth of what that one has: to stop and begin again
costs as much as some connections."""
_SIZE = 4096
_NUMBER = Struct("i")
_BOTH = Struct("ii")
"""Of each worker: its clients, and the second in which it last told them."""
_SLOT = 2
_ALIVE = 3
_LOOK = 0.05


class Board:
    """One worker's place among all."""

    def __init__(self, path: Path, number: int) -> None:
        """Open the file at `path`, or make it; `number` counts from 1.

        Raises:
            OSError: there is no such file to be had.
        """
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._clients = 0
        self._at = number * _SLOT
        # The places of the others that are there, and when that was looked at.
        self._others: list[int] = []
        self._looked_at = 0.0

    def beat(self, now: float) -> None:
        """Tell that we are there; once a second, by the machine's monotonic clock."""
        self._write(_BOTH.pack(self._clients, int(now)))

    def tell(self, clients: int) -> None:
        """Tell how many clients we have."""
        self._clients = clients
        self._write(_NUMBER.pack(clients))

    def _write(self, numbers: bytes) -> None:
        try:
            os.pwrite(self._fd, numbers, self._at * _NUMBER.size)
        except OSError:  # no room on the disk: then the others do not count on us
            return

    def _read(self) -> memoryview:
        try:
            told = os.pread(self._fd, _SIZE, 0)
        except OSError:
            told = b""
        return memoryview(told.ljust(_SIZE, b"\0")).cast("i")

    def _look(self, slots: memoryview, now: float) -> None:
        self._looked_at = now
        second = int(now)
        self._others = [
            at
            for at in range(0, len(slots), _SLOT)
            if at != self._at and slots[at + 1] and 0 <= second - slots[at + 1] <= _ALIVE
        ]

    def ahead(self, now: float) -> bool:
        """Say whether another worker should take the next ones."""
        slots: memoryview | None = None
        if now - self._looked_at > _LOOK:
            slots = self._read()
            self._look(slots, now)
        if not self._others:
            return False
        if slots is None:
            slots = self._read()
        least = min([slots[at] for at in self._others])
        return self._clients > least + SLACK + (least >> 3)

    def close(self) -> None:
        """Be counted on no more."""
        self._write(_BOTH.pack(0, 0))
        os.close(self._fd)
