"""What processes have used, read from the kernel."""

import os
from pathlib import Path

import psutil

_TICK = os.sysconf("SC_CLK_TCK")


def tree(pids: list[int]) -> list[int]:
    """Give processes with all of their descendants."""
    found = []
    for pid in pids:
        top = psutil.Process(pid)
        found += [pid, *(child.pid for child in top.children(recursive=True))]
    return found


def cpu(pids: list[int]) -> float:
    """Add up the CPU seconds, user and system, that processes have used so far."""
    total = 0
    for pid in pids:
        # Behind the name, which may hold anything: field 14 is utime, 15 is stime (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def memory(pids: list[int]) -> int:
    """Add up the bytes of memory that processes have, what they share counted once (PSS)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
