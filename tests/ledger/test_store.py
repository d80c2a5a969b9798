import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import EngineError, EnvironmentProblem
from mainstay.ledger.packing import packed, unpacked
from mainstay.ledger.store import INSTANCE, KEPT, LEVELS, SERVICE, Row, Store, Subject, opened, reading
from mainstay.reliability.account import Account, total
from mainstay.reliability.span import DOWN, DRILL, UP, Span

WEB = Subject(SERVICE, "web", "web")
FIRST = Subject(INSTANCE, "web", "web-1", "a")
NOW = 1_800_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made, trouble = opened(tmp_path / "ledger.db", NOW)
    assert trouble is None
    return made


def account(requests: int, failures: int = 0, latencies: dict[int, int] | None = None) -> Account:
    counts = {"requests": requests, "failures": failures}
    return Account({name: count for name, count in counts.items() if count}, latencies or {})


def test_what_was_counted_is_the_same_by_spans_of_every_length(store: Store) -> None:
    rows = [
        Row(WEB, 10, NOW + 10 * step, account(step, latencies={step % 5: step})) for step in range(1, 2000)
    ]
    with store.writing():
        store.count(rows)

    sums = {
        level: store._db.execute(
            "SELECT sum(requests), count(*) FROM counts WHERE level = ?", (level,)
        ).fetchone()
        for level in LEVELS
    }

    assert {total for total, _ in sums.values()} == {sum(range(2000))}
    assert sums[10][1] > sums[60][1] > sums[3600][1] > sums[86400][1]


@given(
    st.lists(st.tuples(st.integers(0, 3 * 86400), st.integers(1, 9), st.integers(0, 300)), max_size=40),
    st.integers(0, 3 * 8640),
    st.integers(0, 3 * 8640),
)
def test_a_period_has_what_was_counted_in_it_however_it_is_cut(
    told: list[tuple[int, int, int]], first: int, second: int
) -> None:
    store, _ = opened(Path(tempfile.mkdtemp()) / "ledger.db", NOW)
    since, until = NOW + 10 * min(first, second), NOW + 10 * max(first, second)
    rows = [
        Row(WEB, 10, NOW + at - at % 10, account(count, latencies={bucket: count}))
        for at, count, bucket in told
    ]
    with store.writing():
        store.count(rows)
        store.watch(since)  # so that nothing is too old to be known exactly

    found = store.counted(WEB, since, until)

    inside = total(row.account for row in rows if since <= row.at < until)
    assert found == inside
    with store.writing():
        store.forget(NOW + 4 * 86400.0)
    assert store.counted(WEB, NOW - 86400, NOW + 4 * 86400) == total(row.account for row in rows)


def test_what_is_forgotten_is_still_in_the_sums(store: Store) -> None:
    with store.writing():
        store.count([Row(WEB, 10, NOW, account(7))])
        store.watch(NOW + 500 * 86400)
        store.forget(NOW + 500 * 86400)

    left = store._db.execute("SELECT level, requests FROM counts").fetchall()

    assert left == [(86400, 7)]
    assert store.counted(WEB, NOW, NOW + 86400).counts == {"requests": 7}
    assert all([*kept, LEVELS[-1]] == list(LEVELS) for kept in KEPT.values())


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def rows() -> Iterator[Row]:
        store.enter(WEB, UP, NOW)
        yield Row(WEB, 10, NOW, account(7))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), store.writing():
        store.count(rows())

    assert store.counted(WEB, NOW, NOW + 60) == Account()
    assert store.subjects() == []
    with store.writing():
        store.count([Row(WEB, 10, NOW, account(7))])
    assert store.counted(WEB, NOW, NOW + 60).counts == {"requests": 7}


def test_states_follow_one_another_and_end_when_nobody_watches_any_more(store: Store) -> None:
    with store.writing():
        store.enter(FIRST, UP, NOW)
        store.enter(FIRST, DOWN, NOW + 10, "InstanceExited")
        store.enter(FIRST, UP, NOW + 12)
        store.watch(NOW + 20)

    assert store.spans(FIRST, NOW, NOW + 100, NOW + 100) == [
        Span(UP, NOW, NOW + 10),
        Span(DOWN, NOW + 10, NOW + 12),
        Span(UP, NOW + 12, NOW + 20),
    ]
    with store.writing():
        assert store.interrupted() == NOW + 20
        store.enter(FIRST, UP, NOW + 50)
        store.watch(NOW + 60)
    assert store.spans(FIRST, NOW + 15, NOW + 100, NOW + 100) == [
        Span(UP, NOW + 12, NOW + 20),
        Span(UP, NOW + 50, NOW + 60),
    ]
    assert store.subjects(INSTANCE) == [FIRST]


