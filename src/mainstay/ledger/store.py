"""The ledger's file: SQLite, so that it can be read by anybody, and is whole after any crash.

======== ==========================================================================================
facts    what happened, as it was told
counts   what was counted of each subject, by span: fine ones of late, coarse ones for ever
spans    which state each subject was in, from when until when
incidents times in which users had trouble, and what people noted about them
marks    drills and maintenance: times that are not charged
baseline what each gateway worker had counted when it was last looked at, so that nothing is counted twice
about    versions, and until when somebody watched
======== ==========================================================================================

Written by one process at a time, in transactions; read by as many as like (`mode=ro`). Write-ahead logging with
`synchronous=NORMAL`: a process that is killed loses nothing that was committed; a machine that loses its power may lose
the last commits, and never the file.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from mainstay.base.errors import EngineError, EnvironmentProblem
from mainstay.ledger.packing import packed, unpacked
from mainstay.reliability.account import COUNTS, Account, total
from mainstay.reliability.incident import OVER, Incident
from mainstay.reliability.span import UNKNOWN, Span

VERSION = 2
"""The version of the file's shape."""
_SINCE_2 = ("user_up", "user_down")
LEVELS = (10, 60, 3600, 86400)
"""Lengths of the spans that are counted by, in seconds: the finest first, each made of those before it."""
SERVICE, INSTANCE = "service", "instance"
KEPT = {
    SERVICE: {10: 6 * 3600, 60: 7 * 86400, 3600: 400 * 86400},
    INSTANCE: {10: 1800, 60: 6 * 3600, 3600: 35 * 86400},
}
"""Seconds for which spans of a length are kept, by what they are of; days are kept for ever. Whoever looks closely looks at
today; a year and a month by hours shows the same day a year ago. With 50 services and 500 instances that is below 200 MB."""
KEPT_FACTS = 400 * 86400
"""Seconds for which facts are kept."""
MOST_FACTS = 250_000
"""Facts that are kept at most, the newest: some 100 MB. What flaps for months must not fill the disk."""
MOST = 400_000_000
"""Bytes in use above which finer spans go sooner than `KEPT` says: twice what a year of 50 services and 500 instances takes.
Not a key of the system file: who runs much more than that loses detail of some hours ago, and no sum."""
TIGHTER = [(level, share) for level in LEVELS[:-1] for share in (0.5, 0.25, 0.0)]
"""What is given up for room, one after the other: of a level, the share of its time for which it is kept."""

_GIVEN_BACK = 2048
"""Pages that the file is made shorter by at once: 8 MiB, some milliseconds of the disk."""
_JOURNAL = 16 * 2**20

_MAGIC = b"SQLite format 3\0"
_TAILS = ("", "-wal", "-shm")
_IO, *_RUIN = (10, 11, 26)
"""SQLITE_IOERR, and what SQLite calls damage (SQLITE_CORRUPT, SQLITE_NOTADB): `sqlite3` has no classes of their own for them."""
_COLUMNS = ", ".join(COUNTS)
_SCHEMA = f"""
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE subjects (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL, zone TEXT NOT NULL,
    UNIQUE (kind, service, name)
);
CREATE TABLE facts (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, fact TEXT NOT NULL, service TEXT, instance TEXT, record TEXT NOT NULL
);
CREATE INDEX facts_by_time ON facts (at);
CREATE TABLE counts (
    level INTEGER NOT NULL, subject INTEGER NOT NULL, at INTEGER NOT NULL,
    {", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in COUNTS)}, latencies BLOB,
    PRIMARY KEY (level, subject, at)
) WITHOUT ROWID;
CREATE TABLE spans (
    subject INTEGER NOT NULL, since REAL NOT NULL, until REAL, state TEXT NOT NULL, because TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (subject, since)
) WITHOUT ROWID;
CREATE TABLE marks (
    id INTEGER PRIMARY KEY, state TEXT NOT NULL, service TEXT NOT NULL, since REAL NOT NULL, until REAL, reason TEXT NOT NULL
);
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL, began REAL NOT NULL, over INTEGER NOT NULL, record TEXT NOT NULL,
    UNIQUE (service, began)
);
CREATE TABLE notes (id INTEGER PRIMARY KEY, incident INTEGER NOT NULL, at REAL NOT NULL, text TEXT NOT NULL);
CREATE TABLE baseline (worker TEXT PRIMARY KEY, counted TEXT NOT NULL) WITHOUT ROWID;
"""


