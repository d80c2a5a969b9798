"""What the kernel tells of processes through `/proc` (proc(5))."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Positions in /proc/PID/stat counted after the command name, which may itself hold spaces and brackets.
_STATE, _GROUP, _SESSION, _STARTED = 0, 2, 3, 19


class Stat(NamedTuple):
    """One process at one moment."""

    letter: str
    """Its state: R running, S sleeping, D waiting for a disk, T stopped, Z zombie, X gone."""
    group: int
    """The process group it is in."""
    session: int
    """The session it is in."""
    started: int
    """When it started, in clock ticks since boot: with the pid, this names one life and no other."""

    @property
    def alive(self) -> bool:
        """Whether it still runs: a zombie has ended and only waits to be reaped."""
        return self.letter not in "ZXx"


def stat(pid: int) -> Stat | None:
    """Look at a process; None when there is none with that pid."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Stat(fields[_STATE].decode(), int(fields[_GROUP]), int(fields[_SESSION]), int(fields[_STARTED]))


def environ(pid: int) -> dict[str, str]:
    """Read the environment a process was started with; empty when it is gone, or not ours to read."""
    try:
        pairs = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def pids() -> Iterator[int]:
    """Go through the pids of all processes that can be seen."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds of names, none of which needs to be a Path
        if name.isdecimal():
            yield int(name)


def life_space() -> str:
    """Name the space in which a pid and a start time name one life: this boot and this pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
