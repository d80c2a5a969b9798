"""The output files of instances: kept small, read from the end, followed.

An instance holds its file open and appends to it, whoever else comes and goes. So a file is made smaller
under its hands: copied to `NAME.1` (the older ones move on to `.2`, `.3`), then cut to nothing. What is written
between the copy and the cut is lost; the copy catches up first, so that there is next to no time for that.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

_BLOCK = 64 * 2**10
LONGEST = 64 * 2**10
"""A line longer than this, in bytes, is told in pieces: a program that never ends its line costs no memory."""


def older(path: Path, number: int) -> Path:
    """Give the name of an older piece of a log, 1 being the youngest."""
    return path.with_name(f"{path.name}.{number}")


def is_full(path: Path, size: int) -> bool:
    """Tell whether a log has grown beyond `size` bytes; 0 means no limit."""
    return 0 < size < _size(path)


def rotate(path: Path, size: int, keep: int) -> bool:
    """Move a log's content away if it has grown beyond `size` bytes, and keep that many older pieces.

    Gives whether it did. A size of 0 means no limit.
    """
    if not is_full(path, size):
        return False
    if not keep:
        os.truncate(path, 0)
        return True
    # The copy gets its name only after the cut: a follower may then rely on the older piece being complete
    # and the log itself being new.
    copy = path.with_name(f"{path.name}.tmp")
    _copy_and_cut(path, copy)
    for number in range(keep - 1, 0, -1):
        if older(path, number).exists():
            older(path, number).replace(older(path, number + 1))
    copy.replace(older(path, 1))
    return True


def _copy_and_cut(path: Path, copy: Path) -> None:
    with path.open("rb") as come, copy.open("wb") as go:
        os.fchmod(go.fileno(), 0o600)
        shutil.copyfileobj(come, go, _BLOCK)
        go.flush()
        # What was written during the copy, with nothing between the last look and the cut.
        while late := come.read(_BLOCK):
            os.write(go.fileno(), late)
        os.truncate(path, 0)


def last_lines(path: Path, count: int, since: int = 0) -> list[str]:
    """Read the last lines of a log, going on into its older piece when the log was just rotated.

    Args:
        path: The log.
        count: How many lines at most.
        since: Only what was written from this byte on, so that one life's words are not another's. Ignored
            once the log has been rotated since.
    """
    return _last_lines(path, count, since, _size(path))


def _last_lines(path: Path, count: int, since: int, end: int) -> list[str]:
    start = since if since <= end else 0
    lines = _tail(path, count, start, end)
    if len(lines) < count and start == 0:
        before = older(path, 1)
        lines = _tail(before, count - len(lines), 0, _size(before)) + lines
    return lines


def _tail(path: Path, count: int, start: int, end: int) -> list[str]:
    read, at = b"", end
    # One line more than asked for: the first one found may be cut off in front.
    while count and at > start and read.count(b"\n") <= count:
        step = min(_BLOCK, at - start)
        at -= step
        found = _read(path, at, step)
        if len(found) < step:
            return []  # cut or gone meanwhile
        read = found + read
    lines = read.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [_text(line) for line in lines[-count:]] if count else []


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")


async def follow(
    logs: Callable[[], Mapping[str, Path]], *, last: int = 0, every: float = 0.1
) -> AsyncIterator[tuple[str, str]]:
    """Give the lines of several logs as (name, line), as they are written, for ever.

    Args:
        logs: Gives the logs by name; asked again each time, so that new instances are followed too.
        last: How many lines of each that are there already come first.
        every: Seconds between two looks.
    """
    tails: dict[str, _Tail] = {}
    first = True
    while True:
        now = logs()
        for name, path in now.items():
            if name not in tails:
                # A log that appears later is new as a whole.
                tails[name] = _Tail(path, at_end=first)
                for line in tails[name].before(last) if first else []:
                    yield name, line
            for line in tails[name].news():
                yield name, line
        for name in tails.keys() - now.keys():
            del tails[name]
        first = False
        await asyncio.sleep(every)


class _Tail:
    """One log as it is being read."""

    def __init__(self, path: Path, *, at_end: bool) -> None:
        self._path = path
        self._rest = b""
        self._older = _identity(older(path, 1))
        self._shrunk = False
        self._at = _end_of_lines(path) if at_end else 0

    def before(self, count: int) -> list[str]:
        """Read the last lines before where reading begins."""
        return _last_lines(self._path, count, 0, self._at)

    def news(self) -> list[str]:
        """Read the whole lines that came since the last call."""
        read = b""
        was, self._older = self._older, _identity(older(self._path, 1))
        if self._older is not None and self._older != was:
            # Rotated: what was not read yet is in the older piece now, which begins where the log began.
            read = _read(older(self._path, 1), self._at)
            self._at, self._shrunk = 0, False
        elif _size(self._path) < self._at:
            if not self._shrunk:
                # Perhaps just being rotated, and the older piece does not have its name yet: look again.
                self._shrunk = True
                return []
            self._at, self._shrunk = 0, False
        fresh = _read(self._path, self._at)
        self._at += len(fresh)
        return self._lines(read + fresh)

    def _lines(self, read: bytes) -> list[str]:
        *whole, self._rest = (self._rest + read).split(b"\n")
        if len(self._rest) > LONGEST:
            whole.append(self._rest)
            self._rest = b""
        return [_text(line) for line in whole]


def _end_of_lines(path: Path) -> int:
    # A line that is still being written is left to be read whole.
    at = _size(path)
    while at:
        step = min(_BLOCK, at)
        newline = _read(path, at - step, step).rfind(b"\n")
        at -= step
        if newline >= 0:
            return at + newline + 1
    return 0


def _read(path: Path, at: int, count: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(count)
    except OSError:
        return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _identity(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
