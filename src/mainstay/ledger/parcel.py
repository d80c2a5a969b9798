"""The ledger as JSON lines: to be kept elsewhere, read by others, and brought in again without being counted twice.

The first line tells what it is; each other one is a subject, a span of counts, a state, a mark, an incident or a fact. What was going on ends at the
moment at which somebody last watched. The reference is docs/reference/ledger.md.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mainstay.base.errors import SpecError
from mainstay.base.histogram import STEPS
from mainstay.ledger.packing import packed, unpacked
from mainstay.ledger.store import LEVELS, Store
from mainstay.reliability.account import COUNTS
from mainstay.reliability.span import STATES

VERSION = 1
"""The version of the lines' shape."""
_BUCKETS = 64 * STEPS
_DAY = LEVELS[-1]
_COLUMNS = ", ".join(COUNTS)

Line = dict[str, Any]


def lines(store: Store, since: float = 0.0) -> Iterator[Line]:
    """Give the ledger line by line, as it is at one moment.

    Args:
        store: The ledger; nobody else may use this object meanwhile.
        since: Only from the beginning of this moment's day (UTC), so that no span of counts is cut.
    """
    db, begin = store.connection, since - since % _DAY
    db.execute("BEGIN")
    try:
        seen = store.watched_until
        yield {"line": "ledger", "version": VERSION, "since": begin, "watched_until": seen}
        of: dict[int, list[str]] = {}
        for number, *subject in db.execute("SELECT id, kind, service, name, zone FROM subjects ORDER BY id"):
            of[number] = subject[:3]
            yield {"line": "subject", **dict(zip(("kind", "service", "name", "zone"), subject, strict=True))}
        yield from _counts(store, of, begin)
        for subject, start, until, state, because in db.execute(
            "SELECT * FROM spans WHERE coalesce(until, ?) >= ? ORDER BY subject, since", (seen, begin)
        ):
            end = until if until is not None or seen is None else max(start, seen)
            yield {
                "line": "span",
                "subject": of[subject],
                "since": start,
                "until": end,
                "state": state,
                "because": because,
            }
        for state, service, start, until, reason in db.execute(
            "SELECT state, service, since, until, reason FROM marks WHERE until IS NULL OR until >= ? ORDER BY id",
            (begin,),
        ):
            yield {
                "line": "mark",
                "state": state,
                "service": service,
                "since": start,
                "until": until,
                "reason": reason,
            }
        yield from _incidents(store, begin)
        for (record,) in db.execute("SELECT record FROM facts WHERE at >= ? ORDER BY id", (begin,)):
            yield {"line": "fact", "fact": json.loads(record)}
    finally:
        db.execute("COMMIT")


def _counts(store: Store, of: Mapping[int, list[str]], begin: float) -> Iterator[Line]:
    for level, subject, at, *counts, latencies in store.connection.execute(
        f"SELECT level, subject, at, {_COLUMNS}, latencies FROM counts WHERE at >= ? ORDER BY level, subject, at",  # noqa: S608
        (begin,),
    ):
        yield {
            "line": "counts",
            "subject": of[subject],
            "level": level,
            "at": at,
            "counts": {name: count for name, count in zip(COUNTS, counts, strict=True) if count},
            "latencies": [list(pair) for pair in unpacked(latencies).items()],
        }


def _incidents(store: Store, begin: float) -> Iterator[Line]:
    db = store.connection
    for number, over, record in db.execute(
        "SELECT id, over, record FROM incidents WHERE began >= ? ORDER BY id", (begin,)
    ):
        notes = db.execute("SELECT at, text FROM notes WHERE incident = ? ORDER BY id", (number,))
        yield {
            "line": "incident",
            "over": bool(over),
            "incident": json.loads(record),
            "notes": [list(note) for note in notes],
        }


