"""Load that comes whether or not it is answered: requests at their own times, latency from the time each was due.

What is late because the proxy is late is counted as late: a request that finds no free connection waits, and
its clock has been running since it was due (no coordinated omission). It is a process of its own, leaner
than `mainstay.drill`, whose cost for each request would leave no room for half of the fastest proxy's peak.

    python -m benchmarks.gateway.arrivals PORT CASE RATE SECONDS SEED

Prints one line of JSON: milliseconds; `late`, which is how late the generator itself was with what it could have sent;
and `busy`, the share of its processor that it used: near 1, it is the generator that was measured.
"""

import ctypes
import gc
import json
import os
import random
import re
import select
import socket
import subprocess
import sys
from collections import deque
from time import monotonic, process_time

from benchmarks.gateway.request import CASES

CONNECTIONS = 64
PATIENCE = 5.0
"""Seconds after the last arrival in which what is under way may still be answered."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_LEAD = 0.05
_MONOTONIC = 1
_ABSOLUTE = 1


class _Timer:
    """A timer of the kernel that is exact to microseconds; event loops count in milliseconds."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def set(self, due: float) -> None:
        seconds = int(due)
        spec = (ctypes.c_long * 4)(0, 0, seconds, int((due - seconds) * 1e9) + 1)
        self._libc.timerfd_settime(self.fd, _ABSOLUTE, spec, None)


class Load:
    """Kept connections to one proxy, and the requests that are due on them."""

    def __init__(self, port: int, request: bytes) -> None:
        self._request = request
        self._timer, self._poll = _Timer(), select.epoll()
        self._poll.register(self._timer.fd, select.EPOLLIN)
        self._lines: dict[int, socket.socket] = {}
        for _ in range(CONNECTIONS):
            made = socket.create_connection(("127.0.0.1", port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setblocking(False)
            self._lines[made.fileno()] = made
            self._poll.register(made, select.EPOLLIN)
        self._free = list(self._lines)
        self._flying: dict[int, float] = {}
        self._got: dict[int, bytes] = {}
        self._waiting: deque[float] = deque()
        self._took: list[float] = []
        self._late: list[float] = []
        self._failed = 0

    def run(self, due: list[float]) -> dict[str, float]:
        """Send a request at each of these times, in seconds from now on; give what became of them."""
        began, used = monotonic() + _LEAD, process_time()
        due = [began + at for at in due]
        end = due[-1] + PATIENCE
        place, count = 0, len(due)
        while len(self._took) + self._failed < count and (now := monotonic()) < end:
            while place < count and due[place] <= now:
                self._waiting.append(due[place])
                if self._free:
                    self._late.append(now - due[place])
                place += 1
            while self._waiting and self._free:
                fd = self._free.pop()
                self._flying[fd] = self._waiting.popleft()
                self._lines[fd].send(self._request)
            self._timer.set(due[place] if place < count else end)
            for fd, _ in self._poll.poll():
                if fd == self._timer.fd:
                    os.read(fd, 8)
                else:
                    self._read(fd)
        # Who was never answered has waited at least until now.
        lost = count - len(self._took) - self._failed
        self._took += [PATIENCE] * lost
        for made in self._lines.values():
            made.close()
        busy = (process_time() - used) / (monotonic() - began)
        return {"busy": round(busy, 3), **_told(self._took, self._late, self._failed + lost)}

    def _read(self, fd: int) -> None:
        data = self._got.pop(fd, b"") + self._lines[fd].recv(262144)
        at = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, at + 2) if at > 0 else None
        if fd not in self._flying or not data or (at > 0 and length is None):
            raise SystemExit(f"a connection ended, or an answer had no length: {data[:200]!r}")
        if length is None or len(data) < at + 4 + int(length[1]):
            self._got[fd] = data
            return
        due = self._flying.pop(fd)
        if data.startswith(b"HTTP/1.1 200"):
            self._took.append(monotonic() - due)
        else:
            self._failed += 1
        self._free.append(fd)


def _told(took: list[float], late: list[float], failed: int) -> dict[str, float]:
    took.sort()
    late.sort()

    def at(values: list[float], share: float) -> float:
        return round(values[min(len(values) - 1, int(len(values) * share))] * 1000, 4) if values else 0.0

    return {
        "requests": len(took),
        "failed": failed,
        "p50": at(took, 0.5),
        "p99": at(took, 0.99),
        "p999": at(took, 0.999),
        "max": at(took, 1.0),
        "late_p50": at(late, 0.5),
        "late_p999": at(late, 0.999),
    }


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Give times of arrivals that know nothing of one another."""
    dice = random.Random(seed)
    times, now = [], 0.0
    while (now := now + dice.expovariate(rate)) < seconds:
        times.append(now)
    return times


def run(  # noqa: PLR0913 - what a load is
    port: int, case: str, *, rate: float, seconds: float, seed: int, core: str
) -> dict[str, float]:
    """Put such a load on a proxy, from a process of its own."""
    argv = ["taskset", "-c", core, sys.executable, "-m", "benchmarks.gateway.arrivals"]
    ran = subprocess.run(
        [*argv, str(port), case, str(rate), str(seconds), str(seed)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(f"arrivals on port {port} failed: {ran.stderr or ran.stdout}")
    return {"rate": rate, **json.loads(ran.stdout)}


def main() -> None:
    """Run as told."""
    port, case, rate, seconds, seed = sys.argv[1:]
    gc.disable()
    times = poisson(float(rate), float(seconds), int(seed))
    print(json.dumps(Load(int(port), CASES[case].wire(int(port))).run(times)))


if __name__ == "__main__":
    main()
