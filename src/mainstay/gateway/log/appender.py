"""A file that several processes append whole lines to, written by a thread: a slow disk holds up nobody.

::

    access.log ──▶ access.log.1 ──▶ access.log.2 ──▶ …

Blocks of lines are written each by one call to a file that is open for appending, so that the kernel puts
them one after another and never into one another. Whoever finds the file to be full moves it away, under a
lock on the very file; everybody else sees by its number (inode) that theirs has moved, and opens the new one.
The same goes for a file that others move away, such as logrotate.
"""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

MOST_WAITING = 4 * 2**20
"""Bytes that may wait for the disk; beyond, lines are dropped, and counted."""
_OURS_ALONE = 0o600

Block = tuple[bytes, int]


class Appender:
    """One process's way to the file."""

    def __init__(self, path: Path, *, size: int, keep: int) -> None:
        """Open nothing yet; `start` begins the thread.

        Args:
            path: The file; it is made when it is not there.
            size: Bytes at which it is rotated; 0 means never.
            keep: Older files that are kept.
        """
        self.path = path
        self.written = 0
        """Lines that are in the file."""
        self.lost = 0
        """Lines that could not be written."""
        self.problem: str | None = None
        """Why nothing can be written now."""
        self._size = size
        self._keep = keep
        self._queue: SimpleQueue[Block | None] = SimpleQueue()
        # Bytes handed in, told by those who hand them in, and bytes done with, told by the thread.
        self._put = 0
        self._done = 0
        self._fd: int | None = None
        self._doubted = False
        self._thread = Thread(target=self._run, name="access-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, block: bytes, lines: int) -> bool:
        """Hand in whole lines; False when too much is waiting already."""
        if self._put - self._done + len(block) > MOST_WAITING:
            return False
        self._put += len(block)
        self._queue.put((block, lines))
        return True

    def look(self) -> None:
        """Have the thread look whether the file was moved away, if it has nothing else to do."""
        if self._put == self._done:
            self._queue.put((b"", 0))

    def end(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)

    def join(self, limit: float) -> bool:
        """Wait for the end for so many seconds; False when the disk takes longer."""
        self._thread.join(limit)
        return not self._thread.is_alive()

    # --- the thread ---

    def _run(self) -> None:
        while (block := self._queue.get()) is not None:
            data, lines = block
            try:
                self._append(data)
            except OSError as problem:
                self.problem = problem.strerror or str(problem)
                self._doubted = True
                self.lost += lines
            else:
                self.written += lines
                if lines:
                    self.problem = None
            self._done += len(data)
        self._close()

    def _append(self, data: bytes) -> None:
        fd = self._current()
        if not data:
            return
        if self._doubted:
            # A full disk may have taken the beginning of a line.
            data = b"\n" + data if _ends_within(fd) else data
        self._doubted = False
        while data:
            data = data[os.write(fd, data) :]
        if 0 < self._size < os.fstat(fd).st_size:
            self._rotate(fd)

    def _current(self) -> int:
        """Give the file that has the name now."""
        if self._fd is not None and self._moved(self._fd):
            self._close()
        if self._fd is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            self._fd = os.open(self.path, flags, _OURS_ALONE)
        return self._fd

    def _moved(self, fd: int) -> bool:
        try:
            named, held = self.path.stat(), os.fstat(fd)
        except FileNotFoundError:
            return True
        return (named.st_dev, named.st_ino) != (held.st_dev, held.st_ino)

    def _rotate(self, fd: int) -> None:
        """Move the file away, unless somebody else does or has."""
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        # The lock goes with the file: whoever has it open by then sees that it has moved.
        if not self._moved(fd):
            for number in range(self._keep - 1, 0, -1):
                with suppress(FileNotFoundError):
                    self._older(number).replace(self._older(number + 1))
            if self._keep:
                self.path.replace(self._older(1))
            else:
                self.path.unlink()
        self._close()

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _ends_within(fd: int) -> bool:
    """Tell whether a file ends within a line."""
    end = os.fstat(fd).st_size
    return end > 0 and os.pread(fd, 1, end - 1) != b"\n"
