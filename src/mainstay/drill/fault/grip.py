"""How processes are broken, each in one way: what is done, how it is confirmed, and how it is undone.

A grip is held by a process of its own (`hold`), which undoes it when nobody wants it any more. All of it works without
privileges on processes of the same user.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from mainstay.drill.fault.faketime import RIGHT
from mainstay.drill.fault.intent import Intent, is_that, put, send
from mainstay.supervisor import procfs
from mainstay.supervisor.orphan import of_instance

PATIENCE = 5.0
"""Seconds in which what was done has to show."""
LOOK = 0.005
_FULL = 4096
_CLOCK_SLACK = 5.0
_CHUNK = 2**20


class Order(NamedTuple):
    """What is to be broken."""

    fault: str
    """By its name, as in a drill's plan."""
    grip: str
    """One of `GRIPS`."""
    run_dir: str
    """Of the system whose instances are meant."""
    targets: Sequence[str]
    """Instances, or whatever else it is aimed at, by name."""
    pids: Sequence[tuple[int, int]] = ()
    """Pid and start time of processes that are meant, where those are not instances."""
    lease: float = 10.0
    """Seconds after which it is undone unless it was renewed."""
    parameters: Mapping[str, Any] = {}
    undo: Sequence[str] = ()
    """The command by which it is undone, where that takes one."""
    site: Mapping[str, Any] = {}
    """What a fault that others bring is told beside all this."""


class Failed(Exception):
    """It has not done what it is to do: a drill with it proves nothing."""


class Grip:
    """One way to break something."""

    def __init__(self, order: Order, intent: Intent) -> None:
        self.order = order
        self.intent = intent

    def take(self) -> str:
        """Do it, and give the evidence that it is done.

        Raises:
            Failed: it is not.
        """
        raise NotImplementedError

    def look(self) -> None:
        """Keep it up; called again and again while it is held."""

    def release(self) -> list[str]:
        """Undo it; give what could not be undone."""
        return self.intent.undo()

    def shown(self) -> str:
        """Give what more can be told when it is over.

        Raises:
            Failed: it has not acted after all.
        """
        return ""

    def meant(self) -> list[tuple[int, int]]:
        """Give pid and start time of every process that is meant and lives."""
        if self.order.pids:
            return [one for one in self.order.pids if is_that(*one)]
        run_dir = Path(self.order.run_dir)
        return [one for name in self.order.targets for one in of_instance(run_dir, name)]

    def expect(self) -> list[tuple[int, int]]:
        """Likewise; there must be some of each target."""
        found = self.meant()
        run_dir = Path(self.order.run_dir)
        missing = [
            name for name in self.order.targets if not self.order.pids and not of_instance(run_dir, name)
        ]
        if missing or not found:
            raise Failed(f"no process of {', '.join(missing or self.order.targets)} was found")
        return found


def until(holds: Callable[[], bool], limit: float = PATIENCE) -> bool:
    """Wait until something holds; False when it does not in time."""
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK)
    return True


class Kill(Grip):
    """SIGKILL."""

    def take(self) -> str:
        """Kill all of them."""
        return _ended_by(self, signal.SIGKILL)


class Stop(Grip):
    """SIGTERM, as the one that stops a service in order."""

    def take(self) -> str:
        """Ask all of them to end."""
        found = self.expect()
        self.intent.add()
        asked = [pid for pid, started in found if send(pid, started, signal.SIGTERM)]
        if not asked:
            raise Failed("every process had ended before SIGTERM was sent")
        return f"SIGTERM sent to {_words(asked)}"


def _ended_by(grip: Grip, number: int) -> str:
    found = grip.expect()
    grip.intent.add()
    for pid, started in found:
        send(pid, started, number)
    if not until(lambda: not any(is_that(*one) for one in found)):
        raise Failed(f"{_words([pid for pid, _ in found])} did not end")
    return f"{_words([pid for pid, _ in found])} ended"


class Freeze(Grip):
    """SIGSTOP, until SIGCONT."""

    def take(self) -> str:
        """Stop all of them, also those that were started meanwhile."""
        self.expect()
        stopped: dict[tuple[int, int], None] = {}
        while fresh := [one for one in self.meant() if one not in stopped]:
            stop_all(self.intent, fresh)
            stopped.update(dict.fromkeys(fresh))
        if not until(lambda: all(is_stopped(*one) for one in stopped if is_that(*one))):
            raise Failed("a process does not stop by SIGSTOP")
        if not any(is_that(*one) for one in stopped):
            raise Failed("every process had ended before it was stopped")
        return f"{_words([pid for pid, _ in stopped])} stopped (state T)"