class Subject(NamedTuple):
    """What is counted."""

    kind: str
    """`service` or `instance`."""
    service: str
    name: str
    """The instance's; the service's own for a service."""
    zone: str = ""


class Row(NamedTuple):
    """What was counted of a subject in a span."""

    subject: Subject
    level: int
    """How long the span is, in seconds."""
    at: int
    """When it began, in seconds since 1970."""
    account: Account


class Filed(NamedTuple):
    """An incident, with its number and what people noted."""

    number: int
    incident: Incident
    notes: Sequence[tuple[float, str]]
    """When, in seconds since 1970, and what."""


class Damaged(EngineError):
    """The ledger's file is not what it was written as."""


class Unreadable(EngineError):
    """The ledger's file cannot be used as it was opened; it may be, when it is opened again."""


class Store:
    """The ledger's file, opened."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, reads: bool = False) -> None:
        """Use `opened` or `reading`."""
        self.path = path
        self._reads = reads
        self._stamps = _stamps(path)
        self._db = connection
        self._subjects: dict[tuple[str, str, str], int] = {}

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it.

        Raises:
            EnvironmentProblem: it was opened to be read, and is damaged where it was read.
        """
        self.close()
        if self._reads and isinstance(problem, sqlite3.Error | json.JSONDecodeError):
            raise EnvironmentProblem(
                f"the ledger '{self.path}' cannot be read: {problem}; `mainstay ledger verify` says more"
            ) from problem

    def close(self) -> None:
        """Close it; what was not committed is not there."""
        self._db.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """For the modules beside this one, which export and check."""
        return self._db

    def let_go(self) -> None:
        """Close it, also when another file is in its place: its journal must not be taken for that one's."""
        file, journal = _stamps(self.path)
        with contextlib.suppress(sqlite3.Error):
            if file != self._stamps[0]:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._db.close()
        if file != self._stamps[0] and journal == self._stamps[1]:
            for tail in _TAILS[1:]:
                with contextlib.suppress(OSError):
                    self.path.with_name(self.path.name + tail).unlink()

    @property
    def in_place(self) -> bool:
        """Whether its files are still those that were opened, and not overwritten.

        One that was removed or replaced takes what is written, and nobody will ever read it.
        """
        try:
            with self.path.open("rb") as file:
                whole = file.read(len(_MAGIC)) == _MAGIC
        except OSError:
            return False
        same = zip(self._stamps, _stamps(self.path), strict=True)
        return whole and all(before in (None, now) for before, now in same)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Write all of what is within, or nothing of it.

        Raises:
            Damaged: the file is.
            Unreadable: the disk fails, or the file was cut while it was open.
            EngineError: the disk is full, or somebody else writes.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # A subject that was added is not there after all.
                self._subjects.clear()
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as problem:
            kind = Unreadable if _code(problem) == _IO else EngineError
            raise kind(f"the ledger '{self.path}' cannot be written: {problem}") from problem
        except sqlite3.DatabaseError as problem:
            if _code(problem) not in _RUIN:
                raise
            raise Damaged(f"the ledger '{self.path}' is damaged: {problem}") from problem

    # --- writing, within `writing` ---

    def tell(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """Keep facts."""
        self._db.executemany(
            "INSERT INTO facts (at, fact, service, instance, record) VALUES (?, ?, ?, ?, ?)",
            (
                (fact["at"], fact["fact"], fact.get("service"), fact.get("instance"), json.dumps(fact))
                for fact in facts
            ),
        )

    def count(self, rows: Iterable[Row]) -> None:
        """Add what was counted, in spans of every length at once: so their sums agree at any moment."""
        sums: dict[tuple[int, int, int], list[Account]] = {}
        for row in rows:
            subject = self._subject(row.subject)
            for level in LEVELS:
                if level >= row.level:
                    sums.setdefault((level, subject, row.at - row.at % level), []).append(row.account)
        for key, accounts in sums.items():
            self._add(key, total(accounts))

    def _add(self, key: tuple[int, int, int], account: Account) -> None:
        found = self._db.execute(
            f"SELECT {_COLUMNS}, latencies FROM counts WHERE level = ? AND subject = ? AND at = ?",  # noqa: S608
            key,
        ).fetchone()
        if found is not None:
            account += _account(found)
        self._db.execute(
            f"INSERT OR REPLACE INTO counts (level, subject, at, {_COLUMNS}, latencies)"  # noqa: S608
            f" VALUES (?, ?, ?, {', '.join('?' * len(COUNTS))}, ?)",
            (*key, *(account.counts.get(name, 0) for name in COUNTS), packed(account.latencies)),
        )

    def enter(self, subject: Subject, state: str, at: float, because: str = "") -> None:
        """Write down that a subject is in another state from now on; the former one is over."""
        number = self._subject(subject)
        self._db.execute(
            "UPDATE spans SET until = max(since, ?) WHERE subject = ? AND until IS NULL", (at, number)
        )
        self._db.execute(
            "INSERT OR REPLACE INTO spans VALUES (?, ?, NULL, ?, ?)", (number, at, state, because)
        )

    def resume(self, subject: Subject, state: str, at: float) -> None:
        """Write down that a subject is in a state from now on, unless it is known to be."""
        known = self._db.execute(
            "SELECT 1 FROM spans WHERE subject = ? AND until IS NULL AND state = ?",
            (self._subject(subject), state),
        ).fetchone()
        if known is None:
            self.enter(subject, state, at)

    def leave(self, subject: Subject, at: float) -> None:
        """Write down that there is no such subject any more."""
        self._db.execute(
            "UPDATE spans SET until = max(since, ?) WHERE subject = ? AND until IS NULL",
            (at, self._subject(subject)),
        )

    def interrupted(self) -> float | None:
        """Close what was open when the last one who watched ended, at the time at which it last did; give that time."""
        seen = self.watched_until
        if seen is not None:
            self._db.execute("UPDATE spans SET until = max(since, ?) WHERE until IS NULL", (seen,))
            self._db.execute(
                "UPDATE marks SET until = max(since, ?) WHERE until IS NULL AND state = 'drill'", (seen,)
            )
        return seen

    def watch(self, at: float) -> None:
        """Write down that somebody watches until now."""
        self._put("watched_until", at)

    def mark(  # noqa: PLR0913, PLR0917 - its columns
        self,
        state: str,
        service: str,
        since: float,
        until: float | None,
        reason: str,
        number: int | None = None,
    ) -> int:
        """Write down a time that is not charged; give its number."""
        made = self._db.execute(
            "INSERT INTO marks (id, state, service, since, until, reason) VALUES (?, ?, ?, ?, ?, ?)",
            (number, state, service, since, until, reason),
        )
        return int(made.lastrowid or 0)

    def unmark(self, number: int, until: float) -> None:
        """Write down when that time ended."""
        self._db.execute("UPDATE marks SET until = ? WHERE id = ?", (until, number))

    def file(self, incident: Incident) -> None:
        """Keep an incident as it is now."""
        self._db.execute(
            "INSERT INTO incidents (service, began, over, record) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (service, began) DO UPDATE SET over = excluded.over, record = excluded.record",
            (incident.service, incident.began, incident.state is OVER, json.dumps(incident.record())),
        )

    def note(self, number: int, at: float, text: str) -> bool:
        """Keep what somebody says about an incident; False when there is none of that number."""
        known = self._db.execute("SELECT 1 FROM incidents WHERE id = ?", (number,)).fetchone() is not None
        if known:
            self._db.execute("INSERT INTO notes (incident, at, text) VALUES (?, ?, ?)", (number, at, text))
        return known

    def remember(self, baselines: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down what each gateway worker had counted, in place of what was known."""
        self._db.execute("DELETE FROM baseline")
        self._db.executemany(
            "INSERT INTO baseline VALUES (?, ?)",
            ((worker, json.dumps(counted)) for worker, counted in baselines.items()),
        )

    def forget(self, now: float, most: int = MOST) -> None:
        """Forget what is kept no longer; the sums of it are in coarser spans.

        Args:
            now: Seconds since 1970.
            most: Bytes; what uses more than that gives up one step of `TIGHTER`, for ever.
        """
        if self.used > most:
            self._put("tighter", min(int(self._get("tighter") or 0) + 1, len(TIGHTER)))
        for kind in KEPT:
            for level, seconds in self.kept(kind).items():
                self._db.execute(
                    "DELETE FROM counts WHERE level = ? AND at < ?"
                    " AND subject IN (SELECT id FROM subjects WHERE kind = ?)",
                    (level, int(now) - seconds, kind),
                )
        self._db.execute("DELETE FROM facts WHERE at < ?", (now - KEPT_FACTS,))
        self._db.execute("DELETE FROM facts WHERE id <= (SELECT max(id) FROM facts) - ?", (MOST_FACTS,))

    def give_back(self) -> None:
        """Make the file a little shorter when much of it is empty; what is written has its turn in between."""
        with contextlib.suppress(sqlite3.Error):  # it is as long as it was
            if self._pragma("freelist_count") > max(_GIVEN_BACK, self._pragma("page_count") // 8):
                # Each row that is fetched is a page.
                self._db.execute(f"PRAGMA incremental_vacuum({_GIVEN_BACK})").fetchall()

    # --- reading ---

    @property
    def watched_until(self) -> float | None:
        """Until when somebody watched, in seconds since 1970; None when nobody ever did."""
        value = self._get("watched_until")
        return None if value is None else float(value)

    @property
    def used(self) -> int:
        """Bytes of the file that hold something."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def states(self) -> dict[Subject, str]:
        """Give in which state each subject is that somebody watches, or did until it was interrupted."""
        found = self._db.execute(
            "SELECT kind, service, name, zone, state FROM spans JOIN subjects ON id = subject WHERE until IS NULL"
        )
        return {Subject(*subject): state for *subject, state in found}

    def kept(self, kind: str) -> dict[int, int]:
        """Give for how many seconds spans of each length are kept here of a kind of subject; days are for ever."""
        shares = dict(TIGHTER[: int(self._get("tighter") or 0)])
        return {level: int(seconds * shares.get(level, 1.0)) for level, seconds in KEPT[kind].items()}

    def baselines(self) -> dict[str, dict[str, Any]]:
        """Give what each gateway worker had counted when it was last looked at."""
        return {worker: json.loads(told) for worker, told in self._db.execute("SELECT * FROM baseline")}

    def subjects(self, kind: str | None = None, service: str | None = None) -> list[Subject]:
        """Give all that was ever counted, or those of a kind, of a service."""
        found = self._db.execute(
            "SELECT kind, service, name, zone FROM subjects WHERE (?1 IS NULL OR kind = ?1)"
            " AND (?2 IS NULL OR service = ?2) ORDER BY id",
            (kind, service),
        )
        return [Subject(*row) for row in found]

    def counted(self, subject: Subject, since: float, until: float) -> Account:
        """Give what was counted of a subject in a period, to ten seconds where that is still known so exactly."""
        return total(row.account for row in self.rows(subject, since, until))

    def rows(self, subject: Subject, since: float, until: float) -> list[Row]:
        """Give what was counted in a period, span by span: the coarsest that fit into it, and finer ones at its ends.

        An end so long ago that only coarse spans are left of it is taken at the beginning of one.
        """
        seen = self.watched_until or until
        first, last = (int(at - at % _finest(self.kept(subject.kind), seen - at)) for at in (since, until))
        return list(self._rows(subject, first, last, len(LEVELS) - 1))

    def _rows(self, subject: Subject, since: int, until: int, place: int) -> Iterator[Row]:
        if place < 0 or since >= until:
            return
        level = LEVELS[place]
        first, last = since + -since % level, until - until % level
        if first >= last:
            yield from self._rows(subject, since, until, place - 1)
            return
        yield from self._rows(subject, since, first, place - 1)
        found = self._db.execute(
            f"SELECT at, {_COLUMNS}, latencies FROM counts WHERE level = ? AND subject = ? AND at >= ? AND at < ?"  # noqa: S608
            " ORDER BY at",
            (level, self._known(subject), first, last),
        )
        for at, *counts in found:
            yield Row(subject, level, at, _account(counts))
        yield from self._rows(subject, last, until, place - 1)

    def blocks(self, subject: Subject, since: float, until: float, level: int) -> list[tuple[int, int]]:
        """Give how many requests did not fail, and how many there were, in each span of one length that began in a period."""
        found = self._db.execute(
            "SELECT requests - failures, requests FROM counts WHERE level = ? AND subject = ? AND at >= ? AND at < ?"
            " ORDER BY at",
            (level, self._known(subject), int(since - since % level), until),
        )
        return found.fetchall()

    def slices(self, subject: Subject, since: float, until: float, seconds: int) -> list[Row]:
        """Give what was counted in a period in each of the spans of one length; those in which nothing was are not there.

        Args:
            subject: Of what.
            since: Those that begin from then on, in seconds since 1970.
            until: And before then.
            seconds: One of `LEVELS`.
        """
        found = self._db.execute(
            f"SELECT at, {_COLUMNS}, latencies FROM counts WHERE level = ? AND subject = ? AND at >= ? AND at < ?"  # noqa: S608
            " ORDER BY at",
            (seconds, self._known(subject), since, until),
        )
        return [Row(subject, seconds, at, _account(counts)) for at, *counts in found]

    def of_users(
        self, subject: Subject, since: float, until: float, level: int
    ) -> list[tuple[int, int, int]]:
        """Give the time of users that was up and that was down, in milliseconds, in each span in which there was any, with its beginning."""
        found = self._db.execute(
            "SELECT at, user_up, user_down FROM counts WHERE level = ? AND subject = ? AND at >= ? AND at < ?"
            " AND user_up + user_down > 0 ORDER BY at",
            (level, self._known(subject), int(since - since % level), until),
        )
        return [(int(at), int(up), int(down)) for at, up, down in found]

    def spans(self, subject: Subject, since: float, until: float, now: float) -> list[Span]:
        """Give the states of a subject in a period; one that goes on ends when somebody last watched."""
        seen = self.watched_until
        end = now if seen is None else min(now, seen)
        found = self._db.execute(
            "SELECT state, since, max(since, coalesce(until, ?)) FROM spans WHERE subject = ? AND since < ?"
            " AND coalesce(until, ?) > ? ORDER BY since",
            (end, self._known(subject), until, end, since),
        )
        return [Span(*row) for row in found]

    def marks(self, service: str, since: float, until: float) -> list[Span]:
        """Give the times in a period that are not charged to a service."""
        found = self._db.execute(
            "SELECT state, since, coalesce(until, ?) FROM marks WHERE service IN (?, '') AND since < ?"
            " AND coalesce(until, ?) > ? ORDER BY since",
            (until, service, until, until, since),
        )
        return [Span(*row) for row in found]

    def open_marks(self) -> list[tuple[int, str, str, float, float | None, str]]:
        """Give number, state, service, begin, end and reason of those that last, or end after somebody last watched."""
        found = self._db.execute(
            "SELECT id, state, service, since, until, reason FROM marks WHERE until IS NULL OR until > ? ORDER BY id",
            (self.watched_until or 0.0,),
        )
        return [(*row,) for row in found]

    def last_mark(self) -> int:
        """Give the highest number of a mark; 0 without any."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM marks").fetchone()[0])

    def facts(self, since: float, until: float, kinds: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Give the facts of a period, the oldest first."""
        some = f" AND fact IN ({', '.join('?' * len(kinds))})" if kinds else ""
        found = self._db.execute(
            f"SELECT record FROM facts WHERE at >= ? AND at < ?{some} ORDER BY at, id",  # noqa: S608
            (since, until, *kinds),
        )
        for (record,) in found:
            yield json.loads(record)

    def incidents(self, since: float, until: float, service: str | None = None) -> list[Filed]:
        """Give the incidents that began in a period, the oldest first."""
        found = self._db.execute(
            "SELECT id, record FROM incidents WHERE began >= ? AND began < ? AND (? IS NULL OR service = ?)"
            " ORDER BY began, id",
            (since, until, service, service),
        ).fetchall()
        return [Filed(number, Incident.read(json.loads(told)), self._notes(number)) for number, told in found]

    def open_incidents(self) -> list[Incident]:
        """Give those that go on."""
        found = self._db.execute("SELECT record FROM incidents WHERE NOT over ORDER BY began")
        return [Incident.read(json.loads(told)) for (told,) in found]

    def _notes(self, number: int) -> list[tuple[float, str]]:
        found = self._db.execute("SELECT at, text FROM notes WHERE incident = ? ORDER BY at, id", (number,))
        return [(at, text) for at, text in found]

    def check(self) -> list[str]:
        """Give what is wrong with the file; nothing, when it is sound."""
        try:
            told = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check")]
        except sqlite3.Error as problem:
            return [str(problem)]
        return [] if told == ["ok"] else told

    def copy_to(self, path: Path) -> None:
        """Write a copy of it as it is now, also while it is written to.

        Raises:
            EnvironmentProblem: the copy cannot be written.
        """
        try:
            with contextlib.closing(sqlite3.connect(path)) as to:
                self._db.backup(to)
        except sqlite3.Error as problem:
            raise EnvironmentProblem(f"cannot write '{path}': {problem}") from problem

    # --- within ---

    def _subject(self, subject: Subject) -> int:
        key = subject[:3]
        if (known := self._subjects.get(key)) is not None:
            return known
        self._db.execute(
            "INSERT INTO subjects (kind, service, name, zone) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (kind, service, name) DO UPDATE"
            " SET zone = CASE excluded.zone WHEN '' THEN zone ELSE excluded.zone END",
            subject,
        )
        number = self._known(subject)
        self._subjects[key] = number
        return number

    def _known(self, subject: Subject) -> int:
        found = self._db.execute(
            "SELECT id FROM subjects WHERE kind = ? AND service = ? AND name = ?", subject[:3]
        ).fetchone()
        return int(found[0]) if found is not None else -1

    def _get(self, name: str) -> Any:  # noqa: ANN401 - what SQLite has
        found = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if found is None else found[0]

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _put(self, name: str, value: float | str) -> None:
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))


