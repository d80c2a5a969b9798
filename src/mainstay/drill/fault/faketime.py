"""The clock that a program sees, moved by libfaketime (https://github.com/wolfcw/libfaketime), which it is started with.

Only what asks libc for the time is led astray; the monotonic clock, by which programs wait, stays as it is, as it does
when a real clock is set. Each instance reads from a file of its own how far its clock is off.

libfaketime until 0.9.10, the one of Debian 12 and 13, lets `clock_nanosleep` fail when the monotonic clock is left alone
(its issue 426): Python's `time.sleep` raises. Where that is so, a function of ours is compiled and put before it.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

RIGHT = "+0\n"
"""What an instance's file says while its clock is right."""
INSTALL = "install libfaketime (Debian, Ubuntu: apt-get install libfaketime)"
_PLACES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib*/faketime/libfaketime.so.1",
    "/usr/local/lib*/faketime/libfaketime.so.1",
    "/opt/*/lib/faketime/libfaketime.so.1",
)
_TRY = """
import os, sys, time
with open(sys.argv[1] + ".new", "w") as file:
    file.write("+3600\\n")
real, steady = time.time(), time.monotonic()
os.replace(sys.argv[1] + ".new", sys.argv[1])
assert 3590 < time.time() - real < 3610, "the clock does not move"
assert 0 <= time.monotonic() - steady < 10, "the monotonic clock moves as well"
before = time.monotonic()
time.sleep(0.01)
assert 0.005 < time.monotonic() - before < 5, "sleeping takes another time"
"""
_SLEEP = """
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
  int kept = errno;
  int failed = syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
  errno = kept;
  return failed;
}
"""
_PATIENCE = 20.0


class Clocks(NamedTuple):
    """How instances are started so that their clocks can be moved."""

    folder: Path | None = None
    """Where the file of each instance is, by its name; None where clocks cannot be moved."""
    libraries: Sequence[Path] = ()
    """What is loaded before everything else, in this order."""
    trouble: str = ""
    """Why clocks cannot be moved, and what would help."""

    def env(self, before: str = "") -> dict[str, str]:
        """Give the variables that the instances of a service have to be started with; none where clocks cannot be moved.

        Args:
            before: What LD_PRELOAD says without that.
        """
        if self.folder is None:
            return {}
        return _env(self.libraries, f"{self.folder}/${{MAINSTAY_INSTANCE}}", before)


NOWHERE = Clocks(trouble="the clock moves only in a private copy that was started for it")
"""For a system that was not started with libfaketime."""


def clocks(folder: Path, instances: Iterable[str]) -> Clocks:
    """Find libfaketime, try it out, and write the files that instances read; takes up to a second.

    Args:
        folder: A folder that is to be made.
        instances: Their names.
    """
    library = _library()
    if library is None:
        return Clocks(trouble=f"there is no libfaketime here: {INSTALL}")
    folder.mkdir(mode=0o700)
    libraries = [library]
    said = _tried(libraries, folder)
    if said and (sleep := _compiled(folder)):
        libraries = [sleep, library]
        said = _tried(libraries, folder)
    if said:
        return Clocks(
            trouble=f"{library} does not do what it should ({said}):"
            " install one after 0.9.10, or a C compiler (Debian, Ubuntu: apt-get install gcc libc6-dev)"
        )
    for name in instances:
        (folder / name).write_text(RIGHT, encoding="ascii")
    return Clocks(folder, libraries)


_TICK = 0.02
"""Seconds by which a file may look older than it is: the kernel writes its times by a coarse clock."""


def sweep(since: float) -> None:
    """Remove the shared memory that killed programs with libfaketime have left, made after a moment (seconds since 1970)."""
    for path in Path("/dev/shm").glob("*faketime_s*_*"):  # noqa: S108 - where libfaketime itself makes it
        pid = path.name.rpartition("_")[2]
        with contextlib.suppress(OSError):
            seen = path.stat()
            made_since = seen.st_mtime >= since - _TICK
            if seen.st_uid == os.getuid() and made_since and not Path(f"/proc/{pid}").exists():
                path.unlink()


def _library() -> Path | None:
    return next((found for place in _PLACES for found in sorted(Path("/").glob(place[1:]))), None)


def _env(libraries: Sequence[Path], file: str, before: str = "") -> dict[str, str]:
    return {
        "LD_PRELOAD": ":".join([*map(str, libraries), *filter(None, [before])]),
        "FAKETIME_TIMESTAMP_FILE": file,
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Files are as old as they are, whatever the clock says.
        "NO_FAKE_STAT": "1",
    }


def _tried(libraries: Sequence[Path], folder: Path) -> str:
    """Have a program see a clock that moves; give what is wrong, or nothing."""
    file = folder / "try"
    file.write_text(RIGHT, encoding="ascii")
    try:
        ended = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-I", "-c", _TRY, str(file)],
            env={**os.environ, **_env(libraries, str(file)), "FAKETIME_NO_CACHE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as problem:
        return str(problem)
    said = ended.stderr.decode(errors="replace").strip().splitlines()
    return (said[-1] if said else f"exit code {ended.returncode}") if ended.returncode else ""


def _compiled(folder: Path) -> Path | None:
    """Compile what stands before a libfaketime that breaks sleeping; None when there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    made = folder / "sleep.so"
    try:
        ended = subprocess.run(  # noqa: S603 - a compiler that was found in PATH
            [compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(made)],
            input=_SLEEP.encode(),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return made if ended.returncode == 0 else None
