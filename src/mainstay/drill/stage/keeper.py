"""Runs a system for as long as somebody holds its standard input open, and takes all of it down then.

A process of its own, so that a drill which is killed, or cancelled while the system is still starting, leaves no
process, port or file of it behind. On standard output it tells, in one line of JSON, `{"up": true}` or
`{"error": message}`.
"""

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from mainstay.base.program import module
from mainstay.supervisor.orphan import end_marked
from mainstay.supervisor.rundir import RunDir

_DOWN = 60.0
"""Seconds in which a system has to end by itself."""
_PATIENCE = 30.0


def main() -> None:
    """Run it; the words of the command are those of `argv` in here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--remove", action="store_true")
    told = parser.parse_args()
    # The pipe alone tells the end. Not SIG_IGN, which what is started here would inherit.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    run = RunDir(told.run_dir)
    try:
        error = _up(told.file, run)
        with contextlib.suppress(BrokenPipeError):
            news = {"up": True} if error is None else {"error": error}
            os.write(sys.stdout.fileno(), json.dumps(news).encode() + b"\n")
        while error is None and os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        take_down(told.file, run, remove=told.remove)


def argv(file: Path, run: RunDir, *, remove: bool) -> list[str]:
    """Write the command that keeps a system.

    Args:
        file: Its system file.
        run: Its run directory.
        remove: Whether the file, the run directory, and the file's folder if nothing else is in it, go at the end.
    """
    words = ["--file", str(file), "--run-dir", str(run.path), *(["--remove"] if remove else [])]
    return module("mainstay.drill.stage.keeper", *words)


def take_down(file: Path, run: RunDir, *, remove: bool = False, patience: float = _DOWN) -> None:
    """End all of a system: gracefully, and what does not end so at once. Nothing happens when nothing runs.

    Args:
        file: Its system file.
        run: Its run directory.
        remove: Whether both go, and the file's folder if nothing else is in it.
        patience: Seconds in which it has to end by itself.
    """
    if run.holder() is not None or run.state.exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603 - ourselves
                mainstay("down", file, run),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=patience,
                check=False,
            )
    if remove:
        # First, so that nobody who was just about to bring a killed supervisor back can begin any more.
        file.unlink(missing_ok=True)
    _kill_holder(run)
    end_marked(run.path)
    if remove:
        shutil.rmtree(run.path, ignore_errors=True)
        with contextlib.suppress(OSError):  # who keeps something else in there looks after it
            file.parent.rmdir()


def _kill_holder(run: RunDir) -> None:
    """Kill a supervisor that does not end: it would start again what is killed beneath it."""
    holder = run.holder()
    if not holder:
        return
    with contextlib.suppress(ProcessLookupError):
        watched = os.pidfd_open(holder)
        try:
            if run.holder() == holder:  # the number can change hands no more
                signal.pidfd_send_signal(watched, signal.SIGKILL)
            select.select([watched], [], [], _PATIENCE)
        finally:
            os.close(watched)


def _up(file: Path, run: RunDir) -> str | None:
    """Start it, and tell what went wrong; who waits for it may go meanwhile."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(  # noqa: S603 - ourselves
            [*mainstay("up", file, run), "--detach"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        watched = os.pidfd_open(child.pid)
        try:
            select.select([watched, sys.stdin], [], [])
            if child.poll() is None:
                child.send_signal(signal.SIGINT)  # which it takes as a wish to have all of it undone
                if not select.select([watched], [], [], _PATIENCE)[0]:
                    child.kill()
            code = child.wait()
        finally:
            os.close(watched)
        said.seek(0)
        return said.read().decode(errors="replace").strip() or f"exit code {code}" if code else None


def mainstay(word: str, file: Path, run: RunDir) -> list[str]:
    """Write a command to a system."""
    # The run directory as well: the environment may name that of another system.
    return module("mainstay", word, "--file", str(file), "--run-dir", str(run.path))


if __name__ == "__main__":
    main()
