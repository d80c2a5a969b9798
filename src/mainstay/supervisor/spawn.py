"""Starting one program with nothing of ours in it: no descriptors, no signal settings, no terminal."""

import errno
import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from mainstay.base.errors import EnvironmentProblem


class Account(NamedTuple):
    """A user to become."""

    name: str
    uid: int
    gid: int
    home: str


def account(user: str) -> Account:
    """Look up a user by name or number.

    Raises:
        EnvironmentProblem: there is none.
    """
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise EnvironmentProblem(f"user '{user}' does not exist on this machine") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def spawn(  # noqa: PLR0913 - a process takes as many things to start
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    user: str | None = None,
    pass_fds: Sequence[int] = (),
) -> int:
    """Start a program in a session of its own and give its pid, which nobody but the caller may reap.

    It reads from /dev/null, appends what it writes to `log`, has default signal settings, and inherits no
    descriptor besides `pass_fds`. That it appends is what lets the log be cut short under its hands.

    Raises:
        EnvironmentProblem: the command, the folder, the user or the log cannot be used.
    """
    if not cwd.is_dir():
        raise EnvironmentProblem(f"folder '{cwd}' does not exist")
    become = account(user) if user is not None else None
    output = _output(log)
    try:
        return _start(argv, cwd, env, output, become, pass_fds)
    except (OSError, ValueError) as problem:
        raise EnvironmentProblem(_explain(problem, argv[0], cwd, become)) from problem
    except subprocess.SubprocessError as problem:
        raise EnvironmentProblem(f"cannot start '{argv[0]}': {problem}") from problem
    finally:
        os.close(output)


def _output(log: Path) -> int:
    """Open a log; where that cannot be, a service without a log is better than none."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    with suppress(OSError):
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(log, flags, 0o600)
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def _start(  # noqa: PLR0913, PLR0917 - likewise
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    output: int,
    become: Account | None,
    pass_fds: Sequence[int],
) -> int:
    # Becoming who we are already would need rights that an ordinary user does not have.
    other = become if become is not None and become.uid != os.geteuid() else None
    with _default_signals():
        child = subprocess.Popen(  # noqa: S603 - running what the system file says is the purpose
            argv,
            cwd=str(cwd),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=pass_fds,
            user=None if other is None else other.uid,
            group=None if other is None else other.gid,
            extra_groups=None if other is None else os.getgrouplist(other.name, other.gid),
        )
    # Popen must believe that it is over, or it would try to reap the child itself, now and then.
    child.returncode = 0
    return child.pid


@contextmanager
def _default_signals() -> Iterator[None]:
    """See to it that a child started within has every signal at its default, and none blocked.

    An ignored signal stays ignored over exec, so a supervisor that was started with `nohup`, or in the
    background of a script, would pass that on. A *caught* one becomes default: so those that are ignored
    are caught meanwhile, which unlike the default is harmless to ourselves.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may touch signal settings
        return
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        # With this ignored the kernel reaps children by itself, and nobody would learn how they ended.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Popen restores these two by itself; Python ignores them in every program.
    ignored = [
        number
        for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}
        if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, _take_no_notice)
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def _take_no_notice(number: int, frame: FrameType | None) -> None:
    del number, frame


def _explain(problem: OSError | ValueError, command: str, cwd: Path, become: Account | None) -> str:
    if isinstance(problem, ValueError):
        return f"cannot start '{command}': {problem}"
    # Popen names the folder when the child never came as far as the program.
    before_exec = problem.filename == str(cwd) and str(cwd) != command
    if before_exec and problem.errno == errno.EPERM and become is not None:
        return f"cannot run as user '{become.name}': only root can"
    if before_exec and problem.errno in (errno.EACCES, errno.ENOTDIR, errno.ENOENT):
        return f"cannot use folder '{cwd}': {problem.strerror}"
    if problem.errno == errno.ENOENT:
        return f"command '{command}' not found"
    if problem.errno in (errno.EACCES, errno.ENOEXEC):
        return f"command '{command}' cannot be executed: {problem.strerror}"
    return f"cannot start '{command}': {problem.strerror}"
