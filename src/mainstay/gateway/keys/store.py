"""The file that keys and answers are kept in: SQLite, one for each service, written by all workers.

What has been committed survives the death of any process, and of the machine as far as its disks keep what they have
confirmed (`synchronous=FULL`). Only one process writes at a time, so of two that ask for the same key one is first.
Used by one thread.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mainstay.gateway.keys import owner
from mainstay.tolerance.key import ANSWER, DOUBT, RUNNING, Event, Key, KeySpec, State, Verdict

BUSY = 5.0
"""Seconds to wait for another process that writes."""
_OURS_ALONE = 0o600
_VERSION = 1
_PAGE = 4096
_LOG = 16 * 2**20
"""Bytes that the log of changes may have when it is not needed."""
_SWEPT = 200
"""Keys that are forgotten at once: others wait to write meanwhile."""
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS keys (key BLOB PRIMARY KEY, state TEXT NOT NULL, fingerprint BLOB NOT NULL,
       holder TEXT NOT NULL, until REAL, head BLOB NOT NULL, body BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS keys_by_end ON keys (until) WHERE until IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS keys_by_holder ON keys (holder) WHERE state = 'running'",
    f"PRAGMA user_version = {_VERSION}",
)
_TROUBLES = (sqlite3.Error, OSError)


class Answer(NamedTuple):
    """An answer as it is kept."""

    head: bytes = b""
    body: bytes = b""


class Trouble(Exception):
    """The file cannot be read or written now; says why."""

    def __init__(self, problem: Exception, *, uncertain: bool) -> None:
        super().__init__(str(problem))
        self.full = getattr(problem, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        """There is no room."""
        self.uncertain = uncertain
        """It may have been done nevertheless."""


class Store:
    """One process's way to the file."""

    def __init__(self, path: Path, spec: KeySpec) -> None:
        """Open nothing yet.

        Args:
            path: The file; it and its folder are made when they are not there.
            spec: How large it may become, and how long things are known.
        """
        self.path = path
        self.spec = spec
        self._db: sqlite3.Connection | None = None
        # Which file that is, and how large it may become.
        self._file = (0, 0)
        self._size = 0

    def together(self, work: Callable[[], None]) -> None:
        """Do all of it, durably, or nothing.

        Raises:
            Trouble: nothing of it was done, or it is not known.
        """
        ending = False
        try:
            db = self._open()
            db.execute("BEGIN IMMEDIATE")
            work()
            ending = True
            db.execute("COMMIT")
        except _TROUBLES as problem:
            # Whatever it is, a file that is opened anew has neither locks nor half of a change of ours.
            self.close()
            raise Trouble(problem, uncertain=ending) from problem

    def take(self, now: float, name: bytes, fingerprint: bytes, holder: str) -> tuple[Verdict, Answer]:
        """Judge a request, and note that it is carried out if it is; within `together`."""
        key, answer = self._look_after(now, name)
        verdict = key.ask(now, fingerprint, holder)
        if verdict is Verdict.RUN:
            self._write(name, key, Answer())
        return verdict, answer if verdict is Verdict.REPLAY else Answer()

    def settle(self, now: float, name: bytes, holder: str, event: Event, answer: Answer) -> None:
        """Note what came of a request; within `together`."""
        key, _ = self._read(name)
        if key.settle(now, holder, event, self.spec.keep):
            self._write(name, key, answer if event is ANSWER else Answer())

    def sweep(self, now: float) -> int:
        """Forget what has expired, and note whose worker is gone; within `together`. Give how many were forgotten."""
        assert self._db is not None
        for (name,) in self._db.execute("SELECT key FROM keys WHERE state = 'running'").fetchall():
            self._look_after(now, name)
        return self._db.execute(
            "DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE until <= ? LIMIT ?)", (now, _SWEPT)
        ).rowcount

    def close(self) -> None:
        """Close the file; what was not committed is not done."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()

    # --- by small steps ---

    def _open(self) -> sqlite3.Connection:
        """Give the file that has the name now."""
        if self._db is not None and self._moved():
            self.close()
        if self._db is None:
            self._db = self._connect()
        if self._size != self.spec.size:
            self._size = self.spec.size
            self._db.execute(f"PRAGMA max_page_count = {max(1, self._size // _PAGE)}")
        return self._db

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        # Before SQLite does, whose files are everybody's to read; those beside it have its mode.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OURS_ALONE))
        found = self.path.stat()
        self._file, self._size = (found.st_dev, found.st_ino), 0
        db = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None)
        try:
            _prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _moved(self) -> bool:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return True
        return self._file != (found.st_dev, found.st_ino)

    def _look_after(self, now: float, name: bytes) -> tuple[Key, Answer]:
        """Read a key; if whoever holds it is gone, nobody will ever know what came of the request."""
        key, answer = self._read(name)
        if key.state is RUNNING and not owner.is_there(_owner_of(key.holder)):
            key.settle(now, key.holder, DOUBT, self.spec.keep)
            self._write(name, key, answer)
        return key, answer

    def _read(self, name: bytes) -> tuple[Key, Answer]:
        assert self._db is not None
        row = self._db.execute(
            "SELECT state, fingerprint, holder, until, head, body FROM keys WHERE key = ?", (name,)
        ).fetchone()
        if row is None:
            return Key(), Answer()
        state, fingerprint, holder, until, head, body = row
        key = Key(State(state), fingerprint, holder)
        if until is not None:
            key.until = until
        return key, Answer(head, body)

    def _write(self, name: bytes, key: Key, answer: Answer) -> None:
        assert self._db is not None
        if key.state is State.FREE:
            self._db.execute("DELETE FROM keys WHERE key = ?", (name,))
            return
        until = None if key.state is RUNNING else key.until
        self._db.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state,"
            " fingerprint = excluded.fingerprint, holder = excluded.holder, until = excluded.until,"
            " head = excluded.head, body = excluded.body",
            (name, key.state.value, key.fingerprint, key.holder, until, answer.head, answer.body),
        )


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {_LOG}")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.execute("BEGIN IMMEDIATE")
        for line in _SCHEMA:
            db.execute(line)
        db.execute("COMMIT")
    elif version != _VERSION:
        raise sqlite3.DatabaseError(f"it is of version {version}, and known is {_VERSION}")


def _owner_of(holder: str) -> str:
    """Give the worker of a holder, whose name goes on with what is the worker's own."""
    return holder.rpartition("/")[0]
