"""What is done to the file while it is written to."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mainstay.ledger import store as shape
from mainstay.ledger import writer as writing
from mainstay.ledger.audit import audit
from mainstay.ledger.store import SERVICE, Row, Subject, opened, reading
from mainstay.ledger.writer import Writer
from mainstay.reliability.account import Account
from mainstay.reliability.span import UP, within

WEB = Subject(SERVICE, "web", "web")
NOW = 1_800_000_000.0


class Desk:
    """A writer that hurries, and what it has told."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, NOW
        self.told: list[tuple[str | None, int]] = []
        self.writer = Writer(path, lambda: self.now, lambda why, lost: self.told.append((why, lost)))
        self.writer.resume = lambda store, at: store.resume(WEB, UP, at)

    def count(self, requests: int) -> None:
        at = int(self.now) - int(self.now) % 10
        self.writer.write(lambda store: store.count([Row(WEB, 10, at, Account({"requests": requests}))]))

    def settle(self) -> None:
        """Wait until all that was handed over is written: the second piece is of a later batch."""
        for _ in range(2):
            done = threading.Event()
            self.writer.write(lambda store, done=done: done.set())
            assert done.wait(20), self.told

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, self.told
            time.sleep(0.01)

    def until_told(self, count: int) -> None:
        self.until(lambda: len(self.told) >= count)

    def requests(self) -> int:
        self.writer.close(20)
        with reading(self.path) as store:
            assert store.check() == []
            return store.counted(WEB, NOW - 100, NOW + 10_000).counts.get("requests", 0)

    def spans(self) -> list[tuple[str, float, float]]:
        with reading(self.path) as store:
            found = store.spans(WEB, NOW, self.now, self.now)
        return [(span.state, span.since - NOW, span.until - NOW) for span in within(found, NOW, self.now)]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "EVERY", 0.02)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "ledger.db")
    yield made
    made.writer.close(20)


@pytest.mark.parametrize("gone", ["ledger.db", "ledger.db-wal"])
def test_a_file_that_is_removed_while_it_is_written_to_is_begun_anew_and_that_is_told_once(
    desk: Desk, gone: str
) -> None:
    desk.writer.write(lambda store: store.enter(WEB, UP, NOW))
    desk.count(3)
    desk.settle()
    desk.now += 50

    (desk.path.parent / gone).unlink()
    desk.until_told(2)
    desk.count(4)
    desk.now += 10
    desk.settle()

    # Without its journal it is whole again: what that held is written to the file when it is closed.
    assert desk.requests() == (4 if gone == "ledger.db" else 7)
    (why, _), mended = desk.told
    assert why is not None
    assert "was removed, replaced or overwritten" in why
    assert mended == (None, 0)
    assert desk.spans()[-1] == (UP, 50, 60)


def test_what_takes_the_place_of_a_file_is_gone_on_with_and_the_time_between_is_unknown(
    desk: Desk, tmp_path: Path
) -> None:
    desk.writer.write(lambda store: store.enter(WEB, UP, NOW))
    desk.count(3)
    desk.settle()
    with reading(desk.path) as store:
        store.copy_to(tmp_path / "copy")
    desk.now += 50
    desk.count(5)
    desk.settle()

    (tmp_path / "copy").rename(desk.path)
    desk.until_told(2)
    desk.now += 10
    desk.settle()

    assert desk.requests() == 3
    assert desk.spans() == [("unknown", 0, 50), (UP, 50, 60)]


def test_a_file_that_is_ruined_while_it_is_written_to_is_moved_aside(desk: Desk) -> None:
    desk.count(3)
    desk.settle()
    with desk.path.open("r+b") as file:
        file.write(b"\xff" * desk.path.stat().st_size)
    Path(f"{desk.path}-wal").write_bytes(b"")

    desk.count(4)
    desk.until_told(2)

    assert desk.requests() == 4
    assert [lost for _, lost in desk.told] == [0, 0]
    assert list(desk.path.parent.glob("ledger.db.broken-*"))


def test_a_full_disk_costs_nothing_but_time(desk: Desk) -> None:
    desk.writer.write(lambda store: store.enter(WEB, UP, NOW))
    desk.count(3)
    desk.settle()
    assert desk.writer.store is not None
    desk.writer.store._db.execute("PRAGMA max_page_count = 1")
    big = [{"fact": "Big", "at": NOW, "text": "x" * 200_000}]

    desk.writer.write(lambda store: store.tell(big))
    desk.count(4)
    desk.until_told(1)
    desk.count(5)
    desk.writer.store._db.execute("PRAGMA max_page_count = 1000000")
    desk.until_told(2)

    assert desk.requests() == 12
    assert "full" in str(desk.told[0][0])
    assert desk.told[1:] == [(None, 0)]


