"""What was about to be done, and how it is undone: on the disk before anything is done.

One file for each fault, in the run directory's `drills/faults`. Whoever does the fault removes it when all is as it
was. What is left there after a crash is undone by `mainstay drill undo`, and by every start of a system: the steps may
be taken any number of times.

=================================== ===============================================================
{"signal": [pid, started, number]}  the process, if it is still that one, gets the signal
{"limit": [pid, started, name, n]}  its soft limit of that name is set back
{"remove": path}                    the file is removed
{"write": [path, text]}             the file says this, if its folder is still there
{"run": [word, ...]}                the command is run, and waited for
=================================== ===============================================================
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mainstay.supervisor import procfs

Step = dict[str, Any]
_PATIENCE = 60.0


class Intent:
    """What one fault is about to do."""

    def __init__(self, path: Path, fault: str, targets: Sequence[str]) -> None:
        self._path = path
        now = procfs.stat(os.getpid())
        self._record: dict[str, Any] = {
            "version": 1,
            "fault": fault,
            "targets": list(targets),
            "holder": [os.getpid(), now.started if now is not None else 0],
            "undo": [],
        }

    def add(self, *steps: Step) -> None:
        """Write down how what is about to be done is undone; it is on the disk when this returns."""
        self._record["undo"] += steps
        beside = self._path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(self._record, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)

    def undo(self) -> list[str]:
        """Undo all of it, and forget it; give what could not be undone."""
        left = take_back(self._record["undo"])
        if not left:
            self._path.unlink(missing_ok=True)
        return left

    def forget(self) -> None:
        """Forget it: all is as it was."""
        self._path.unlink(missing_ok=True)


def undo_left(folder: Path, *, held: bool = False) -> tuple[list[str], list[str]]:
    """Undo whatever faults were left behind by a process that is no more.

    Args:
        folder: Where their intents are.
        held: Whether those that a living process holds are undone as well; it is ended first.

    Returns:
        What was undone, and what could not be, in words.
    """
    done: list[str] = []
    left: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            steps, (pid, started) = told["undo"], told["holder"]
            what = f"{told['fault']} at {', '.join(told['targets'])}"
        except (OSError, ValueError, KeyError, TypeError):
            left.append(f"{path} cannot be read")
            continue
        if is_that(pid, started):
            if not held:
                continue
            send(pid, started, signal.SIGKILL)
        troubles = take_back(steps)
        if troubles:
            left += [f"{what}: {trouble}" for trouble in troubles]
        else:
            path.unlink(missing_ok=True)
            done.append(what)
    return done, left


def take_back(steps: Sequence[Step]) -> list[str]:
    """Take each step; give what could not be done."""
    troubles = []
    for step in reversed(steps):
        try:
            _take(step)
        except (OSError, ValueError, subprocess.SubprocessError) as problem:
            troubles.append(str(problem))
    return troubles


def _take(step: Step) -> None:
    if "signal" in step:
        pid, started, number = step["signal"]
        send(pid, started, number)
    elif "limit" in step:
        pid, started, name, soft = step["limit"]
        if is_that(pid, started):
            which = getattr(resource, name)
            _, hard = resource.prlimit(pid, which)
            resource.prlimit(pid, which, (soft, hard))
    elif "remove" in step:
        Path(step["remove"]).unlink(missing_ok=True)
    elif "write" in step:
        path, said = step["write"]
        with contextlib.suppress(FileNotFoundError):
            put(Path(path), said)
    elif "run" in step:
        ended = subprocess.run(  # noqa: S603 - our own command
            step["run"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
        # 5: it runs already, which is what was wanted.
        if ended.returncode not in (0, 5):
            raise OSError(ended.stderr.decode(errors="replace").strip() or f"exit code {ended.returncode}")


def put(path: Path, said: str) -> None:
    """Have a file say something else; who reads it sees all of one or all of the other."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(said, encoding="ascii")
    beside.replace(path)


def is_that(pid: int, started: int) -> bool:
    """Tell whether a pid still is the process that was meant."""
    now = procfs.stat(pid)
    return now is not None and now.started == started and now.alive


def send(pid: int, started: int, number: int) -> bool:
    """Send a signal to exactly that process; False when there is none any more."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # After opening: what is looked at is what the pidfd names.
        if not is_that(pid, started):
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, number)
            return True
        return False
    finally:
        os.close(fd)
