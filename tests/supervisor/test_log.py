import asyncio
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.supervisor import log as room
from mainstay.supervisor.log import LONGEST, follow, last_lines, older, rotate


@pytest.fixture
def log(tmp_path):
    return tmp_path / "web-1.log"


def _append(path, text):
    with path.open("a") as file:
        file.write(text)


# Rotation


def test_a_small_log_is_left_alone(log):
    log.write_text("12345")

    assert not rotate(log, 5, 3)
    assert log.read_text() == "12345"


def test_a_grown_log_is_moved_aside_under_the_hands_of_whoever_writes_it(log):
    writer = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(writer, b"before\n")

    assert rotate(log, 5, 3)

    os.write(writer, b"after\n")
    os.close(writer)
    assert older(log, 1).read_text() == "before\n"
    assert log.read_text() == "after\n"
    assert older(log, 1).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in log.parent.iterdir()) == ["web-1.log", "web-1.log.1"]


def test_only_so_many_older_ones_are_kept(log):
    for text in ("one", "two", "three", "four"):
        log.write_text(text)
        rotate(log, 1, 2)

    assert log.read_text() == ""
    assert [older(log, number).read_text() for number in (1, 2)] == ["four", "three"]
    assert not older(log, 3).exists()


def test_none_may_be_kept(log):
    log.write_text("one")

    assert rotate(log, 1, 0)
    assert log.read_text() == ""
    assert not older(log, 1).exists()


def test_no_size_is_no_limit(log):
    log.write_text("one")

    assert not rotate(log, 0, 3)


def test_a_log_that_is_not_there_is_not_rotated(log):
    assert not rotate(log, 1, 3)


def test_what_is_written_during_the_copy_is_copied_too(log, monkeypatch):
    log.write_text("before\n")
    copy = room.shutil.copyfileobj

    def slow(come, go, block):
        copy(come, go, block)
        _append(log, "meanwhile\n")

    monkeypatch.setattr(room.shutil, "copyfileobj", slow)

    rotate(log, 1, 1)

    assert older(log, 1).read_text() == "before\nmeanwhile\n"


# The last lines


def test_the_last_lines(log):
    log.write_text("one\ntwo\nthree\n")

    assert last_lines(log, 2) == ["two", "three"]
    assert last_lines(log, 9) == ["one", "two", "three"]
    assert last_lines(log, 0) == []


def test_a_line_without_an_end_is_a_line(log):
    log.write_text("one\ntwo")

    assert last_lines(log, 2) == ["one", "two"]


def test_empty_lines_are_lines(log):
    log.write_text("one\n\n\n")

    assert last_lines(log, 2) == ["", ""]


def test_what_is_no_text_is_shown_as_well_as_can_be(log):
    log.write_bytes(b"caf\xc3\xa9\xff\r\n")

    assert last_lines(log, 1) == ["caf\u00e9\ufffd"]


def test_the_older_piece_makes_up_for_what_is_missing(log):
    older(log, 1).write_text("one\ntwo\n")
    log.write_text("three\n")

    assert last_lines(log, 2) == ["two", "three"]


def test_only_what_one_life_said(log):
    log.write_text("former\n")
    since = log.stat().st_size
    _append(log, "present\n")

    assert last_lines(log, 5, since) == ["present"]
    assert last_lines(log, 5, log.stat().st_size) == []


def test_a_beginning_beyond_the_end_means_that_the_log_was_rotated(log):
    older(log, 1).write_text("one\n")
    log.write_text("two\n")

    assert last_lines(log, 5, 1000) == ["one", "two"]


def test_a_log_that_is_not_there_has_no_lines(log):
    assert last_lines(log, 5) == []


def test_a_log_that_is_cut_while_it_is_read_has_no_lines(log, monkeypatch):
    monkeypatch.setattr(room, "_size", lambda path: 100)
    log.write_text("one\n")

    assert last_lines(log, 5) == []


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_characters="\n\r", codec="ascii"), max_size=20)),
    st.integers(1, 30),
)
def test_the_last_lines_are_those_of_the_whole(tmp_path_factory, lines, count):
    log = tmp_path_factory.mktemp("log") / "log"
    log.write_text("".join(f"{line}\n" for line in lines))
    room._BLOCK = 7
    try:
        assert last_lines(log, count) == lines[-count:]
    finally:
        room._BLOCK = 64 * 2**10


