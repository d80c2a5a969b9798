import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.ledger.audit import audit
from mainstay.ledger.parcel import bring_in, lines
from mainstay.ledger.report import report
from mainstay.ledger.store import INSTANCE, SERVICE, Row, Store, Subject, opened
from mainstay.reliability.account import Account
from mainstay.reliability.incident import Incident
from mainstay.reliability.span import DOWN, MAINTENANCE, UP

NOW = 1_800_000_000
DAY = 86400
WEB = Subject(SERVICE, "web", "web")
FIRST = Subject(INSTANCE, "web", "web-1", "a")

HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(["count", "enter", "fact", "mark", "leave"]),
        st.sampled_from([WEB, FIRST]),
        st.integers(0, 3000),
        st.integers(0, 20),
    ),
    max_size=40,
)


def made() -> Store:
    store, _ = opened(Path(tempfile.mkdtemp()) / "ledger.db", NOW)
    return store


def lived(history: list[tuple[str, Subject, int, int]], since: float = NOW) -> Store:
    store, at = made(), float(since)
    with store.writing():
        for what, subject, step, size in history:
            at += step
            if what == "count":
                account = Account({"requests": size + 1, "failures": size // 3}, {size + 8: size + 1})
                store.count([Row(subject, 10, int(at) - int(at) % 10, account)])
            elif what == "enter":
                store.enter(subject, UP if size % 2 else DOWN, at, "because")
            elif what == "leave":
                store.leave(subject, at)
            elif what == "mark":
                store.mark(MAINTENANCE, "web", at, at + size if size else None, f"{size}")
            else:
                store.tell([{"fact": "Told", "at": at, "service": "web", "size": size}] * (1 + size % 2))
        store.watch(at)
    return store


def written(store: Store, since: float = 0) -> list[str]:
    return [json.dumps(line) for line in lines(store, since)]


def brought(store: Store, told: list[str]) -> dict[str, int]:
    with store.writing():
        return dict(bring_in(store, told))


@settings(max_examples=12, deadline=None)
@given(HISTORIES)
def test_what_was_exported_and_imported_is_the_same_to_the_last_figure(
    history: list[tuple[str, Subject, int, int]],
) -> None:
    # Two marks that cannot be told apart are one.
    store, other = lived([one for one in history if one[0] != "mark" or one[2]]), made()

    brought(other, written(store))

    assert written(other) == written(store)
    period = (NOW - DAY, store.watched_until or NOW)
    assert report(other, *period) == report(store, *period)
    assert audit(other) == audit(store) == []


@settings(max_examples=6, deadline=None)
@given(HISTORIES)
def test_what_is_imported_a_second_time_is_not_there_twice(
    history: list[tuple[str, Subject, int, int]],
) -> None:
    told, other = written(lived(history)), made()
    brought(other, told)
    before = written(other)

    again = brought(other, told)

    assert again == {}
    assert written(other) == before


def test_two_times_of_one_system_become_one_ledger() -> None:
    first = lived([("enter", WEB, 1, 1), ("count", WEB, 1, 5), ("fact", WEB, 1, 2)])
    later = lived([("enter", WEB, 1, 1), ("count", WEB, 1, 7), ("fact", WEB, 1, 3)], NOW + 2 * DAY)

    new = brought(first, written(later))

    assert new == {"counts": 4, "span": 1, "fact": 2}
    assert first.counted(WEB, NOW - DAY, NOW + 4 * DAY).counts["requests"] == 14
    assert first.watched_until == later.watched_until
    assert audit(first) == []


def test_an_import_that_would_count_something_twice_is_refused_as_a_whole() -> None:
    store = lived([("count", WEB, 1, 5)])
    told = written(lived([("fact", WEB, 0, 2), ("count", WEB, 20, 7)]))
    before = written(store)

    with pytest.raises(SpecError, match=r"line \d+: the ledger has other figures for the same time"):
        brought(store, told)

    assert written(store) == before


def test_only_whole_days_are_exported() -> None:
    store = lived([("count", WEB, 1, 5), ("count", WEB, 2 * DAY, 5)])
    other = made()

    brought(other, written(store, NOW + DAY + 3600))

    assert other.counted(WEB, NOW - DAY, NOW + 4 * DAY).counts["requests"] == 6
    assert audit(other) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "there is nothing in it"),
        (["nonsense"], "line 1: it is no line of a ledger"),
        (['{"line": "fact"}'], "line 1: it is not the export of a ledger"),
        (['{"line": "ledger", "version": 2}'], "line 1: it is not the export of a ledger of version 1"),
        (['{"line": "ledger", "version": 1, "watched_until": "soon"}'], "line 1: it is no line"),
        (['{"line": "ledger", "version": 1, "watched_until": null}', '{"line": "nothing"}'], "line 2: it is"),
        (
            [
                '{"line": "ledger", "version": 1, "watched_until": null}',
                '{"line": "counts", "subject": ["service", "web", "web"], "level": 10, "at": 10, "counts": {}, "latencies": []}',
            ],
            "line 2: it is no line",
        ),
    ],
)
def test_what_is_no_export_is_refused_with_its_line(told: list[str], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        brought(made(), told)


def test_an_audit_finds_sums_that_do_not_agree_and_states_at_the_same_time() -> None:
    store = lived([("count", WEB, 1, 5), ("enter", WEB, 1, 1), ("enter", WEB, 10, 2), ("fact", WEB, 1, 2)])
    db = store.connection
    db.execute("UPDATE counts SET requests = requests + 1 WHERE level = 3600")
    db.execute("UPDATE counts SET latencies = NULL WHERE level = 86400")
    db.execute("UPDATE spans SET until = until + 5 WHERE until IS NOT NULL")
    db.execute("UPDATE facts SET record = 'nonsense'")

    found = audit(store)

    assert any("the counts of 3600 s from" in one and "not the sum of those of 60 s" in one for one in found)
    assert any("the latencies of 86400 s" in one for one in found)
    assert any("two states at the same time" in one for one in found)
    assert any("cannot be read" in one for one in found)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"mitigated": 5.0}, "incident 1 ends at 5.0, before it begins at 10.0"),
        ({"mitigated": 12.0, "requests": 3, "failed": 4}, "incident 1 has 4 failed requests of 3"),
        ({"service": "api"}, "incident 1 says api from 10.0, and is kept as web from 10.0"),
        ({"state": "rumour"}, "incident 1 cannot be read"),
        ({"mitigated": "soon"}, "incident 1 cannot be read"),
        ({"colour": "red"}, "incident 1 cannot be read"),
        ({"mitigated": 12.0, "requests": 4, "failed": 4}, None),
    ],
)
def test_an_audit_finds_incidents_that_cannot_be(told: dict[str, object], said: str | None) -> None:
    store = lived([])
    record = {**Incident(service="web", began=10.0).record(), **told}
    store.connection.execute(
        "INSERT INTO incidents (service, began, over, record) VALUES ('web', 10, 0, ?)", (json.dumps(record),)
    )

    assert audit(store) == ([said] if said else [])


def test_an_audit_finds_notes_about_nothing() -> None:
    store = lived([])
    store.connection.execute("INSERT INTO notes (incident, at, text) VALUES (7, 1, 'the disk was full')")

    assert audit(store) == ["note 1 is about incident 7, which there is not"]
