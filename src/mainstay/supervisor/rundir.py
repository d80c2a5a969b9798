"""The run directory of one system: who holds it, what is remembered in it, and its sockets.

::

    .mainstay/          mode 700
    ├── .gitignore      `*`
    ├── lock            flock; holds the supervisor's pid
    ├── state.json      what survives the supervisor
    ├── control.sock    the commands speak here
    ├── gateway.sock    the gateway's workers listen to the supervisor here
    ├── gateway.board   the gateway's workers see here how many clients each has
    ├── ledger.db       what happened, for as long as it is kept
    ├── keys/           one file for each service whose idempotency keys the gateway keeps
    └── logs/           one file for each instance
"""

import contextlib
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mainstay.base.errors import AlreadyRunning, EnvironmentProblem, NotRunning
from mainstay.base.lock import holder, sign, signed
from mainstay.supervisor import procfs

CONTROL = "control.sock"
"""The name of the socket that commands speak to."""
GATEWAY = "gateway.sock"
"""The name of the socket that the gateway's workers speak to."""
ACCESS = "access"
"""The name of the log that the gateway's workers write requests to, unless the system file names a file."""

_LOCK = "lock"
_TRIES = 20
_PAUSE = 0.01
_OURS_ALONE = 0o700


class RunDir:
    """A run directory: anyone may look, and one supervisor at a time may take it."""

    def __init__(self, path: Path) -> None:
        # Without `resolve` the same folder could go by two names, and children bear its name as a mark.
        self.path = path.resolve()
        self.state = self.path / "state.json"
        self.control = self.path / CONTROL
        self.gateway = self.path / GATEWAY
        self.logs = self.path / "logs"
        self.ledger = self.path / "ledger.db"
        self._lock: int | None = None

    @property
    def taken(self) -> bool:
        """Whether this object holds it."""
        return self._lock is not None

    def log(self, name: str) -> Path:
        """Give the file that takes the output of an instance or a worker."""
        return self.logs / f"{name}.log"

    def keys(self, service: str) -> Path:
        """Give the file in which the gateway keeps a service's idempotency keys."""
        return self.path / "keys" / f"{service}.db"

    def take(self) -> None:
        """Make it if need be, take it for this process, and clean up after one that was killed.

        Raises:
            AlreadyRunning: another supervisor holds it; tells its pid.
            EnvironmentProblem: it cannot be made or written.
        """
        if self._lock is not None:
            return
        try:
            self._make()
            lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise EnvironmentProblem(
                f"cannot write run directory '{self.path}': {problem.strerror}"
            ) from problem
        try:
            self._seize(lock)
            self._sweep()
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def release(self) -> None:
        """Give it up; its sockets go, all else stays. A second time does nothing."""
        if self._lock is None:
            return
        self._sweep()
        # The file itself stays: unlinking it would let two supervisors lock two files of one name.
        os.ftruncate(self._lock, 0)
        os.close(self._lock)
        self._lock = None

    def hand_over(self) -> int:
        """Give the lock as a descriptor that the next program of this very process will `inherit`.

        Its sockets go. Nobody else can take the directory in between.
        """
        assert self._lock is not None
        self._sweep()
        os.set_inheritable(self._lock, True)
        return self._lock

    def inherit(self, lock: int) -> None:
        """Hold it by what the program has handed over that this process was before; where that is not it, do nothing."""
        try:
            if os.path.samestat(os.fstat(lock), (self.path / _LOCK).stat()):
                os.set_inheritable(lock, False)
                self._lock = lock
        except OSError:
            return

    def holder(self) -> int | None:
        """Give the pid of the supervisor that holds it, 0 if it has not written it yet, None if nobody does."""
        return holder(self.path / _LOCK)

    def bind_unix(self, name: str) -> socket.socket:
        """Bind a Unix stream socket in here, mode 600, in place of one that is left over; not yet listening.

        Raises:
            EnvironmentProblem: the file system does not take sockets.
        """
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self._short() as (folder, short):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                bound.bind(f"{short}/{name}")
                # Nobody can come in between: the folder itself is closed to others.
                os.chmod(name, 0o600, dir_fd=folder)
        except OSError as problem:
            bound.close()
            raise EnvironmentProblem(
                f"cannot make socket '{self.path / name}': {problem.strerror}"
            ) from problem
        return bound

    def connect_unix(self, name: str, timeout: float | None = 5.0) -> socket.socket:
        """Connect to a Unix stream socket in here.

        Args:
            name: Its name, `CONTROL` or `GATEWAY`.
            timeout: Seconds for the connection and every later operation; None makes it wait for ever.

        Raises:
            NotRunning: nobody listens there.
        """
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(timeout)
            with self._short() as (_, short):
                made.connect(f"{short}/{name}")
        except OSError as problem:
            made.close()
            raise NotRunning(
                f"nothing is running at '{self.path}': {problem.strerror or problem}"
            ) from problem
        return made

    @contextlib.contextmanager
    def _short(self) -> Iterator[tuple[int, str]]:
        # A socket's address holds 107 bytes (unix(7)), which a deep folder exceeds; this way in is always short.
        folder = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield folder, f"/proc/self/fd/{folder}"
        finally:
            os.close(folder)

    def _make(self) -> None:
        self.path.mkdir(mode=_OURS_ALONE, parents=True, exist_ok=True)
        found = self.path.stat()
        if found.st_uid != os.geteuid():
            raise EnvironmentProblem(
                f"run directory '{self.path}' belongs to another user (uid {found.st_uid})"
            )
        if stat.S_IMODE(found.st_mode) != _OURS_ALONE:
            self.path.chmod(_OURS_ALONE)
        self.logs.mkdir(mode=_OURS_ALONE, exist_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")

    def _seize(self, lock: int) -> None:
        for _ in range(_TRIES):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if (pid := signed(lock)) and procfs.stat(pid) is not None:
                    break
                # Somebody is looking who holds it, or has just taken it and not written its pid yet.
                time.sleep(_PAUSE)
            except OSError as problem:
                raise EnvironmentProblem(
                    f"cannot lock '{self.path / _LOCK}': {problem.strerror}"
                ) from problem
            else:
                sign(lock)
                return
        who = f", pid {pid}" if (pid := signed(lock)) else ""
        raise AlreadyRunning(f"'{self.path}' is held by another supervisor: already running{who}")

    def _sweep(self) -> None:
        for name in (CONTROL, GATEWAY):
            (self.path / name).unlink(missing_ok=True)
        for left in self.path.glob("*.tmp"):
            left.unlink(missing_ok=True)
