"""The clock: only drivers hold one; machines are told the time."""

import time
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time, in seconds."""

    def now(self) -> float:
        """Give monotonic seconds; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Give seconds since 1970 (UTC), for what people and files are told."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Give monotonic seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Give seconds since 1970 (UTC)."""
        return time.time()
