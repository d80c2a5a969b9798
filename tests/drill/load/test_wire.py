import socket

import pytest

from mainstay.drill.load.mix import Errand, Letter
from mainstay.drill.load.schedule import Arrival
from mainstay.drill.load.wire import Line, Shot


class Wire:
    """A transport whose other end is in the test's hands."""

    def __init__(self, mine):
        self.socket = mine
        self.written = b""
        self.closed = self.aborted = False

    def get_extra_info(self, name):
        return getattr(self, name, None)

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.closed or self.aborted

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True


class Book:
    """An owner that writes down what it is told."""

    def __init__(self):
        self.settled, self.idling, self.lost = [], [], []

    def settle(self, shot, outcome, status):
        assert not shot.settled
        shot.settled = True
        self.settled.append((shot.id, outcome, status))

    def idle(self, line):
        self.idling.append(line)

    def gone(self, line):
        if line not in self.lost:
            self.lost.append(line)


@pytest.fixture
def ends():
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield mine, theirs


@pytest.fixture
def book():
    return Book()


@pytest.fixture
def wire(ends):
    return Wire(ends[0])


def shot(name="a", *, fresh=False, method="GET"):
    errand = Errand(method=method, path="/{id}", headers={"X-Order-Id": "{id}"}, writes=True)
    return Shot(0, Arrival(0.0, 0, fresh), Letter(errand, "h"), name)


def sent(name):
    return shot(name).letter.written(name.encode(), fresh=False)


def asked(book, wire, one=None):
    line = Line(book, shot() if one is None else one)
    line.connection_made(wire)
    return line


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_the_first_request_is_sent_as_soon_as_the_connection_is_made(book, wire):
    asked(book, wire)

    assert wire.written == sent("a")


def test_a_connection_made_for_nobody_is_idle_at_once(book, wire):
    line = Line(book, None)

    line.connection_made(wire)

    assert (book.idling, wire.written) == ([line], b"")