def test_when_too_much_waits_the_oldest_is_dropped_and_its_time_is_unknown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST", 10)
    desk.writer.write(lambda store: store.enter(WEB, UP, NOW))
    desk.settle()
    other = sqlite3.connect(desk.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert desk.writer.store is not None
    desk.writer.store._db.execute("PRAGMA busy_timeout = 10")
    desk.until_told(1)

    desk.now += 60
    for _ in range(30):
        desk.count(1)
    other.execute("ROLLBACK")
    other.close()
    desk.until_told(2)
    desk.now += 5
    desk.settle()

    assert 10 <= desk.requests() < 30
    assert desk.told[1][1] == 30 - desk.requests()
    assert desk.spans() == [("unknown", 0, 60), (UP, 60, 65)]


def test_what_waits_is_bounded_by_what_it_takes_of_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST", 100)
    (tmp_path / "ledger.db").mkdir()
    desk = Desk(tmp_path / "ledger.db")

    for _ in range(20):
        desk.writer.write(lambda store: None, entries=30)
    (tmp_path / "ledger.db").rmdir()
    desk.until_told(2)
    desk.writer.close(20)

    # While a batch is being tried, as much again may have come.
    assert 600 - 2 * 100 <= desk.told[1][1] <= 600 - 90


def test_a_piece_that_cannot_be_written_keeps_nothing_else_from_it(desk: Desk) -> None:
    desk.count(3)
    desk.writer.write(lambda store: store.tell([{"fact": "Odd", "at": NOW, "what": object()}]))
    desk.count(4)

    desk.until_told(2)

    assert desk.requests() == 7
    assert [lost for _, lost in desk.told] == [0, 1]


def test_one_that_cannot_be_opened_is_opened_as_soon_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.mkdir()
    desk = Desk(path)
    desk.count(3)
    assert [why is not None for why, _ in desk.told] == [True]

    path.rmdir()
    desk.until_told(2)

    assert desk.requests() == 3
    assert desk.told[1] == (None, 0)


def test_one_of_a_newer_version_is_left_alone_and_told_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    store, _ = opened(path, NOW)
    with store.writing():
        store._put("version", 99)
    store.close()
    before = path.read_bytes()

    desk = Desk(path)
    desk.count(3)
    desk.until(lambda: bool(desk.writer._waiting))
    desk.writer.close(20)

    assert len(desk.told) == 1
    assert "a newer one wrote it" in str(desk.told[0][0])
    assert path.read_bytes() == before


def test_a_journal_of_which_the_end_is_ruined_is_read_as_far_as_it_is_whole(
    desk: Desk, tmp_path: Path
) -> None:
    desk.count(3)
    desk.settle()
    cut = desk.path.with_name("ledger.db-wal").stat().st_size
    desk.count(4)
    desk.settle()
    for tail in ("", "-wal"):
        shutil.copy(f"{desk.path}{tail}", f"{tmp_path / 'killed'}{tail}")
    with Path(f"{tmp_path / 'killed'}-wal").open("r+b") as journal:
        journal.seek(cut)
        journal.write(b"\xff" * 500)

    store, trouble = opened(tmp_path / "killed", NOW)

    assert trouble is None
    assert store.check() == []
    assert store.counted(WEB, NOW, NOW + 10).counts["requests"] == 3
    store.close()


def test_a_reader_that_takes_its_time_keeps_nobody_from_writing(desk: Desk) -> None:
    desk.count(3)
    desk.settle()
    with reading(desk.path) as reader:
        reader._db.execute("BEGIN")
        assert reader.counted(WEB, NOW, NOW + 10).counts["requests"] == 3

        desk.count(4)
        desk.settle()

        assert reader.counted(WEB, NOW, NOW + 10).counts["requests"] == 3
    assert desk.requests() == 7
    assert desk.told == []


def test_what_is_too_large_gives_up_fine_spans_first_and_gets_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shape, "_GIVEN_BACK", 16)
    store, _ = opened(tmp_path / "ledger.db", NOW)
    with store.writing():
        store.count(
            Row(WEB, 10, int(NOW) - 10 * step, Account({"requests": 1}, {5: 1})) for step in range(2000)
        )
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before, fine = (
        store.path.stat().st_size,
        store._db.execute("SELECT count(*) FROM counts WHERE level = 10").fetchone()[0],
    )

    with store.writing():
        for _ in range(3):
            store.forget(NOW, most=store.used - 1)
    for _ in range(100):
        store.give_back()
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    left = dict(store._db.execute("SELECT level, count(*) FROM counts GROUP BY level"))
    assert fine == 2000
    assert left[10] <= 1
    assert left[60] > 300
    assert store.path.stat().st_size < before
    assert store.counted(WEB, NOW - 90_000, NOW + 90_000).counts["requests"] == 2000
    with store.writing():
        store.watch(NOW)
    # What is there no longer is not looked for.
    assert store.counted(WEB, NOW - 7200, NOW - 3600).counts["requests"] > 300
    assert audit(store) == []
    store.close()


def test_facts_are_kept_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "MOST_FACTS", 5)
    store, _ = opened(tmp_path / "ledger.db", NOW)

    with store.writing():
        store.tell({"fact": "Flapped", "at": NOW + number} for number in range(20))
        store.forget(NOW)

    assert [fact["at"] - NOW for fact in store.facts(NOW, NOW + 99)] == [15, 16, 17, 18, 19]
    store.close()
