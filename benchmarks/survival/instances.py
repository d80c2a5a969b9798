"""The Node instances: where they are, how they are broken, and who starts them again."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.program import spawn

COUNT = 3
ZONES = ("a", "b")
SHOP = Path(__file__).with_name("shop.js")
_PATIENCE = 20.0
_LOOK = 0.005


class Life(NamedTuple):
    """One process of an instance, as it has announced itself."""

    name: str
    zone: str
    pid: int
    port: int
    control: int
    """The port of its control."""


class Arrival(NamedTuple):
    """Something that reached an instance."""

    at: float
    """On the machine's monotonic clock."""
    kind: str | None = None
    """The class of a user's request; None: it may have been a check."""


class Instances:
    """Three instances in two zones that somebody runs, and what they write down."""

    def __init__(self, folder: Path, *, work: int, capacity: int = 0) -> None:
        self._announce, self._keys, self._journal = folder / "announce", folder / "keys", folder / "orders"
        self._announce.mkdir()
        self._keys.mkdir()
        self.env = {
            "ANNOUNCE": str(self._announce),
            "KEYS": str(self._keys),
            "JOURNAL": str(self._journal),
            "WORK": str(work),
            "CAPACITY": str(capacity),
        }
        """What an instance is told; `work` and `capacity` in milliseconds."""
        self.names = [f"web-{number}" for number in range(1, COUNT + 1)]
        self._seen: set[int] = set()

    def start(self) -> None:
        """Start them, if that is not somebody else's business."""

    def look(self, name: str) -> Life:
        """Give its present life."""
        life = Life(**json.loads((self._announce / f"{name}.json").read_text()))
        self._seen.add(life.pid)
        return life

    def zone(self) -> list[str]:
        """Give the instances that share the zone of the first: two of the three."""
        first = self.look(self.names[0]).zone
        return [name for name in self.names if self.look(name).zone == first]

    def all_there(self) -> None:
        """Wait until each has announced itself.

        Raises:
            SystemExit: one does not.
        """
        deadline = time.monotonic() + _PATIENCE
        while not all((self._announce / f"{name}.json").exists() for name in self.names):
            if time.monotonic() > deadline:
                raise SystemExit(f"the instances do not start; see the logs beside {self._announce}")
            time.sleep(_LOOK)

    def signal(self, name: str, number: int) -> int:
        """Send a signal to the process of an instance, and give its pid."""
        life = self.look(name)
        os.kill(life.pid, number)
        return life.pid

    def mode(self, name: str, mode: str) -> None:
        """Break it from inside, or mend it."""
        self._control(name, f"/mode/{mode}")

    def arrivals(self, name: str) -> list[Arrival]:
        """Give the requests of users that reached it."""
        return [Arrival(*one) for one in json.loads(self._control(name, "/arrivals"))]

    def journal(self) -> list[str]:
        """Give the orders that were carried out, a line for each."""
        return self._journal.read_text().splitlines() if self._journal.exists() else []

    def revive(self, name: str) -> None:
        """Start it again, if that is not somebody else's business."""

    def end(self) -> None:
        """End all that still runs, those included that are stopped."""
        for name in self.names:
            if (self._announce / f"{name}.json").exists():
                self.look(name)
        for pid in self._seen:
            if _is_ours(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _control(self, name: str, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.look(name).control, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            said = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise SystemExit(f"{path} of an instance says {answer.status}")
        return said


class Herd(Instances):
    """Instances that this benchmark runs itself, for who cannot: it starts a dead one again when it is told to."""

    def __init__(self, folder: Path, ports: list[int], *, cores: str, work: int, capacity: int = 0) -> None:
        super().__init__(folder, work=work, capacity=capacity)
        self._folder, self._cores = folder, cores
        self._ports = dict(zip(self.names, ports, strict=True))
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start them, and wait until all listen."""
        for name in self.names:
            (self._folder / name).mkdir()
            self._start(name)
        self.all_there()

    def revive(self, name: str) -> None:
        """Start it again if it has died, and wait until it listens."""
        if self._running[name].poll() is None:
            return
        self._start(name)
        deadline = time.monotonic() + _PATIENCE
        while self.look(name).pid != self._running[name].pid and time.monotonic() < deadline:
            time.sleep(_LOOK)

    def replace(self, name: str) -> None:
        """Ask it to stop, wait until it has, and start it again: what a deployment does to it."""
        self._running[name].terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._running[name].wait(_PATIENCE)
        self.revive(name)

    def end(self) -> None:
        """End all of them."""
        for process in self._running.values():
            process.kill()
            process.wait()

    def _start(self, name: str) -> None:
        number = self.names.index(name)
        told = {
            "PORT": str(self._ports[name]),
            "MAINSTAY_INSTANCE": name,
            "MAINSTAY_ZONE": ZONES[number % len(ZONES)],
        }
        # `taskset` becomes the program: the pid is its own.
        self._running[name] = spawn(
            [node(), str(SHOP)], self._folder / name, self._cores, env=self.env | told
        )


def node() -> str:
    """Find Node.

    Raises:
        SystemExit: it is not there.
    """
    found = shutil.which("node")
    if found is None:
        raise SystemExit("the instances are Node's: install it with  apt-get install nodejs  (as root)")
    return found


def _is_ours(pid: int) -> bool:
    """Tell whether a pid is still an instance: it may have been given to somebody else since."""
    try:
        return str(SHOP).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
