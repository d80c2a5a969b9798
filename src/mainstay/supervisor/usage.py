"""What processes use: CPU and memory, each with all of its children."""

from collections.abc import Iterable
from typing import NamedTuple

import psutil


class Used(NamedTuple):
    """What one process with its children uses."""

    cpu: float
    """Share of one core between the last two looks: 1.5 is one and a half cores."""
    memory: int
    """Resident memory in bytes; pages that several of them share count for each."""


class Usage:
    """The usage of some processes, looked at now and then by one who keeps time.

    Whoever reads it changes nothing, so that two readers do not disturb each other.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, tuple[float, float]] = {}
        self._used: dict[int, Used] = {}

    def look(self, now: float, pids: Iterable[int]) -> None:
        """Look at these processes, and forget all others.

        Args:
            now: Monotonic seconds.
            pids: The processes.
        """
        seconds: dict[int, tuple[float, float]] = {}
        used: dict[int, Used] = {}
        for pid in pids:
            try:
                total, memory = _added_up(pid)
            except psutil.Error:
                continue  # it has just ended
            seconds[pid] = (now, total)
            before, spent = self._seconds.get(pid, (now, total))
            share = (total - spent) / (now - before) if now > before else 0.0
            # A child that ended takes its seconds with it.
            used[pid] = Used(max(0.0, share), memory)
        self._seconds, self._used = seconds, used

    def of(self, pid: int | None) -> Used | None:
        """Give what was seen of a process; None before the first look at it."""
        return self._used.get(pid) if pid is not None else None


def _added_up(pid: int) -> tuple[float, int]:
    seconds, memory = 0.0, 0
    top = psutil.Process(pid)
    for process in (top, *top.children(recursive=True)):
        try:
            times = process.cpu_times()
            memory += process.memory_info().rss
        except psutil.Error:
            if process is top:
                raise
            continue
        seconds += times.user + times.system
    return seconds, memory