def test_a_drill_that_was_cut_short_ends_with_who_watched(store: Store) -> None:
    with store.writing():
        store.mark(DRILL, "web", NOW, None, "kill@web")
        number = store.mark("maintenance", "", NOW + 1, None, "new disks")
        store.watch(NOW + 5)
        store.interrupted()

    assert store.marks("web", NOW, NOW + 100) == [
        Span(DRILL, NOW, NOW + 5),
        Span("maintenance", NOW + 1, NOW + 100),
    ]
    with store.writing():
        store.unmark(number, NOW + 30)
    assert store.marks("api", NOW, NOW + 100) == [Span("maintenance", NOW + 1, NOW + 30)]


def test_facts_come_back_by_time_and_kind(store: Store) -> None:
    facts = [
        {"fact": "InstanceExited", "at": NOW + 2.0, "instance": "web-1", "service": "web"},
        {"fact": "InstanceStarted", "at": NOW + 1.0, "instance": "web-1", "service": "web"},
    ]
    with store.writing():
        store.tell(facts)

    assert [fact["fact"] for fact in store.facts(NOW, NOW + 9)] == ["InstanceStarted", "InstanceExited"]
    assert list(store.facts(NOW, NOW + 9, ["InstanceExited"])) == facts[:1]
    assert list(store.facts(NOW + 2.5, NOW + 9)) == []


def test_it_can_be_read_and_copied_while_it_is_written_to(store: Store, tmp_path: Path) -> None:
    with store.writing():
        store.count([Row(WEB, 10, NOW, account(7))])
        with reading(store.path) as other:
            assert other.counted(WEB, NOW, NOW + 60) == Account()
    with reading(store.path) as other:
        assert other.counted(WEB, NOW, NOW + 60).counts == {"requests": 7}
    store.copy_to(tmp_path / "copy.db")
    with reading(tmp_path / "copy.db") as copy:
        assert copy.counted(WEB, NOW, NOW + 60).counts == {"requests": 7}
        assert copy.check() == []


@pytest.mark.parametrize("damage", [b"", b"this is no database at all, whatever its name says" * 200])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "ledger.db"
    store, _ = opened(path, NOW)
    with store.writing():
        store.count([Row(WEB, 10, NOW, account(7))])
    store.close()
    if damage:
        path.write_bytes(damage)
    else:
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + b"\xff" * 4096 + whole[8192:])

    again, trouble = opened(path, NOW)

    assert trouble is not None
    assert "was damaged" in trouble
    assert again.check() == []
    assert again.subjects() == []
    assert list(tmp_path.glob("ledger.db.broken-*"))


def test_one_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    store, _ = opened(path, NOW)
    with store.writing():
        store._put("version", 99)
    store.close()

    with pytest.raises(EnvironmentProblem, match="version 99, and this program knows"):
        opened(path, NOW)
    with pytest.raises(EnvironmentProblem, match="version 99"):
        reading(path)


def test_one_of_a_former_version_is_brought_up_to_date_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    store, _ = opened(path, NOW)
    with store.writing():
        store.count([Row(WEB, 10, NOW, account(7))])
        for name in ("user_up", "user_down"):
            store._db.execute(f"ALTER TABLE counts DROP COLUMN {name}")
        store._put("version", 1)
    store.close()
    with pytest.raises(EnvironmentProblem, match="`mainstay up` brings it to"):
        reading(path)

    again, trouble = opened(path, NOW)

    assert trouble is None
    with again.writing():
        again.count([Row(WEB, 10, NOW, Account({"user_up": 5}))])
    assert again.counted(WEB, NOW, NOW + 60).counts == {"requests": 7, "user_up": 5}
    again.close()


def test_where_there_is_none_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="nothing has run there yet"):
        reading(tmp_path / "ledger.db")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        opened(tmp_path / "no" / "folder" / "ledger.db", NOW)


def test_a_file_that_cannot_be_written_says_so(store: Store) -> None:
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store._db.execute("PRAGMA busy_timeout = 10")

    with pytest.raises(EngineError, match="cannot be written: database is locked"), store.writing():
        pass

    other.execute("ROLLBACK")
    other.close()


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 2**40)))
def test_a_histogram_comes_back_as_it_was(histogram: dict[int, int]) -> None:
    written = packed(histogram)

    assert unpacked(written) == histogram
    assert (written is None) is (not histogram)


@pytest.mark.parametrize("wrong", [b"\x81", b"\x01", b"\x01\x02\x03"])
def test_half_a_histogram_is_told(wrong: bytes) -> None:
    with pytest.raises(EngineError):
        unpacked(wrong)
