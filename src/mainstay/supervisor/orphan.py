"""Processes that a killed supervisor left behind and that nobody will ever stop unless they are found here.

There are two kinds. One that was started, and the supervisor was killed before it could write down its pid:
it is found by the mark in its environment. And what is left of an instance whose first process has ended
meanwhile: it is found by its session, which keeps its number for as long as it has a member.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mainstay.supervisor import mark, procfs
from mainstay.supervisor.procfs import Stat
from mainstay.supervisor.state import LifeRecord

_PATIENCE = 2.0


def end_unrecorded(run_dir: Path, meant: Iterable[LifeRecord]) -> list[int]:
    """Kill the processes of lives that were meant to be started and may have been; give their pids."""
    marks = {(life.name, str(life.generation)) for life in meant}
    return _end(lambda pid, _: bool(marks) and _mark(pid, run_dir) in marks)


def end_marked(run_dir: Path) -> list[int]:
    """Kill every process that bears the mark of a run directory, when nothing else is known; give their pids."""
    return _end(lambda pid, _: _mark(pid, run_dir) is not None)


def marked(run_dir: Path) -> list[int]:
    """Give the pids of the processes that bear the mark of a run directory."""
    return [
        pid
        for pid in procfs.pids()
        if pid != os.getpid() and _matches(pid, lambda pid, _: _mark(pid, run_dir) is not None)
    ]


def of_instance(run_dir: Path, name: str) -> list[tuple[int, int]]:
    """Give pid and start time of every process of an instance, whoever started it, by the mark that they bear."""
    found = []
    for pid in procfs.pids():
        now = procfs.stat(pid)
        if now is None or not now.alive or pid == os.getpid():
            continue
        bears = _mark(pid, run_dir)
        if bears is not None and bears[0] == name:
            found.append((pid, now.started))
    return found


def end_rest(gone: Iterable[LifeRecord]) -> list[int]:
    """Kill what is left of the sessions of lives that have ended; give their pids."""
    sessions = {}
    for life in gone:
        leader = procfs.stat(life.pid)
        # With another life under the leader's number, its session was empty when that was given out anew.
        if leader is None or leader.started == life.started:
            sessions[life.pid] = life.started
    return _end(lambda _, now: now.session in sessions and now.started >= sessions[now.session])


def _mark(pid: int, run_dir: Path) -> tuple[str, str] | None:
    values = procfs.environ(pid)
    if values.get(mark.RUN_DIR) != str(run_dir) or mark.INSTANCE not in values:
        return None
    return values[mark.INSTANCE], values.get(mark.GENERATION, "")


def _end(ours: Callable[[int, Stat], bool]) -> list[int]:
    ended = []
    watched: list[int] = []
    for pid in procfs.pids():
        if pid == os.getpid() or not _matches(pid, ours):
            continue
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            continue  # it has ended by itself
        # Once more, now that the number cannot change hands any more.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if _matches(pid, ours):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                ended.append(pid)
        watched.append(fd)
    # What they held, a port above all, is free only when they have ended.
    deadline = time.monotonic() + _PATIENCE
    for fd in watched:
        select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        os.close(fd)
    return ended


def _matches(pid: int, ours: Callable[[int, Stat], bool]) -> bool:
    now = procfs.stat(pid)
    return now is not None and now.alive and ours(pid, now)
