"""Lines that begin with the time."""

import io

from mainstay.cli.stamp import Stamped

STAMP = "2026-11-25T09:50:46.500Z "


def stamped(*texts):
    """Write these, and give what became of them."""
    heard = io.StringIO()
    stream = Stamped(heard, lambda: 1795600246.5)
    for text in texts:
        assert stream.write(text) == len(text)
    stream.flush()
    return heard.getvalue()


def test_each_line_begins_with_the_time():
    assert stamped("one\ntwo\n", "three\n") == f"{STAMP}one\n{STAMP}two\n{STAMP}three\n"


def test_a_line_that_comes_in_pieces_has_one_time():
    assert stamped("o", "n", "e\ntw", "o\n") == f"{STAMP}one\n{STAMP}two\n"


def test_an_empty_line_is_a_line_and_nothing_is_nothing():
    assert stamped("", "\n", "") == f"{STAMP}\n"


def test_what_is_not_ended_stays_so():
    assert stamped("one\ntwo") == f"{STAMP}one\n{STAMP}two"
