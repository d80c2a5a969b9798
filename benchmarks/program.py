"""Other people's programs, and ours: where they are, what they are, and how they are started."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def which(name: str) -> str | None:
    """Find a program, also beside this Python and where root's are."""
    near = os.pathsep.join((str(Path(sys.executable).parent), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which(name) or shutil.which(name, path=near)


def version(program: str, *argv: str) -> str:
    """Ask a program for its version: the first thing of digits and dots that it says."""
    said = subprocess.run([program, *argv], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return found[0] if found else "?"


def spawn(
    argv: list[str],
    folder: Path,
    cores: str,
    *,
    keep: tuple[int, ...] = (),
    env: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program on the processors that are for it; what it says goes into its folder.

    Args:
        argv: What to run.
        folder: Where; its output goes into `log` there.
        cores: The processors that it may use, with commas, as `taskset` is told.
        keep: Descriptors that it inherits.
        env: Environment variables beside the few that every program needs.
    """
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            ["taskset", "-c", cores, *argv],
            stdout=log,
            stderr=log,
            cwd=folder,
            pass_fds=keep,
            # More threads of Go than processors would only be in each other's way.
            env={
                "GOMAXPROCS": str(len(cores.split(","))),
                "HOME": str(folder),
                "PATH": os.environ["PATH"],
                **(env or {}),
            },
        )
