"""Lines that begin with the time, for a log that is read when all is over."""

import io
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO


class Stamped(io.TextIOBase):
    """A stream that begins each line with the time (UTC) at which that line was begun."""

    def __init__(self, stream: TextIO, wall: Callable[[], float] = time.time) -> None:
        """Write to `stream`; `wall` tells the time, in seconds since 1970."""
        self._stream = stream
        self._wall = wall
        self._within = False

    def write(self, text: str) -> int:
        """Write it, in one piece: lines of several threads do not get into one another."""
        if text:
            stamp = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z "
            *whole, rest = text.split("\n")
            lines = [*(f"{line}\n" for line in whole), *([rest] if rest else [])]
            first = "" if self._within else stamp
            self._within = bool(rest)
            self._stream.write(first + stamp.join(lines))
        return len(text)

    def flush(self) -> None:
        """Have it written now."""
        self._stream.flush()
