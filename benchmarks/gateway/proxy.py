"""A proxy under test: what it is given, and how it is ended."""

import contextlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gateway import meter


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a proxy is told: where to listen, and what it stands in front of."""

    folder: Path
    """Its own."""
    plain: int
    """Port for HTTP."""
    secure: int
    """Port for HTTPS."""
    raw: int
    """Port of the TCP relay."""
    admin: int
    """Port for its metrics."""
    origins: list[int]
    cert: Path
    """Certificate and, in the same file, its key."""
    cores: str = "0"
    """The processors that it may use, as `taskset` is told."""


@dataclass
class Proxy:
    """One proxy that runs."""

    name: str
    ports: dict[str, int]
    """By door; a door that it does not have is missing."""
    processes: list[subprocess.Popen[bytes]]
    pids: list[int] = field(default_factory=list)
    """All of its processes, once it answers."""
    after: list[Callable[[], None]] = field(default_factory=list)
    """What else is to be let go of."""

    def known(self) -> None:
        """Look which processes it has become."""
        self.pids = meter.tree([process.pid for process in self.processes])

    def close(self) -> None:
        """End it."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                process.kill()
                process.wait()
        for step in self.after:
            step()