def stop_all(intent: Intent, processes: Sequence[tuple[int, int]]) -> None:
    """Stop processes, the way back written down first."""
    intent.add(*({"signal": [pid, started, signal.SIGCONT]} for pid, started in processes))
    for pid, started in processes:
        send(pid, started, signal.SIGSTOP)


def is_stopped(pid: int, started: int) -> bool:
    """Tell whether a process is stopped by a signal."""
    now = procfs.stat(pid)
    return now is not None and now.started == started and now.letter in "Tt"


class CrashLoop(Grip):
    """SIGKILL to one life after another."""

    def __init__(self, order: Order, intent: Intent) -> None:
        super().__init__(order, intent)
        self._killed: set[tuple[int, int]] = set()

    def take(self) -> str:
        """Kill the first."""
        return _ended_by(self, signal.SIGKILL)

    def look(self) -> None:
        """Kill the next, if there is one."""
        for pid, started in self.meant():
            if send(pid, started, signal.SIGKILL):
                self._killed.add((pid, started))

    def shown(self) -> str:
        """Give how many have followed."""
        if not self._killed:
            raise Failed("no next process was started while it went on, so that there was no loop")
        return f"and {len(self._killed)} more, each as soon as it was started"


class SlowStart(Grip):
    """A next life that takes its time to start."""

    def __init__(self, order: Order, intent: Intent) -> None:
        super().__init__(order, intent)
        self._stopped: dict[tuple[int, int], float] = {}
        self._seen: set[tuple[int, int]] = set()
        self._late: list[tuple[int, int]] = []

    def take(self) -> str:
        """Kill the present life."""
        self._seen.update(self.expect())
        return _ended_by(self, signal.SIGKILL)

    def look(self) -> None:
        """Stop what is new, and let go on what was stopped for long enough."""
        now, delay = time.monotonic(), float(self.order.parameters["delay"])
        fresh = [one for one in self.meant() if one not in self._seen]
        if fresh:
            stop_all(self.intent, fresh)
            self._seen.update(fresh)
            self._stopped.update(dict.fromkeys(fresh, now))
            self._late += fresh
        for one, since in list(self._stopped.items()):
            if now - since >= delay:
                del self._stopped[one]
                send(*one, signal.SIGCONT)

    def shown(self) -> str:
        """Give which were held up."""
        if not self._late:
            raise Failed("no next process was started while it went on, so that none was slow")
        return f"{_words([pid for pid, _ in self._late])} stopped for {self.order.parameters['delay']:g} s at most"


class Limit(Grip):
    """A soft limit of the instance's processes, set to what they have."""

    def take(self) -> str:
        """Let them have no more than they have."""
        name = _LIMITS[self.order.grip]
        which = getattr(resource, name)
        said = []
        for pid, started in self.expect():
            soft, hard = resource.prlimit(pid, which)
            self.intent.add({"limit": [pid, started, name, soft]})
            has = _has(pid, name)
            resource.prlimit(pid, which, (has, hard))
            if resource.prlimit(pid, which)[0] != has:
                raise Failed(f"{name} of pid {pid} could not be set")
            said.append(f"pid {pid}: {name} {has}")
        return "; ".join(said)


_LIMITS = {"files": "RLIMIT_NOFILE", "memory": "RLIMIT_AS"}


def _has(pid: int, name: str) -> int:
    try:
        if name == "RLIMIT_NOFILE":
            # The lowest number that is free is the next that is given out (POSIX), and must be too high.
            used = {int(number) for number in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208 - names only
            return next(number for number in range(len(used) + 1) if number not in used)
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split(" ", 1)[0])
    except (OSError, ValueError) as problem:
        raise Failed(f"pid {pid} cannot be looked at: {problem}") from problem
    return pages * resource.getpagesize()


_SPIN = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(100_000):
        pass