# Following


class Looks:
    """Looks at logs, one after the other, with something happening in between."""

    def __init__(self, logs, last=0):
        self.lines = []
        self._looked = asyncio.Event()
        self._given = logs
        self._task = asyncio.ensure_future(self._run(last))

    async def _run(self, last):
        async for line in follow(self._logs, last=last, every=0.0):
            self.lines.append(line)

    def _logs(self):
        self._looked.set()
        return self._given

    async def more(self):
        """Wait for three more looks, and take the lines that they found."""
        for _ in range(4):
            self._looked.clear()
            await self._looked.wait()
        lines, self.lines = self.lines, []
        return lines

    async def end(self):
        self._task.cancel()
        await asyncio.wait([self._task])


@pytest.fixture
async def looks():
    made = []

    def make(logs, last=0):
        made.append(Looks(logs, last))
        return made[-1]

    yield make
    for one in made:
        await one.end()


async def test_lines_are_given_as_they_come(log, looks):
    log.write_text("before\n")
    following = looks({"web-1": log})
    assert await following.more() == []

    _append(log, "one\ntwo\n")

    assert await following.more() == [("web-1", "one"), ("web-1", "two")]
    assert await following.more() == []


async def test_the_last_ones_come_first(log, looks):
    log.write_text("one\ntwo\nthree\n")

    assert await looks({"web-1": log}, last=2).more() == [("web-1", "two"), ("web-1", "three")]


async def test_a_line_is_given_when_it_has_ended(log, looks):
    log.write_text("wh")
    following = looks({"web-1": log}, last=5)
    assert await following.more() == []

    _append(log, "ole\nha")
    assert await following.more() == [("web-1", "whole")]

    _append(log, "lf\n")
    assert await following.more() == [("web-1", "half")]


async def test_a_line_that_never_ends_is_given_in_pieces(log, looks):
    log.touch()
    following = looks({"web-1": log})
    await following.more()

    _append(log, "x" * (LONGEST + 1))

    assert await following.more() == [("web-1", "x" * (LONGEST + 1))]


async def test_no_line_is_lost_or_doubled_by_a_rotation(log, looks):
    log.write_text("one\n")
    following = looks({"web-1": log})
    await following.more()

    _append(log, "two\nthr")
    rotate(log, 1, 3)
    _append(log, "ee\nfour, which makes it longer than before\n")

    lines = [line for _, line in await following.more()]
    assert lines == ["two", "three", "four, which makes it longer than before"]


async def test_a_rotation_seen_halfway_loses_nothing(log, looks):
    log.write_text("one\n")
    following = looks({"web-1": log})
    await following.more()
    _append(log, "two\n")
    copy = log.with_name("copy")
    copy.write_bytes(log.read_bytes())
    tail = room._Tail(log, at_end=False)
    tail._at = 4

    os.truncate(log, 0)
    assert tail.news() == []
    copy.replace(older(log, 1))

    assert tail.news() == ["two"]


async def test_a_log_that_somebody_cut_is_read_from_its_beginning(log, looks):
    log.write_text("one\ntwo\n")
    following = looks({"web-1": log})
    await following.more()

    log.write_text("new\n")

    assert await following.more() == [("web-1", "new")]


async def test_logs_that_appear_later_are_followed_as_a_whole(log, looks):
    logs = {}
    following = looks(logs)
    await following.more()

    log.write_text("one\n")
    logs["web-1"] = log

    assert await following.more() == [("web-1", "one")]
    del logs["web-1"]
    await following.more()
    logs["web-1"] = log
    assert await following.more() == [("web-1", "one")]


async def test_a_log_may_be_missing_for_a_while(log, looks):
    following = looks({"web-1": log})
    assert await following.more() == []

    log.write_text("one\n")

    assert await following.more() == [("web-1", "one")]
