from datetime import UTC, datetime
from email.utils import formatdate
from time import time

import pytest

from attributes import slots
from mainstay.gateway.http.date import until
from mainstay.gateway.http.grammar import CHUNKED, NONE
from mainstay.gateway.http.response import Response, first_line


def response(*headers, status=200, bodiless=False):
    made = Response(status, b"HTTP/1.1 200 OK")
    made.judge(headers, b"Date: now", bodiless=bodiless)
    return made


def test_an_answer_has_one_length_of_ours():
    assert response((b"Content-Length", b"5 ")).lines == [b"Date: now", b"Content-Length: 5"]
    assert response((b"Transfer-Encoding", b"chunked")).length == CHUNKED
    assert response().length == NONE
    assert response((b"Content-Length", b"x")).fault
    assert response((b"Content-Length", b"5"), (b"Content-Length", b"6")).fault
    assert response((b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")).fault
    assert response((b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"5")).fault
    assert response((b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")).fault


@pytest.mark.parametrize(("value", "seconds"), [(b"5", 5.0), (b"5 ", 5.0), (b"soon", None), (b"", None)])
def test_retry_after_is_read_when_it_is_a_number(value, seconds):
    assert response((b"Retry-After", value)).seconds_to_wait() == seconds


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"timeout=5, max=10", 5.0), (b"max=1", None), (b"timeout=x", None)]
)
def test_how_long_an_instance_keeps_a_connection_is_read(value, seconds):
    assert response((b"Keep-Alive", value)).keep_for == seconds


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b"HTTP/1.1 200 OK\r\n", (200, True, b"HTTP/1.1 200 OK")),
        (b"HTTP/1.0 404 Not there\r\n", (404, False, b"HTTP/1.1 404 Not there")),
        (b"HTTP/1.1 299 \r\n", (299, True, b"HTTP/1.1 299 ")),
        (b"HTTP/1.1 299\r\n", (299, True, b"HTTP/1.1 299 ")),
        (b"HTTP/1.1 200 O\x01K\r\n", (200, True, b"HTTP/1.1 200 ")),
        (b"HTTP/1.1 600 OK\r\n", None),
        (b"HTTP/1.1 +20 OK\r\n", None),
        (b"HTTP/1.2 200 OK\r\n", None),
        (b"HTTP/1.1 200 OK\n", None),
        (b"HTTP/1.1 200 O\rK\r\n", None),
        (b"ICY 200 OK\r\n", None),
    ],
)
def test_a_status_line_is_read_by_the_letter_each_time(raw, read):
    assert [first_line(raw) for _ in range(2)] == [read] * 2


@pytest.mark.parametrize(
    ("http11", "value", "stays"),
    [
        (True, b"keep-alive", True),
        (True, b"x", True),
        (True, b"close", False),
        (True, b"X, Close", False),
        (False, b"x", False),
        (False, b"Keep-Alive", True),
        (False, b"keep-alive, close", False),
    ],
)
def test_how_long_an_instance_stays_is_told_by_connection(http11, value, stays):
    made = Response(200, b"", http11=http11)

    made.judge([(b"Connection", value), (b"Proxy-Connection", b"close")], b"", bodiless=False)

    assert made.keep_alive is stays


HEAD = b"HTTP/1.1 200 OK\r\nServer: x\r\nDate: then\r\nContent-Length: 5\r\nRetry-After: 7\r\nKeep-Alive: timeout=3\r\n%b\r\n"


def read(more=b"", *, to_head=False):
    return Response.read(HEAD % more, b"Date: now", to_head=to_head)


def told(made):
    said = {name: getattr(made, name) for name in slots(Response) if name != "dated"}
    assert "status" in said
    return said | {"lines": made.lines[:]}


@pytest.mark.parametrize(
    "more",
    [
        b"",
        b"Connection: close\r\n",
        b"Connection: server\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    ],
)
def test_an_answer_that_says_the_same_again_is_what_it_would_be_alone(more):
    first = read(more)
    said = told(first)
    first.lines.append(b"Connection: close")

    for _ in range(3):
        again = read(more)
        assert told(again) == said
        again.lines.append(b"Connection: close")
        again.head()


def test_what_was_said_to_others_does_not_give_an_answer_to_head_a_body():
    for _ in range(3):
        assert read().length == 5

    assert read(to_head=True).length == 0
    assert read().length == 5


def test_an_answer_without_a_date_gets_that_of_its_own_time():
    heads = [
        Response.read(b"HTTP/1.1 204 X\r\nA: b\r\n\r\n", b"Date: %d" % n, to_head=False).head()
        for n in range(4)
    ]

    assert [head.split(b"\r\n")[2] for head in heads] == [b"Date: 0", b"Date: 1", b"Date: 2", b"Date: 3"]


@pytest.mark.parametrize("more", [b"Content-Length: 6\r\n", b"Transfer-Encoding: chunked\r\n", b"A : b\r\n"])
def test_what_cannot_be_passed_on_cannot_be_when_it_comes_again(more):
    assert [read(more) for _ in range(4)] == [None] * 4


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"Wed, 25 Nov 2026 12:00:07 GMT", 7.0),
        (b"Wed, 25 Nov 2026 11:59:00 GMT", 0.0),
        (b"Wed, 25 Nov 2026 12:00:60 GMT", 59.0),
        (b"Wed, 31 Nov 2026 12:00:07 GMT", None),
        (b"Wed, 25 Nov 0000 12:00:07 GMT", None),
        (b"Wed, 25 Nov 2026 25:00:07 GMT", None),
        (b"wed, 25 nov 2026 12:00:07 gmt", None),
        (b"Wednesday, 25-Nov-26 12:00:07 GMT", None),
        (b"Wed Nov 25 12:00:07 2026", None),
        (b"soon", None),
    ],
)
def test_a_date_to_wait_for_is_read_by_the_letter(value, seconds):
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()

    assert until(value, noon) == seconds


def test_a_date_in_retry_after_is_waited_for():
    soon = formatdate(time() + 60, usegmt=True).encode()

    assert 55 < response((b"Retry-After", soon)).seconds_to_wait() <= 60