def bring_in(store: Store, told: Iterable[str]) -> Counter[str]:
    """Add what `lines` gave to a ledger; what is there already is left alone. To be called within `writing`.

    Args:
        store: The ledger.
        told: Lines of JSON.

    Returns:
        How many lines of each kind were new.

    Raises:
        SpecError: it is not that, or the ledger has other figures for the same span; nothing of it must be kept then.
    """
    into, new, number = _Into(store), Counter[str](), 0
    for number, text in enumerate(told, start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            kind = line["line"]
            into.expect(line, first=number == 1)
            take: Callable[[Line], bool] = getattr(into, f"take_{kind}")
            new[kind] += take(line)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as problem:
            raise SpecError(f"line {number}: it is no line of a ledger ({type(problem).__name__})") from None
        except SpecError as problem:
            raise SpecError(f"line {number}: {problem}") from None
    if not number:
        raise SpecError("there is nothing in it")
    return +new


class _Into:
    """Takes lines into a ledger; each method tells whether it was new."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db = store.connection
        self._subjects: dict[tuple[str, ...], int] = {}
        self._facts: dict[str, int] = {}
        # What was open when the last one ended, who is no longer there, goes on no further.
        store.interrupted()

    def expect(self, line: Line, *, first: bool) -> None:
        """Refuse what does not begin as an export does."""
        if first and (line["line"] != "ledger" or line["version"] != VERSION):
            raise SpecError(f"it is not the export of a ledger of version {VERSION}")

    def take_ledger(self, line: Line) -> bool:
        seen = line["watched_until"]
        if seen is not None and _number(seen) > (self._store.watched_until or -math.inf):
            self._store.watch(seen)
        return False

    def take_subject(self, line: Line) -> bool:
        subject = tuple(_text(line[name]) for name in ("kind", "service", "name"))
        made = self._db.execute(
            "INSERT INTO subjects (kind, service, name, zone) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (kind, service, name) DO NOTHING",
            (*subject, _text(line["zone"])),
        )
        found = self._db.execute(
            "SELECT id FROM subjects WHERE kind = ? AND service = ? AND name = ?", subject
        )
        self._subjects[subject] = int(found.fetchone()[0])
        return made.rowcount > 0

    def take_counts(self, line: Line) -> bool:
        counts = dict(line["counts"])
        if counts.keys() - set(COUNTS) or line["level"] not in LEVELS or line["at"] % line["level"]:
            raise SpecError("counts of a kind that is not known")
        latencies = {_bucket(bucket): _whole(count) for bucket, count in line["latencies"]}
        key = (line["level"], self._subject(line), _whole(line["at"]))
        values = (*(_whole(counts.get(name, 0)) for name in COUNTS), packed(latencies))
        found = self._db.execute(
            f"SELECT {_COLUMNS}, latencies FROM counts WHERE level = ? AND subject = ? AND at = ?",  # noqa: S608
            key,
        ).fetchone()
        return self._put(
            found,
            values,
            f"INSERT INTO counts (level, subject, at, {_COLUMNS}, latencies)"  # noqa: S608
            f" VALUES ({', '.join('?' * (len(key) + len(values)))})",
            (*key, *values),
        )

    def take_span(self, line: Line) -> bool:
        key = (self._subject(line), _number(line["since"]))
        until = None if line["until"] is None else _number(line["until"])
        values = (until, _state(line["state"]), _text(line["because"]))
        found = self._db.execute(
            "SELECT until, state, because FROM spans WHERE subject = ? AND since = ?", key
        ).fetchone()
        if found is None and self._crosses(*key, until):
            raise SpecError("the ledger has another state of it at the same time")
        return self._put(found, values, "INSERT INTO spans VALUES (?, ?, ?, ?, ?)", (*key, *values))

    def _crosses(self, subject: int, since: float, until: float | None) -> bool:
        found = self._db.execute(
            "SELECT 1 FROM spans WHERE subject = ? AND coalesce(until, 9e99) > ? AND since < coalesce(?, 9e99)",
            (subject, since, until),
        )
        return (until is None or until > since) and found.fetchone() is not None

    def take_mark(self, line: Line) -> bool:
        until = None if line["until"] is None else _number(line["until"])
        key = (_state(line["state"]), _text(line["service"]), _number(line["since"]), _text(line["reason"]))
        found = self._db.execute(
            "SELECT until FROM marks WHERE state = ? AND service = ? AND since = ? AND reason = ?", key
        ).fetchone()
        made = "INSERT INTO marks (state, service, since, reason, until) VALUES (?, ?, ?, ?, ?)"
        return self._put(found, (until,), made, (*key, until))

    def take_incident(self, line: Line) -> bool:
        told = line["incident"]
        key, record = (_text(told["service"]), _number(told["began"])), json.dumps(told)
        values = (int(bool(line["over"])), record)
        found = self._db.execute(
            "SELECT over, record FROM incidents WHERE service = ? AND began = ?", key
        ).fetchone()
        made = "INSERT INTO incidents (service, began, over, record) VALUES (?, ?, ?, ?)"
        if not self._put(found, values, made, (*key, *values)):
            return False
        number = self._db.execute("SELECT id FROM incidents WHERE service = ? AND began = ?", key).fetchone()
        for at, text in line["notes"]:
            self._store.note(int(number[0]), _number(at), _text(text))
        return True

    def take_fact(self, line: Line) -> bool:
        fact = line["fact"]
        at, record = _number(fact["at"]), json.dumps(fact)
        _text(fact["fact"])
        if record not in self._facts:
            found = self._db.execute("SELECT count(*) FROM facts WHERE at = ? AND record = ?", (at, record))
            self._facts[record] = int(found.fetchone()[0])
        # What happened twice at one moment is there twice, and no more often.
        self._facts[record] -= 1
        if self._facts[record] >= 0:
            return False
        self._store.tell([fact])
        return True

    def _subject(self, line: Line) -> int:
        return self._subjects[tuple(line["subject"])]

    def _put(
        self, found: tuple[Any, ...] | None, values: tuple[Any, ...], made: str, row: tuple[Any, ...]
    ) -> bool:
        if found is not None:
            if tuple(found) != values:
                raise SpecError("the ledger has other figures for the same time: it has gone on since")
            return False
        self._db.execute(made, row)
        return True


def _number(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise ValueError(value)
    return value  # type: ignore[return-value]


def _bucket(value: object) -> int:
    # What is beyond these is no latency that anything measures, and could not be told.
    if not STEPS <= _whole(value) < _BUCKETS:
        raise ValueError(value)
    return _whole(value)


def _state(value: object) -> str:
    if _text(value) not in STATES:
        raise ValueError(value)
    return _text(value)


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError(value)
    return value
