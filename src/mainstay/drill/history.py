"""The drills that were run, kept in the run directory of the system that they are about.

::

    .mainstay/drills/
    ├── running       the pid of the drill that runs, locked by it
    ├── faults/       what has to be undone, see `fault.intent`
    ├── work/         records, and the private copy, of the drill that runs
    └── reports/      one file for each run: YYYYMMDD-HHMMSS-xxxx.json
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mainstay.base.errors import AlreadyRunning, EnvironmentProblem
from mainstay.base.lock import holder, sign, signed
from mainstay.drill.cell import Cell
from mainstay.drill.report import PLAYED, VERSION, unplayed
from mainstay.drill.verdict import STALE

KEPT = 500
"""Reports that are kept: some years of one a day."""
AGE = 30 * 86400.0
"""Seconds after which what a drill has shown is told to be old: what it ran on, and what it was asked, has changed."""


class History:
    """The drills of one system."""

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / "drills"
        self.intents = self.path / "faults"
        self._reports = self.path / "reports"
        self._work = self.path / "work"

    def make(self) -> None:
        """Make its folders, which nobody else may read.

        Raises:
            EnvironmentProblem: they cannot be made.
        """
        try:
            fresh = not self.path.parent.exists()
            for folder in (self.path.parent, self.path, self.intents, self._reports):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self._reports, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            if fresh:
                (self.path.parent / ".gitignore").write_text("*\n", encoding="ascii")
        except OSError as problem:
            raise EnvironmentProblem(
                f"cannot write '{self.path}': {(problem.strerror or str(problem)).lower()}"
            ) from problem

    @contextlib.contextmanager
    def running(self) -> Iterator[Path]:
        """Be the one drill that runs; gives an empty folder to work in.

        Raises:
            AlreadyRunning: there is one.
        """
        self.make()
        lock = os.open(self.path / "running", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"a drill of this system is running, pid {signed(lock)}; `mainstay drill halt` ends it"
                ) from None
            sign(lock)
            # What one that was killed has left is of no use to anybody.
            shutil.rmtree(self._work, ignore_errors=True)
            self._work.mkdir(mode=0o700)
            try:
                yield self._work
            finally:
                shutil.rmtree(self._work, ignore_errors=True)
                os.ftruncate(lock, 0)
        finally:
            os.close(lock)

    def sweep(self) -> None:
        """Remove what a drill that was killed has left to work with, unless one runs."""
        try:
            lock = os.open(self.path / "running", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(self._work, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)

    def runner(self) -> int | None:
        """Give the pid of the drill that runs; None when none does."""
        return holder(self.path / "running") or None

    def name(self, at: float) -> str:
        """Make up a name for a run that begins now."""
        return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(at))}-{secrets.token_hex(2)}"

    def keep(self, report: Mapping[str, Any]) -> Path:
        """Keep a report; it is whole on the disk, or not there.

        Raises:
            EnvironmentProblem: it cannot be written.
        """
        path = self._reports / f"{report['run']}.json"
        beside = path.with_suffix(".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(report, file, allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            for old in self._files()[:-KEPT]:
                old.unlink(missing_ok=True)
        except OSError as problem:
            raise EnvironmentProblem(
                f"cannot write '{path}': {(problem.strerror or str(problem)).lower()}"
            ) from problem
        return path

    def reports(self) -> Iterator[dict[str, Any]]:
        """Give every report that can be read, the oldest first; one at a time, as all of them may be some hundred megabytes."""
        for path in self._files():
            with contextlib.suppress(OSError, ValueError):
                told = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(told, dict) and told.get("version") == VERSION and _is_whole(told):
                    yield told

    def _files(self) -> list[Path]:
        return sorted(self._reports.glob("*.json"))


def _is_whole(told: Mapping[str, Any]) -> bool:
    """Tell whether it is a report to its end: somebody may have changed it, or an unfinished version have written it."""
    rows = told.get("cells")
    return (
        isinstance(rows, list)
        and {"run", "at", "fingerprint"} <= told.keys()
        and all(
            isinstance(row, dict) and "cell" in row and ("measured" not in row or row.keys() >= PLAYED)
            for row in rows
        )
    )


def latest(
    cells: Sequence[Cell], reports: Iterable[Mapping[str, Any]], fingerprint: str, now: float
) -> list[dict[str, Any]]:
    """Give the newest that is known of every cell: of the system as it is, and only without that of another.

    Args:
        cells: Those that are asked for.
        reports: Of its drills, the oldest first.
        fingerprint: Of the system as it is: what was shown of another is stale.
        now: Seconds since 1970.
    """
    newest: dict[str, tuple[dict[str, Any], str]] = {}
    for report in reports:
        for row in report["cells"]:
            if "measured" not in row:
                continue
            _, before = newest.get(row["cell"], (None, ""))
            # One of another system says less than an older one of this system.
            if before != fingerprint or report["fingerprint"] == fingerprint:
                newest[row["cell"]] = (row, report["fingerprint"])
    return [_known(cell, newest.get(cell.name), fingerprint, now) for cell in cells]


def _known(
    cell: Cell, newest: tuple[dict[str, Any], str] | None, fingerprint: str, now: float
) -> dict[str, Any]:
    if newest is None:
        return unplayed(cell, "it was never drilled")
    row, shown_of = newest
    aged = {**row, "age": max(0.0, now - row["at"])}
    if shown_of != fingerprint:
        return {
            **aged,
            "verdict": STALE,
            "met": False,
            "because": f"the system has changed since: {row['because']}",
        }
    if aged["age"] > AGE:
        return {**aged, "verdict": STALE, "met": False, "because": f"too long ago: {row['because']}"}
    return aged
