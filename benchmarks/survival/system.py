"""A system under test: something that takes requests, and the instances behind it."""

import contextlib
import http.client
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.survival.instances import Instances

_PATIENCE = 30.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """What it is given."""

    folder: Path
    """Its own."""
    port: int
    """Where clients ask."""
    admin: int
    """A port for its own needs."""
    instances: list[int]
    """Ports of the instances, for whoever does not run them itself."""
    cores: str
    """The processors that it may use, with commas."""
    work: int
    """Milliseconds that an instance works on a request."""
    capacity: int = 0
    """Milliseconds that an instance needs for each when it does one after another; 0: it does all at once."""
    extra: str = ""
    """Lines for our system file, to try what a key does."""


class System:
    """One that runs; what a peer cannot do says so by its class."""

    reloads = False
    """Whether it can read its configuration again while it works."""
    workers = False
    """Whether it has several processes, of which one may die."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.instances: Instances
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and its instances."""
        raise NotImplementedError

    def reload(self) -> None:
        """Read a configuration that differs in a detail."""
        raise NotImplementedError

    def worker(self) -> int:
        """Give the pid of the busiest of its workers."""
        raise NotImplementedError

    def roll(self) -> None:
        """Replace all instances, as one does it with this system."""
        raise NotImplementedError

    def told(self) -> list[dict[str, object]]:
        """Give what it says of what happened, if it does."""
        return []

    def close(self) -> None:
        """End it and its instances."""
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        self.instances.end()


def answers(port: int, who: str, limit: float = _PATIENCE) -> None:
    """Wait until something answers with 200, several times in a row: all of its workers and instances are there.

    Raises:
        SystemExit: it does not.
    """
    deadline, good = time.monotonic() + limit, 0
    while good < 2 * 3:
        if time.monotonic() > deadline:
            raise SystemExit(f"{who} does not answer on port {port}")
        good = good + 1 if _asked(port) else 0
        if not good:
            time.sleep(0.05)


def _asked(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            return answer.status == http.HTTPStatus.OK
    return False
