"""Files that one process at a time holds with `flock(2)`, with its pid in it, so that others can tell who it is.

The system lets go of a lock when its process ends, however it ends: what is left in the file then says nothing.
"""

import fcntl
import os
from pathlib import Path


def sign(lock: int) -> None:
    """Write down who holds it: this process.

    Args:
        lock: The open file, which this process has locked.
    """
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def signed(lock: int) -> int:
    """Give the pid that is written in an open file; 0 when there is none."""
    written = os.pread(lock, 32, 0).strip()
    return int(written) if written.isdigit() else 0


def holder(path: Path) -> int | None:
    """Give the pid of the process that holds a file, 0 if it has not written it yet, None if nobody does."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return signed(lock)
    else:
        return None
    finally:
        os.close(lock)