def test_a_connection_that_comes_after_the_users_patience_is_cut_unused(book, wire):
    late = shot()
    late.settled = True

    asked(book, wire, late)

    assert (wire.written, wire.aborted) == (b"", True)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK, ("a", "ok", 200)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ("a", "ok", 204)),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ("a", "ok", 302)),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ("a", "status", 404)),
        (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", ("a", "status", 503)),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, ("a", "ok", 200)),
        (b"HTTP/1.1 200 OK\r\nX-Order-Id: a\r\nContent-Length: 0\r\n\r\n", ("a", "ok", 200)),
        (b"HTTP/1.1 200 OK\r\nx-order-id: b\r\nContent-Length: 0\r\n\r\n", ("a", "garbled", 200)),
    ],
)
@pytest.mark.parametrize("pieces", [1, 10_000])
def test_a_complete_answer_settles_the_request_and_keeps_the_connection(book, wire, answer, expected, pieces):
    line = asked(book, wire)

    step = -(-len(answer) // pieces)
    for start in range(0, len(answer), step):
        line.data_received(answer[start : start + step])

    assert book.settled == [expected]
    assert (book.idling, book.lost, wire.closed) == ([line], [], False)


@pytest.mark.parametrize(
    "junk", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"]
)
def test_what_is_not_an_answer_is_garbled(book, wire, junk):
    line = asked(book, wire)

    line.data_received(junk)

    assert [(name, outcome) for name, outcome, _ in book.settled] == [("a", "garbled")]
    assert (book.lost, wire.closed) == ([line], True)


def test_a_connection_that_ends_before_an_answer_is_a_reset(book, wire):
    line = asked(book, wire)

    line.connection_lost(ConnectionResetError())

    assert (book.settled, book.lost) == ([("a", "reset", 0)], [line])


def test_a_connection_that_is_closed_politely_before_an_answer_is_a_reset_too(book, wire):
    line = asked(book, wire)

    line.eof_received()
    line.connection_lost(None)

    assert (book.settled, book.lost) == ([("a", "reset", 0)], [line])


@pytest.mark.parametrize("cut", [1, len(OK) - 1])
@pytest.mark.parametrize("polite", [True, False])
def test_a_connection_that_ends_within_an_answer_truncates_it(book, wire, cut, polite):
    line = asked(book, wire)
    line.data_received(OK[:cut])

    if polite:
        line.eof_received()
    line.connection_lost(None if polite else ConnectionResetError())

    assert [outcome for _, outcome, _ in book.settled] == ["truncated"]


def test_a_body_without_a_length_ends_with_a_polite_close(book, wire):
    line = asked(book, wire)
    line.data_received(b"HTTP/1.1 200 OK\r\n\r\nsome")

    line.eof_received()
    line.connection_lost(None)

    assert (book.settled, book.idling) == ([("a", "ok", 200)], [])


def test_a_body_without_a_length_is_truncated_by_a_reset(book, wire):
    line = asked(book, wire)
    line.data_received(b"HTTP/1.1 200 OK\r\n\r\nsome")

    line.connection_lost(ConnectionResetError())

    assert book.settled == [("a", "truncated", 200)]


def test_an_interim_answer_is_not_a_body_without_a_length(book, wire):
    line = asked(book, wire)
    line.data_received(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    line.eof_received()

    assert [outcome for _, outcome, _ in book.settled] == ["truncated"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        OK + b"surplus",
        OK + OK,
    ],
)
def test_a_connection_that_cannot_be_kept_is_closed_after_a_good_answer(book, wire, answer):
    line = asked(book, wire)

    line.data_received(answer)

    assert book.settled == [("a", "ok", 200)]
    assert (book.idling, book.lost, wire.closed) == ([], [line], True)


def test_a_fresh_connection_carries_one_request(book, wire):
    line = asked(book, wire, shot(fresh=True))

    line.data_received(OK)

    assert (book.settled, book.idling, wire.closed) == ([("a", "ok", 200)], [], True)
    assert book.lost == [line]


def test_a_kept_connection_carries_one_request_after_another_and_counts_them(book, wire):
    line = asked(book, wire)
    line.data_received(OK)
    second = shot("b")

    line.send(second)
    line.data_received(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    assert book.settled == [("a", "ok", 200), ("b", "status", 500)]
    assert (wire.written, second.carried, line.carried) == (sent("a") + sent("b"), 1, 2)


def test_what_comes_on_an_idle_connection_ends_it_and_fails_nobody(book, wire):
    line = asked(book, wire)
    line.data_received(OK)

    line.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    assert (len(book.settled), book.lost, wire.closed) == (1, [line], True)


def test_an_idle_connection_that_is_closed_fails_nobody(book, wire):
    line = asked(book, wire)
    line.data_received(OK)

    line.eof_received()
    line.connection_lost(None)

    assert (len(book.settled), book.lost) == (1, [line])


def test_an_idle_connection_is_alive_until_a_close_has_arrived(book, wire, ends):
    line = asked(book, wire)
    line.data_received(OK)
    before = line.alive()

    ends[1].close()

    assert (before, line.alive()) == (True, False)


def test_an_idle_connection_with_something_to_read_is_not_alive(book, wire, ends):
    line = asked(book, wire)
    line.data_received(OK)

    ends[1].send(b"x")

    assert not line.alive()


def test_a_connection_is_not_alive_before_it_is_made_nor_while_it_closes(book, wire):
    line = Line(book, None)
    before = line.alive()
    line.connection_made(wire)

    line.close()

    assert (before, line.alive()) == (False, False)


def test_a_cut_connection_forgets_its_request(book, wire):
    line = asked(book, wire)

    line.abort()
    line.connection_lost(None)

    assert (book.settled, wire.aborted) == ([], True)


def test_a_connection_can_be_cut_or_closed_before_it_is_made(book):
    line = Line(book, shot())

    line.abort()
    line.close()

    assert book.settled == []


def test_what_comes_after_the_end_is_left_alone(book, wire):
    line = asked(book, wire)
    line.connection_lost(None)

    line.data_received(OK)

    assert book.settled == [("a", "reset", 0)]


def test_an_answer_to_a_head_ends_with_its_headers_and_the_connection_goes_on(book, wire):
    line = asked(book, wire, shot("a", method="HEAD"))

    line.data_received(OK.partition(b"hi")[0])
    line.send(shot("b"))
    line.data_received(OK)

    assert [(name, outcome) for name, outcome, _ in book.settled] == [("a", "ok"), ("b", "ok")]
    assert book.idling == [line, line]
