"""One process and its group: started or adopted, watched through a pidfd, and never mistaken for another.

A pid alone is a number that the kernel gives out again. Here a life is a pid *and* its start time; signals
go through the pidfd, which names the life itself; and a child of ours is left a zombie until the rest of
its group has been killed, so that its number cannot have been given to anybody else by then.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from mainstay.base.errors import EnvironmentProblem
from mainstay.supervisor import procfs
from mainstay.supervisor.spawn import spawn

# pidfd_send_signal(2), Linux 6.9: to the process group that the pidfd names, even after its leader is gone.
_GROUP_FLAG = 4


class Process:
    """A process with its process group, and the news of its end."""

    __slots__ = ("_adopted", "_fd", "_loop", "exited", "on_exit", "pid", "started")

    exited: asyncio.Future[str]
    """The reason of its end once it has ended: `exit code 1`, `killed by SIGKILL`. Wait for it through
    `wait`: a task that is cancelled while it awaits a bare future cancels that future for all."""
    on_exit: Callable[[str], None] | None
    """Called with the reason in the very turn of the event loop that learns of the end."""

    def __init__(self, pid: int, fd: int, started: int, *, adopted: bool) -> None:
        self.pid = pid
        self.started = started
        self.on_exit = None
        self._fd = fd
        self._adopted = adopted
        self._loop = asyncio.get_running_loop()
        self.exited = self._loop.create_future()
        self._loop.add_reader(fd, self._ended)

    @classmethod
    def spawn(  # noqa: PLR0913 - a process takes as many things to start
        cls,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        user: str | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Self:
        """Start a process in a session and group of its own, its output appended to `log`.

        Raises:
            EnvironmentProblem: the command, the folder, the user or the log cannot be used.
        """
        pid = spawn(argv, cwd=cwd, env=env, log=log, user=user, pass_fds=pass_fds)
        try:
            # Nobody but us reaps it, so until then its pid is its own, even if it has already ended.
            now = procfs.stat(pid)
            fd = os.pidfd_open(pid)
        except OSError as problem:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise EnvironmentProblem(f"cannot watch process {pid}: {problem.strerror}") from problem
        return cls(pid, fd, now.started if now is not None else 0, adopted=False)

    @classmethod
    def adopt(cls, pid: int, started: int) -> Self | None:
        """Watch a process that somebody else started; None when that life has ended.

        Args:
            pid: Its process id, also the id of its process group.
            started: Its start time as in `Process.started`; another one means another life.

        Raises:
            OSError: there is no descriptor left to watch it with.
        """
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        # After opening, so that what is looked at is what the pidfd names or something younger.
        try:
            now = procfs.stat(pid)
        except OSError:
            os.close(fd)
            raise
        if now is None or not now.alive or now.started != started:
            if now is not None and now.started == started:
                # A child of ours, if this process was its supervisor before it became another program: nobody
                # else would ever reap it.
                _reap(fd)
            os.close(fd)
            return None
        return cls(pid, fd, started, adopted=True)

    @property
    def letter(self) -> str:
        """Its state as the kernel writes it: T is stopped (frozen), Z a zombie, X gone."""
        now = procfs.stat(self.pid)
        return now.letter if now is not None and now.started == self.started else "X"

    def signal(self, number: int) -> bool:
        """Send a signal to the whole group; False when nobody was there to get it."""
        return self._fd >= 0 and self._send(number)

    async def wait(self) -> str:
        """Wait for its end and give the reason; cancelling this cancels nothing else."""
        return await asyncio.shield(self.exited)

    def let_go(self) -> None:
        """Stop watching it and leave it running; `exited` will then never be told."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _send(self, number: int) -> bool:
        try:
            signal.pidfd_send_signal(self._fd, number, None, _GROUP_FLAG)
        except (ProcessLookupError, PermissionError):
            return False  # gone, or become another user and out of our reach
        except OSError:  # a kernel before 6.9
            return self._send_by_number(number)
        return True

    def _send_by_number(self, number: int) -> bool:
        # The number is still ours if our life holds it, or if nobody does: a group that has members keeps
        # its number from being given out. Only one that has been given out anew must not be hit.
        holder = procfs.stat(self.pid)
        if holder is not None and holder.started != self.started:
            return False
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _ended(self) -> None:
        reason = _peek(self._fd, adopted=self._adopted)
        if reason is None:
            return
        # Before reaping: what it left behind in its group would hold its port and outlive every stop.
        self._send(signal.SIGKILL)
        _reap(self._fd)
        self.let_go()
        if not self.exited.done():
            self.exited.set_result(reason)
        if self.on_exit is not None:
            self.on_exit(reason)


def _peek(fd: int, *, adopted: bool) -> str | None:
    try:
        end = os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        # Somebody else's child: the pidfd tells that it ended, and only its parent may know how.
        return "exit unknown (adopted)" if adopted else "exit unknown"
    if end is None:
        return None
    if end.si_code == os.CLD_EXITED:
        return f"exit code {end.si_status}"
    core = " (core dumped)" if end.si_code == os.CLD_DUMPED else ""
    return f"killed by {signal_name(end.si_status)}{core}"


def _reap(fd: int) -> None:
    with contextlib.suppress(ChildProcessError):  # somebody else's child
        os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG)


def signal_name(number: int) -> str:
    """Give the name of a signal: 9 is `SIGKILL`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