def opened(path: Path, now: float) -> tuple[Store, str | None]:
    """Open a ledger for writing, or begin one; one that is damaged is moved aside.

    Args:
        path: Its file.
        now: Seconds since 1970, for the name of one that is moved.

    Returns:
        The ledger, and in words what was wrong with the former one; None when nothing was.

    Raises:
        EnvironmentProblem: it cannot be written at all, or a newer version has written it.
    """
    try:
        try:
            return _opened(path), None
        except (sqlite3.DatabaseError, _Unfit) as problem:
            if isinstance(problem, sqlite3.OperationalError):
                raise
            aside = set_aside(path, now)
            said = (
                f"the ledger '{path}' was damaged ({problem}); it is now '{aside}', and a new one has begun"
            )
            return _opened(path), said
    except (sqlite3.Error, OSError) as problem:
        raise EnvironmentProblem(f"the ledger '{path}' cannot be written: {problem}") from problem


def set_aside(path: Path, now: float) -> Path:
    """Move a ledger away, and give where it is now.

    Args:
        path: Its file.
        now: Seconds since 1970, for its new name.

    Raises:
        OSError: it cannot be moved.
    """
    aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}")
    for tail in _TAILS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(aside.with_name(aside.name + tail))
    return aside


def reading(path: Path) -> Store:
    """Open a ledger to read it, also while it is written to.

    Raises:
        EnvironmentProblem: there is none, or it cannot be read.
    """
    if not path.exists():
        raise EnvironmentProblem(f"there is no ledger at '{path}': nothing has run there yet")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        _refuse_newer(connection, path)
        _refuse_older(connection, path)
    except (sqlite3.Error, _Unfit) as problem:
        raise EnvironmentProblem(f"the ledger '{path}' cannot be read: {problem}") from problem
    return Store(connection, path, reads=True)


