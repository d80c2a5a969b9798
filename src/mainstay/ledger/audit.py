"""Whether a ledger is sound: the file is whole, and what must agree in it does.

Counts are written in spans of every length at once, so the sums of two lengths have to be equal for as long as both are kept.
"""

import json
import sqlite3
from collections.abc import Iterator
from itertools import islice, pairwise

from mainstay.base.errors import EngineError
from mainstay.base.histogram import merged
from mainstay.ledger.packing import unpacked
from mainstay.ledger.store import KEPT, LEVELS, Store
from mainstay.reliability.account import COUNTS
from mainstay.reliability.incident import Incident
from mainstay.reliability.span import STATES

_MOST = 10


def audit(store: Store) -> list[str]:
    """Give what is wrong with a ledger, up to some of each kind; nothing, when it is sound."""
    if trouble := store.check():
        return trouble
    try:
        return [*_sums(store), *_latencies(store), *_spans(store), *_facts(store), *_incidents(store)]
    except sqlite3.Error as problem:
        return [f"it cannot be read: {problem}"]


def _floors(store: Store) -> Iterator[tuple[str, int, int, int]]:
    """Give, of each kind of subject and two lengths, since when the finer spans are all there."""
    seen = store.watched_until or 0.0
    for kind in KEPT:
        kept = store.kept(kind)
        for fine, coarse in pairwise(LEVELS):
            begin = int(seen) - kept[fine]
            yield kind, fine, coarse, begin + -begin % coarse


def _sums(store: Store) -> Iterator[str]:
    sums = ", ".join(f"sum({name})" for name in COUNTS)
    own = ", ".join(COUNTS)
    for kind, fine, coarse, begin in _floors(store):
        fines = (
            f"SELECT subject, at - at % {coarse}, {sums} FROM counts WHERE level = {fine} AND at >= {begin}"  # noqa: S608
            f" AND subject IN (SELECT id FROM subjects WHERE kind = '{kind}') GROUP BY 1, 2"
        )
        coarses = (
            f"SELECT subject, at, {own} FROM counts WHERE level = {coarse} AND at >= {begin}"  # noqa: S608
            f" AND subject IN (SELECT id FROM subjects WHERE kind = '{kind}')"
        )
        wrong = f"SELECT * FROM ({fines} EXCEPT {coarses}) UNION SELECT * FROM ({coarses} EXCEPT {fines})"  # noqa: S608
        found = store.connection.execute(
            f'SELECT DISTINCT s.service, s.name, w.at FROM (SELECT subject, "at - at % {coarse}" AS at FROM ({wrong}))'  # noqa: S608
            f" w JOIN subjects s ON s.id = w.subject LIMIT {_MOST}"
        )
        for service, name, at in found:
            yield f"{service}, {name}: the counts of {coarse} s from {at} are not the sum of those of {fine} s"


def _latencies(store: Store) -> Iterator[str]:
    for kind, fine, coarse, begin in _floors(store):
        sums: dict[tuple[int, int], dict[int, int]] = {}
        wrong = 0
        query = (
            "SELECT subject, at, latencies FROM counts WHERE level = ? AND at >= ?"
            " AND subject IN (SELECT id FROM subjects WHERE kind = ?)"
        )
        try:
            for subject, at, told in store.connection.execute(query, (fine, begin, kind)):
                key = (subject, at - at % coarse)
                sums[key] = merged((sums.get(key, {}), unpacked(told)))
            for subject, at, told in store.connection.execute(query, (coarse, begin, kind)):
                if sums.get((subject, at), {}) != unpacked(told) and wrong < _MOST:
                    wrong += 1
                    yield f"the latencies of {coarse} s from {at} are not the sum of those of {fine} s"
        except EngineError as problem:
            yield str(problem)


def _spans(store: Store) -> Iterator[str]:
    found = store.connection.execute(
        "SELECT s.service, s.name, w.since, w.until, w.state, w.before FROM (SELECT *, max(coalesce(until, 9e99))"
        " OVER (PARTITION BY subject ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM spans)"
        " w JOIN subjects s ON s.id = w.subject WHERE w.before > w.since OR w.until < w.since"
        " OR w.state NOT IN (SELECT value FROM json_each(?)) LIMIT ?",
        (json.dumps(list(STATES)), _MOST),
    )
    for service, name, since, until, state, before in found:
        if until is not None and until < since:
            yield f"{service}, {name}: a state ends at {until}, before it begins at {since}"
        elif state not in STATES:
            yield f"{service}, {name}: '{state}' is no state"
        else:
            yield f"{service}, {name}: two states at the same time, from {since} and until {before}"


def _facts(store: Store) -> Iterator[str]:
    found = store.connection.execute(f"SELECT id FROM facts WHERE NOT json_valid(record) LIMIT {_MOST}")  # noqa: S608
    for (number,) in found:
        yield f"fact {number} cannot be read"


def _incidents(store: Store) -> Iterator[str]:
    found = store.connection.execute("SELECT id, service, began, record FROM incidents ORDER BY id")
    wrong = (one for row in found for one in _untrue(*row))
    yield from islice(wrong, _MOST)
    lost = store.connection.execute(
        "SELECT id, incident FROM notes WHERE incident NOT IN (SELECT id FROM incidents) LIMIT ?", (_MOST,)
    )
    for note, number in lost:
        yield f"note {note} is about incident {number}, which there is not"


def _untrue(number: int, service: str, began: float, record: str) -> Iterator[str]:
    try:
        incident = Incident.read(json.loads(record))
        if (incident.service, incident.began) != (service, began):
            yield f"incident {number} says {incident.service} from {incident.began}, and is kept as {service} from {began}"
        if incident.mitigated is not None and incident.mitigated < incident.began:
            yield f"incident {number} ends at {incident.mitigated}, before it begins at {incident.began}"
        if not 0 <= incident.failed <= incident.requests:
            yield f"incident {number} has {incident.failed} failed requests of {incident.requests}"
    except (ValueError, TypeError, KeyError):
        yield f"incident {number} cannot be read"