"""


class Busy(Grip):
    """Processes that compute, as nice as the instance is; each ends when the one that started it has."""

    def __init__(self, order: Order, intent: Intent) -> None:
        super().__init__(order, intent)
        self._spinning: list[subprocess.Popen[bytes]] = []

    def take(self) -> str:
        """Start one for each processor that may be used."""
        found = self.expect()
        self.intent.add()
        # Told by number: when it is looked up by a process that has only just begun, its parent may be gone already.
        words = [sys.executable, "-I", "-c", _SPIN, str(os.getpid())]
        for _ in os.sched_getaffinity(0):
            self._spinning.append(subprocess.Popen(words, stdin=subprocess.DEVNULL))  # noqa: S603
        for one in self._spinning:
            # Where we may not be as eager as the instance, we are as eager as we may.
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, one.pid, os.getpriority(os.PRIO_PROCESS, found[0][0]))
        if not until(lambda: all(_used(one.pid) for one in self._spinning)):
            raise Failed("the processes that are to compute got no time on a processor")
        return f"{len(self._spinning)} processes compute"

    def release(self) -> list[str]:
        """End them."""
        for one in self._spinning:
            one.kill()
            one.wait()
        return super().release()


def _used(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[11]) + int(fields[12]) > 0


class Disk(Grip):
    """A folder's file system without room."""

    def take(self) -> str:
        """Fill it, if it is one that nobody else needs."""
        folder = Path(self.order.parameters["folder"])
        most = int(self.order.parameters["most"])
        try:
            alone = folder.stat().st_dev != folder.resolve().parent.stat().st_dev
            free = _free(folder)
        except OSError as problem:
            raise Failed(f"{folder}: {(problem.strerror or str(problem)).lower()}") from problem
        if not alone:
            raise Failed(f"{folder} is no file system of its own: others would be without room as well")
        if free > most:
            raise Failed(f"{folder} has {free} bytes free, above the {most} that a drill takes")
        path = folder / f".mainstay-drill-{os.getpid()}"
        self.intent.add({"remove": str(path)})
        with path.open("wb", buffering=0) as file:
            for size in (_CHUNK, _FULL, 1):
                _fill(file.fileno(), size)
            os.fsync(file.fileno())
        if _free(folder) > _FULL:
            raise Failed(f"{folder} still has {_free(folder)} bytes free")
        return f"{folder}: {_free(folder)} bytes free"


def _fill(fd: int, size: int) -> None:
    piece = b"\0" * size
    try:
        while os.write(fd, piece):
            pass
    except OSError:
        return  # full, for pieces of this size


def _free(folder: Path) -> int:
    seen = os.statvfs(folder)
    return seen.f_bavail * seen.f_frsize


class Clock(Grip):
    """The clock that processes see, moved by libfaketime, which they were started with."""

    def take(self) -> str:
        """Move it, and see whether the instance's answers tell the new time."""
        file, by = Path(self.order.parameters["file"]), float(self.order.parameters["by"])
        found = self.expect()
        if not any(_has_faketime(pid) for pid, _ in found):
            raise Failed(
                f"libfaketime is not loaded in {_words([pid for pid, _ in found])}: is it linked statically?"
            )
        before = self._off(found)
        self.intent.add({"write": [str(file), RIGHT]})
        put(file, f"{by:+g}\n")
        if before is None:
            return f"{file} says {by:+g} s; its answers have no Date by which that could be seen"
        if not until(lambda: abs((self._off(found) or 0.0) - by) < _CLOCK_SLACK):
            raise Failed(
                "its answers tell the right time as before (Date): it does not ask libc what time it is"
            )
        return f"its answers tell a time that is {by:+g} s off (Date)"

    def _off(self, found: Sequence[tuple[int, int]]) -> float | None:
        """Give how far the time is off that an answer tells, in seconds; None when none does."""
        ports = {procfs.environ(pid).get("PORT", "") for pid, _ in found}
        for port in ports:
            with contextlib.suppress(OSError, HTTPException, ValueError, TypeError):
                connection = HTTPConnection("127.0.0.1", int(port), timeout=1.0)
                try:
                    connection.request("GET", str(self.order.parameters["path"]))
                    told = parsedate_to_datetime(connection.getresponse().headers["Date"])
                finally:
                    connection.close()
                return told.timestamp() - time.time()
        return None


def _has_faketime(pid: int) -> bool:
    try:
        return "libfaketime" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


class Supervisor(Grip):
    """The supervisor, killed; what undoes it is another `mainstay up`."""

    def take(self) -> str:
        """Kill it."""
        found = self.expect()
        self.intent.add({"run": list(self.order.undo)})
        for pid, started in found:
            send(pid, started, signal.SIGKILL)
        if not until(lambda: not any(is_that(*one) for one in found)):
            raise Failed("the supervisor did not end")
        return f"{_words([pid for pid, _ in found])} ended"


GRIPS: dict[str, type[Grip]] = {
    "kill": Kill,
    "stop": Stop,
    "freeze": Freeze,
    "crash-loop": CrashLoop,
    "slow-start": SlowStart,
    "cpu": Busy,
    "memory": Limit,
    "files": Limit,
    "disk": Disk,
    "clock": Clock,
    "supervisor-kill": Supervisor,
}
"""All grips by name."""


def _words(pids: Sequence[int]) -> str:
    return f"pid {', '.join(map(str, pids))}"