class _Unfit(Exception):
    """It is no ledger, or a damaged one."""


def _opened(path: Path) -> Store:
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError as problem:
        raise EnvironmentProblem(
            f"the ledger '{path}' cannot be written: {(problem.strerror or str(problem)).lower()}"
        ) from problem
    # In transactions of our own; by one thread at a time, not always the same.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if tables:
            _refuse_foreign(tables)
            _refuse_newer(connection, path)
        else:  # so that it can be made shorter without being written anew
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # What a long reader has made grow.
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL}")
        if not tables:
            connection.executescript(
                f"BEGIN; {_SCHEMA} INSERT INTO about VALUES ('version', {VERSION}); COMMIT;"  # noqa: S608
            )
        else:
            _renew(connection)
        _refuse_damaged(connection)
    except BaseException:
        connection.close()
        raise
    return Store(connection, path)


def _finest(kept: Mapping[int, int], age: float) -> int:
    """Give the length of the finest spans that are still there of so many seconds ago."""
    return next((level for level, seconds in kept.items() if age < seconds), LEVELS[-1])


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("SELECT value FROM about WHERE name = 'version'").fetchone()
    if found is None:
        raise _Unfit("it has no version")
    if found[0] > VERSION:
        raise EnvironmentProblem(
            f"the ledger '{path}' has version {found[0]}, and this program knows {VERSION}: a newer one wrote it"
        )


