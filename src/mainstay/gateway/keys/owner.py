"""Who carries out a request: a worker, by its process, and whether that is still there.

A number of a process is used again, so it counts only together with when the process started, the boot, and the
space in which it has that number.
"""

import os
from functools import cache
from pathlib import Path

_STATE, _STARTED = 0, 19
"""Positions in /proc/PID/stat (proc(5)), counted after the name of the command, which may hold anything."""


def ourselves() -> str:
    """Give the name of this process, which no other has or had."""
    pid = os.getpid()
    return f"{_space()}/{pid}/{_started(pid)}"


def is_there(owner: str) -> bool:
    """Tell whether a process of that name still runs."""
    space, _, life = owner.rpartition("/")
    space, _, pid = space.rpartition("/")
    return space == _space() and pid.isdecimal() and life == str(_started(int(pid)))


def _started(pid: int) -> int | None:
    """Give when a process started, in clock ticks since boot; None: it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split(b" ")[1:]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[_STATE] in (b"Z", b"X", b"x") else int(fields[_STARTED])


@cache
def _space() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip("\n")
    return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
