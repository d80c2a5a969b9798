"""One gateway worker as the crew sees it: its process, its line, and where it stands."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol


class WorkerProcess(Protocol):
    """What the crew needs of a process."""

    pid: int
    started: int
    on_exit: Callable[[str], None] | None

    def signal(self, number: int) -> bool:
        """Send a signal."""
        ...

    async def wait(self) -> str:
        """Wait for its end."""
        ...

    def let_go(self) -> None:
        """Stop watching it."""
        ...


class Member:
    """One worker."""

    __slots__ = (
        "began",
        "fits",
        "gone",
        "heeded",
        "leaving",
        "number",
        "process",
        "ready",
        "version",
        "writer",
    )

    def __init__(self, number: int, process: WorkerProcess, began: float, *, leaving: bool = False) -> None:
        self.number = number
        self.process = process
        self.began = began
        self.gone = False
        self.leaving = leaving
        """Whether another one has taken its place: it finishes what it has, and ends."""
        self.fits = False
        """Whether it speaks as we do."""
        self.writer: asyncio.StreamWriter | None = None
        self.version = 0
        self.heeded = 0
        """The version of the list of faults that it has."""
        self.ready = asyncio.Event()

    def tell(self, line: bytes) -> bool:
        """Say something on its line; False when it has none."""
        if self.writer is None:
            return False
        with suppress(OSError):
            self.writer.write(line)
        return True