def _renew(connection: sqlite3.Connection) -> None:
    """Bring a file of a former version up to date."""
    if connection.execute("SELECT value FROM about WHERE name = 'version'").fetchone()[0] < VERSION:
        more = "".join(
            f"ALTER TABLE counts ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0;" for name in _SINCE_2
        )
        connection.executescript(
            f"BEGIN IMMEDIATE; {more} UPDATE about SET value = {VERSION} WHERE name = 'version'; COMMIT;"  # noqa: S608
        )


def _refuse_foreign(tables: set[str]) -> None:
    if "about" not in tables:
        raise _Unfit("it is a database of something else")


def _refuse_older(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("SELECT value FROM about WHERE name = 'version'").fetchone()[0]
    if found < VERSION:
        raise EnvironmentProblem(
            f"the ledger '{path}' has version {found}, of a former version: `mainstay up` brings it to {VERSION}"
        )


def _refuse_damaged(connection: sqlite3.Connection) -> None:
    if (told := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise _Unfit(told)


def _stamps(path: Path) -> list[tuple[int, int] | None]:
    """Give which files a ledger consists of; its index of the journal is made anew whenever it is missing."""
    found: list[tuple[int, int] | None] = []
    for tail in _TAILS[:2]:
        try:
            seen = path.with_name(path.name + tail).stat()
        except OSError:
            found.append(None)
        else:
            found.append((seen.st_dev, seen.st_ino))
    return found


def _code(problem: sqlite3.Error) -> int:
    return int(getattr(problem, "sqlite_errorcode", 0)) & 0xFF


def _account(columns: Sequence[Any]) -> Account:
    *counts, latencies = columns
    return Account(
        {name: count for name, count in zip(COUNTS, counts, strict=True) if count}, unpacked(latencies)
    )


def unwatched(spans: Iterable[Span]) -> float:
    """Give how long nobody watched, in seconds."""
    return sum(span.seconds for span in spans if span.state == UNKNOWN)
