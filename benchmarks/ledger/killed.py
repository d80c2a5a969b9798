"""`python -m benchmarks ledger --killed 100`: all processes of a system are killed at a random moment, under load, many times.

After each time: the file is whole, sums of all levels agree, and what the ledger counted are the requests that users were answered, but
for those of the last seconds, which is told beside its bound; the time after is unknown. Every third time the supervisor alone is
killed and another one takes over: then nothing is lost, and nothing is counted twice.
"""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from pathlib import Path
from typing import Any, NamedTuple

from mainstay.base.dice import Dice
from mainstay.base.errors import MainstayError
from mainstay.base.program import module
from mainstay.cli.talk import ask
from mainstay.ledger.audit import audit
from mainstay.ledger.store import SERVICE, Store, Subject, reading
from mainstay.reliability.span import UNKNOWN, within
from mainstay.supervisor.rundir import RunDir

BOUND = 4.0
"""Seconds of requests that may be lost: counts come from the workers twice a second, are looked at every 2 s, and written every
second; and the rest for who is late on a busy machine."""
WEB = Subject(SERVICE, "web", "web")
_PATIENCE = 60.0
_FIRST, _LAST = 0.2, 5.0
_SYSTEM = """
name: killed
gateway: { workers: 2 }
services:
  web:
    command: PYTHON -m http.server --bind 127.0.0.1 $PORT
    instances: 2
    listen: http://127.0.0.1:LISTEN
"""


class Found(NamedTuple):
    """What one time has shown."""

    all_killed: bool
    lost: float
    """Seconds of requests that the ledger does not have."""
    wrong: list[str]


class Users:
    """One after another, for as long as somebody answers."""

    def __init__(self, port: int) -> None:
        """Begin; nobody needs to be there yet."""
        self.answered: list[float] = []
        self.tried = 0
        self._port = port
        self._goes = threading.Event()
        self._still = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def go(self) -> None:
        """Ask."""
        self._goes.set()

    def rest(self) -> None:
        """Ask no more, and return when the last one has been answered."""
        self._still.clear()
        self._goes.clear()
        assert self._still.wait(_PATIENCE)

    def close(self) -> None:
        """End it."""
        self._over = True
        self._goes.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over:
            if not self._goes.is_set():
                self._still.set()
                self._goes.wait()
            self.tried += 1
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/empty")
                connection.getresponse().read()
                self.answered.append(time.time())
            connection.close()
            time.sleep(0.004)


class Yard:
    """A system that is killed again and again."""

    def __init__(self, folder: Path, port: int, *, last: float = _LAST, seed: int = 7) -> None:
        """Write it down.

        Args:
            folder: Where; empty.
            port: On which nobody listens.
            last: Seconds after which it is killed at the latest.
            seed: Of the moments.
        """
        self._last = last
        self._folder = folder
        self._run = RunDir(folder / ".mainstay")
        self._dice = Dice(seed)
        text = _SYSTEM.replace("PYTHON", sys.executable).replace("LISTEN", str(port))
        (folder / "mainstay.yaml").write_text(text)
        (folder / "empty").touch()
        self.users = Users(port)
        # What the ledger had, and who had been answered and had asked, when all was last known.
        self._had = self._answered = self._tried = 0
        self._gap: tuple[float, float] | None = None

    def up(self) -> None:
        """Start it, or take it over."""
        began = time.time()
        done = subprocess.run(
            module("mainstay", "up", "--detach"),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        if self._gap is not None and self._gap[0] == self._gap[1]:
            self._gap = (self._gap[0], began)

    def close(self) -> None:
        """End all of it."""
        self.users.close()
        subprocess.run(
            module("mainstay", "down"), cwd=self._folder, capture_output=True, check=False, timeout=_PATIENCE
        )

    def kill_all(self) -> Found:
        """Kill everything at a random moment, and look at what is left."""
        self.users.go()
        time.sleep(self._dice.between(_FIRST, self._last))
        status = self._status()
        for pid in _pids(status):
            os.kill(pid, signal.SIGKILL)
        at = time.time()
        self.users.rest()
        with reading(self._run.ledger) as store:
            wrong = audit(store)
            counted = self._counted() - self._had
            seen = store.watched_until or 0.0
            wrong += self._between(store)
        mine = self.users.answered[self._answered :]
        tried = self.users.tried - self._tried
        lost = at - mine[counted] if counted < len(mine) else 0.0
        known = bisect_right(mine, at - BOUND)
        if not known <= counted <= tried:
            wrong.append(f"{counted} were counted, {len(mine)} answered ({known} by then), {tried} asked")
        if not at - BOUND <= seen <= at:
            wrong.append(f"somebody watched until {at - seen:.1f} s before the end")
        self._had += counted
        self._answered, self._tried = len(self.users.answered), self.users.tried
        self._gap = (at, at)
        return Found(True, max(0.0, lost), wrong)

    def kill_supervisor(self) -> Found:
        """Kill the supervisor alone at a random moment, have another one take over, and see that each request is counted once."""
        self.users.go()
        time.sleep(self._dice.between(_FIRST, self._last))
        os.kill(self._status()["supervisor_pid"], signal.SIGKILL)
        time.sleep(self._dice.between(0.0, 1.0))
        self.up()
        self.users.rest()
        mine = len(self.users.answered) - self._answered
        deadline = time.monotonic() + 4 * BOUND
        while (counted := self._counted() - self._had) < mine and time.monotonic() < deadline:
            time.sleep(0.05)
        wrong = [] if counted == mine else [f"{counted} were counted, and {mine} answered"]
        return Found(False, 0.0, wrong)

    def _between(self, store: Store) -> list[str]:
        """See that the time in which nothing ran is unknown."""
        if self._gap is None:
            return []
        since, until = self._gap
        spans = within(store.spans(WEB, since, until, time.time()), since, until)
        return [f"it was {span.state} while nothing ran" for span in spans if span.state != UNKNOWN]

    def _counted(self) -> int:
        with reading(self._run.ledger) as store:
            return store.counted(WEB, 0, time.time() + 86400).counts.get("requests", 0)

    def _status(self) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(MainstayError):
                return dict(ask(self._run, "/v1/status"))
            assert time.monotonic() < deadline
            time.sleep(0.02)


def run(folder: Path, times: int) -> int:
    """Do it; give 0 if all was as it has to be."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yard = Yard(folder, port)
    found: list[Found] = []
    try:
        for number in range(times):
            yard.up()
            if number % 3 == 2:  # noqa: PLR2004 - every third time
                found.append(yard.kill_supervisor())
            found.append(yard.kill_all())
            for what in found[-2:]:
                for wrong in what.wrong:
                    print(f"{number}: {wrong}", flush=True)
    finally:
        yard.close()
    lost = sorted(one.lost for one in found if one.all_killed)
    over = sum(not one.all_killed for one in found)
    print(
        f"all killed {len(lost)} times, and the supervisor alone {over} times; {len(yard.users.answered)} requests were answered"
    )
    print(
        f"seconds of requests that were lost: {lost[len(lost) // 2]:.2f} in the middle, {lost[-1]:.2f} at most, bound {BOUND:.0f}"
    )
    wrong = sum(bool(one.wrong) for one in found)
    print(
        "nothing was wrong"
        if not wrong
        else f"{wrong} times something was wrong; what is left is in {folder}"
    )
    if not wrong:
        shutil.rmtree(folder)
    return 1 if wrong else 0


def _pids(status: dict[str, Any]) -> list[int]:
    return [
        status["supervisor_pid"],
        *(worker["pid"] for worker in status["workers"]),
        *(row["pid"] for row in status["instances"] if row["pid"]),
    ]
